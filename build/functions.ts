import { readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild'
import { openapi } from '../src/edge/http/openapi.ts'
import { functionsFolder } from '../src/package-files.ts'
import { version, versionHeader } from '../src/version.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Packages that the AWS SDK imports only in a browser, or if the environment variables hold no credentials. Lambda always
 * sets these variables. Without the packages a bundle is a fifth smaller.
 */
const neverLoaded = [
  'bowser',
  ...['ini', 'login', 'process', 'sso', 'web-identity'].map(
    (source) => `@aws-sdk/credential-provider-${source}`,
  ),
  '@smithy/credential-provider-imds',
]

/** Leaves out the parts of the driver for replication and large objects, which nobody calls here. */
const withoutUncalled: Plugin = {
  name: 'without-uncalled',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/postgres\/src\/(subscribe|large)\.js$/ }, () => ({
      contents: 'export default () => ({})',
    })),
}

/** Writes the OpenAPI file into the bundle instead of what makes it: that is larger than all the rest of a function. */
const writtenOpenapi: Plugin = {
  name: 'written-openapi',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/edge\/http\/openapi\.ts$/ }, () => ({
      contents: `export const openapi = () => (${JSON.stringify(openapi())})`,
    })),
}

/** Writes the version into the bundle instead of the whole package.json. */
const writtenVersion: Plugin = {
  name: 'written-version',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/version\.ts$/ }, () => ({
      contents: `export const version = ${JSON.stringify(version)}, versionHeader = ${JSON.stringify(versionHeader)}`,
    })),
}

/** What our files and the logger of Powertools take from modules of Node, and do not need before the first call. */
const neededLater: Record<string, string[]> = {
  // The logger draws lots if it samples the log, which it does not for us.
  'node:crypto': ['randomInt'],
  'node:fs': ['readFileSync'],
  'node:net': ['isIPv4'],
}

/**
 * Loads these modules of Node when they are first used. Together they take Node almost half of its own start, partly because
 * Node reads every export of a module that is imported: so `node:fs` loads its promises and its streams.
 */
const laterModules: Plugin = {
  name: 'later-modules',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:(crypto|fs|net)$/ }, ({ path, importer }) =>
      /\/(src\/edge\/lambda|@aws-lambda-powertools\/logger)\//.test(importer)
        ? { path, namespace: 'later' }
        : undefined,
    )
    onLoad({ filter: /^node:/, namespace: 'later' }, ({ path }) => ({
      contents: neededLater[path]!.map(
        (name) =>
          `export const ${name} = (...given) => process.getBuiltinModule('${path}').${name}(...given)`,
      ).join('\n'),
    }))
  },
}

const options = {
  bundle: true,
  format: 'esm',
  splitting: true,
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  target: 'node24',
  logLevel: 'warning',
  minify: true,
  sourcemap: true,
  sourcesContent: false,
  external: neverLoaded,
  plugins: [withoutUncalled, writtenOpenapi, writtenVersion, laterModules],
  mainFields: ['module', 'main'],
  // Packages in CommonJS call require(), which an ES module does not have. The imported name is long, because the
  // minifier does not know this line and may give the same short name to something else.
  banner: {
    js: "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);",
  },
} satisfies BuildOptions

/**
 * Bundles the function of each file in `functions/` into the folder `<folder>/<name>/`, replacing what is there: `index.mjs`
 * with the handler, chunks that `index.mjs` imports, chunks that a call loads when it first needs them (the driver and TLS,
 * the clients of AWS, the OpenAPI file), and a source map of each. Returns the bundled files.
 */
export async function buildFunctions(folder = fileURLToPath(functionsFolder)): Promise<string[]> {
  const files = await readdir(join(root, 'functions'))
  await rm(folder, { recursive: true, force: true })
  const bundles = await Promise.all(files.map((file) => buildFunction(basename(file, '.ts'), folder)))
  return bundles.flatMap(({ inputs }) => Object.keys(inputs).map((path) => join(root, path)))
}

/** Bundles one function. Returns what is in its files; paths are relative to the repository. */
export async function buildFunction(name: string, folder: string): Promise<Metafile> {
  const { metafile } = await build({
    ...options,
    absWorkingDir: root,
    entryPoints: { index: join(root, 'functions', `${name}.ts`) },
    outdir: join(folder, name),
    metafile: true,
  })
  return metafile
}

if (import.meta.main) await buildFunctions()
