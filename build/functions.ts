import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild'
import { openapi } from '../src/api/openapi.ts'
import { functionsFolder } from '../src/package-files.ts'
import { envelope } from '../src/record/envelope/text.ts'
import { version, versionHeader } from '../src/version.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Packages that the AWS SDK imports only in a browser, or if the environment variables hold no credentials. Lambda always
 * sets these variables. Without the packages a bundle is a fifth smaller.
 */
const neverLoaded = [
  'bowser',
  ...['http', 'ini', 'login', 'process', 'sso', 'web-identity'].map(
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

/** Leaves out what the AWS SDK loads when a request has a stream of events, which ours have not. */
const withoutStreams: Plugin = {
  name: 'without-streams',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^@smithy\/core\/event-streams$/ }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    ),
}

/**
 * Writes the OpenAPI file into the bundle instead of what makes it, which is larger than all the rest of a function, and leaves the
 * schemas of answers out, which serve nothing else there.
 */
const writtenOpenapi: Plugin = {
  name: 'written-openapi',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/api\/openapi\.ts$/ }, async () => ({
      contents: `export const openapi = async () => (${JSON.stringify(await openapi())})`,
    }))
    onLoad({ filter: /\/src\/api\/answers\.ts$/ }, () => ({ contents: 'export {}' }))
  },
}

/**
 * Leaves out what only the OpenAPI file says. Loads with the function of an operation what performs it, because each call needs it.
 */
const leanRoutes: Plugin = {
  name: 'lean-routes',
  setup: ({ onLoad }) =>
    onLoad(
      { filter: /\/src\/api\/(request-fields|operation|pages|routes\/[^/]+)\.ts$/ },
      async ({ path }) => {
        const text = (await readFile(path, 'utf8')).replace(described, '')
        const [lazy, module] =
          /\(await import\('([^']+\/run\/(?:create|refresh|drop)\.ts)'\)\)/.exec(text) ?? []
        const performs =
          lazy && `import * as performing from '${module}'\n${text.replace(lazy, 'performing')}`
        return { contents: performs ?? text, loader: 'ts' }
      },
    ),
}

/** The words of fields and routes, as the formatter writes them. */
const described =
  /\bz\.globalRegistry\.add\([^\n]*\)|\b(?:description|says|example|pattern):\s*(?:\d+|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`),?/g

/** Writes the version into the bundle instead of the whole package.json. */
const writtenVersion: Plugin = {
  name: 'written-version',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/version\.ts$/ }, () => ({
      contents: `export const version = ${JSON.stringify(version)}, versionHeader = ${JSON.stringify(versionHeader)}`,
    })),
}

/** The envelope in a bundle, beside which `envelope.sql` does not stand. */
export const ofEnvelope = {
  filter: /[\\/]src[\\/]record[\\/]envelope[\\/]text\.ts$/,
  contents: `export const envelope = ${JSON.stringify(envelope)}`,
}

/** Writes the envelope into the bundle. */
const writtenEnvelope: Plugin = {
  name: 'written-envelope',
  setup: ({ onLoad }) => onLoad({ filter: ofEnvelope.filter }, () => ({ contents: ofEnvelope.contents })),
}

/** Functions of these modules are needed after the start. The logger draws lots if it samples the log, which ours does not. */
const needLater = /(src\/keeper\/.*|@aws-lambda-powertools\/logger\/.*):(crypto|net)$/

/**
 * Takes from modules of Node what is used. An `import` reads every export, and some are costly: all root certificates of `tls`,
 * the WebSocket of `http`, the streams of `fs`.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^(node:)?(${builtinModules.join('|')})$`) }, (taken) => {
      if (taken.kind !== 'import-statement') return undefined
      // One for each importer: what several share would be a chunk of its own.
      const path = `${relative(root, taken.importer)}:${taken.path.replace('node:', '')}`
      return { path, namespace: needLater.test(path) ? 'later' : 'node' }
    })
    onLoad({ filter: /./, namespace: 'node' }, ({ path }) => ({
      contents: exported(path, (name, module) => `/* @__PURE__ */ (() => ${module}.${name})()`),
    }))
    onLoad({ filter: /./, namespace: 'later' }, ({ path }) => ({
      contents: exported(path, (name, module) => `(...given) => ${module}.${name}(...given)`),
    }))
  },
}

/** A module that exports what the module of Node at the end of the path does, under the same names. */
function exported(path: string, value: (name: string, module: string) => string): string {
  const id = path.replace(/.*:/, '')
  const module = `process.getBuiltinModule('${id}')`
  const names = Object.keys(process.getBuiltinModule(id)!).filter((name) => /^\w+$/.test(name))
  return [
    `export default /* @__PURE__ */ ${module}`,
    ...names.map((name) => `export const ${name} = ${value(name, module)}`),
  ].join('\n')
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
  sourcemap: 'external',
  sourcesContent: false,
  external: neverLoaded,
  plugins: [
    withoutUncalled,
    withoutStreams,
    writtenOpenapi,
    leanRoutes,
    writtenVersion,
    writtenEnvelope,
    builtins,
  ],
  mainFields: ['module', 'main'],
} satisfies BuildOptions

/**
 * Bundles the function of each file in `functions/` into the folder `<folder>/<name>/`, replacing what is there: `index.mjs`
 * with the handler, chunks that `index.mjs` imports, chunks that a call loads when it first needs them (the driver and TLS,
 * the clients of AWS, the OpenAPI file). Returns the bundled files.
 */
export async function buildFunctions(folder = fileURLToPath(functionsFolder)): Promise<string[]> {
  const files = await readdir(join(root, 'functions'))
  await rm(folder, { recursive: true, force: true })
  const bundles = await Promise.all(files.map((file) => buildFunction(basename(file, '.ts'), folder)))
  const inputs = bundles.flatMap((bundle) => Object.keys(bundle.inputs))
  return inputs.filter((path) => !/^(node|later):/.test(path)).map((path) => join(root, path))
}

/**
 * Bundles one function. Returns what is in its files; paths are relative to the repository. Source maps are always made, because the
 * names of chunks depend on them, and written only for `npm run stack`.
 */
export async function buildFunction(name: string, folder: string, withMaps = false): Promise<Metafile> {
  const outdir = join(folder, name)
  const { metafile, outputFiles } = await build({
    ...options,
    absWorkingDir: root,
    entryPoints: { index: join(root, 'functions', `${name}.ts`) },
    outdir,
    metafile: true,
    write: false,
  })
  await mkdir(outdir, { recursive: true })
  const written = outputFiles.filter(({ path }) => withMaps || !path.endsWith('.map'))
  await Promise.all(written.map(({ path, contents }) => writeFile(path, contents)))
  return metafile
}

if (import.meta.main) await buildFunctions()
