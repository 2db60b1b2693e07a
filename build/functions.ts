import { readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build } from 'esbuild'
import { functionsFolder } from '../src/package-files.ts'

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

const options = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  logLevel: 'warning',
  minify: true,
  sourcemap: true,
  sourcesContent: false,
  external: neverLoaded,
  mainFields: ['module', 'main'],
  // Packages in CommonJS call require(), which an ES module does not have. The imported name is long, because the
  // minifier does not know this line and may give the same short name to something else.
  banner: {
    js: "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);",
  },
} satisfies BuildOptions

/** Bundles the function of each file in `functions/` into `<folder>/<name>/index.mjs`, replacing what the folder has. */
export async function buildFunctions(folder = fileURLToPath(functionsFolder)): Promise<string[]> {
  const files = await readdir(join(root, 'functions'))
  await rm(folder, { recursive: true, force: true })
  const results = await Promise.all(
    files.map((file) =>
      build({
        ...options,
        absWorkingDir: root,
        entryPoints: [join(root, 'functions', file)],
        outfile: join(folder, basename(file, '.ts'), 'index.mjs'),
        metafile: true,
      }),
    ),
  )
  return results.flatMap(({ metafile }) => Object.keys(metafile.inputs).map((path) => join(root, path)))
}

if (import.meta.main) await buildFunctions()
