import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { chunksOf } from '../../../build/chunks.ts'
import { buildFunction } from '../../../build/functions.ts'
import { inSources } from '../../../build/stack.ts'
import { openapi } from '../../../src/api/openapi.ts'
import { functionsFolder } from '../../../src/package-files.ts'
import { version } from '../../../src/version.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { eachCase } from '../../support/deep.ts'

const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-start-'))
afterAll(() => rmSync(folder, { recursive: true }))

const names = readdirSync(fileURLToPath(new URL('../../../functions', import.meta.url))).map((file) =>
  basename(file, '.ts'),
)
const built = new Map(
  await Promise.all(names.map(async (name) => [name, await buildFunction(name, folder)] as const)),
)

const connection = 'src/server/connection.ts'
const secrets = 'src/api/lambda/secrets-client.ts'
const token = 'src/api/lambda/sign-token.ts'

/** What Node loads with the function, and with the files of `src/` that are named: the sources, and kB gzipped. */
function loaded(name: string, entries: string[] = []): { sources: string[]; kilobytes: number } {
  const chunks = chunksOf(built.get(name)!, entries)
  return {
    sources: chunks.flatMap(({ sources }) => sources),
    kilobytes: chunks.reduce((sum, { path }) => sum + gzipSync(readFileSync(path)).length, 0) / 1000,
  }
}

/** Imports files in a process of their own, and prints what the program says of the modules. */
const inProcess = (files: string[], program: string): string =>
  execFileSync(
    process.execPath,
    [
      '-e',
      `Promise.all(${JSON.stringify(files.map((file) => pathToFileURL(file).href))}.map((url) => import(url))).then(async (modules) => console.log(${program}))`,
    ],
    { encoding: 'utf8' },
  ).trim()

test.each(names)('%s holds only functions/, src/ and packages that work in Lambda', (name) => {
  const sources = Object.values(built.get(name)!.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([source, { bytesInOutput }]) => (bytesInOutput > 0 ? [source] : [])),
  )
  expect(sources).toContain(`functions/${name}.ts`)
  for (const source of sources) {
    expect(source).toMatch(/^(functions|src|node_modules)\/|^(node|later):/)
    expect(source).not.toMatch(/node_modules\/(aws-cdk-lib|cdk-nag|esbuild|vitest|hono|embedded-)/)
  }
})

describe.each(names)('before its first call, %s', (name) => {
  test('loads at most 80 kB, gzipped', () => {
    expect(loaded(name).kilobytes).toBeLessThan(80)
  })

  test('loads neither the driver nor clients of AWS nor what only the OpenAPI file needs', () => {
    const { sources } = loaded(name)
    expect(sources).toContain(`functions/${name}.ts`)
    const large =
      /node_modules\/(hono|postgres|@aws-sdk|@smithy|zod-openapi|zod\/v4\/(classic|locales))\/|src\/api\/answers/
    expect(sources.filter((source) => large.test(source))).toEqual([])
  })

  test('loads neither TLS nor cryptography: Node takes as long for those as for its own start', () => {
    const modules = loaded(name).sources.flatMap((source) => /^node:.*:(.+)/.exec(source)?.[1] ?? [])
    expect(modules).toContain('console')
    // migrate reads and hashes its files.
    const slow = name === 'migrate' ? /^(tls|https?|http2)$/ : /^(tls|https?|http2|crypto|net)$/
    expect(modules.filter((module) => slow.test(module))).toEqual([])
  })

  test('imports no module of Node: an import reads every export', () => {
    const outputs = Object.values(built.get(name)!.outputs).flatMap(({ imports }) => imports)
    const imported = outputs.filter(({ path, kind }) => isBuiltin(path) && kind === 'import-statement')
    expect(imported).toEqual([])
  })
})

eachCase(names, { quick: 3 })('every file of %s can be loaded', (name) => {
  const files = readdirSync(join(folder, name)).filter((file) => file.endsWith('.mjs'))
  const program = 'modules.filter(({ handler }) => typeof handler === "function").length'
  expect(
    inProcess(
      files.map((file) => join(folder, name, file)),
      program,
    ),
  ).toBe('1')
})

const connecting = names.filter((name) => loaded(name, [connection]).sources.includes(connection))
test.each(connecting)('%s loads the client of Secrets Manager only for a secret', (name) => {
  const client = 'client-secrets-manager'
  const has = ({ sources }: { sources: string[] }) => sources.some((source) => source.includes(client))
  expect(has(loaded(name, [connection, token]))).toBe(false)
  expect(has(loaded(name, [connection, secrets]))).toBe(true)
})

test.each(connecting)('to log in with a token, %s loads at most 95 kB, no AWS SDK', (name) => {
  const { kilobytes, sources } = loaded(name, [connection, token])
  expect(kilobytes).toBeLessThan(95)
  expect(sources.filter((source) => /node_modules\/(@aws-sdk|@smithy)\//.test(source))).toEqual([])
})

const usual = ['refresh', 'batch', 'monitor']
test.each(usual)('until it is logged in, %s loads at most 93.7 kB, 143.4 with a secret', (name) => {
  expect(loaded(name, [connection, token]).kilobytes).toBeLessThan(93.7)
  expect(loaded(name, [connection, secrets]).kilobytes).toBeLessThan(143.4)
})

test('a refresh loads what only a swap needs when it may swap', () => {
  const swap =
    /^src\/(rebuild\/plan\/(plan-rebuild|prove|exchange|shadow)|catalog\/plan\/live-view-query)\.ts$/
  const before = loaded('refresh', [connection, token])
  expect(before.sources.filter((source) => swap.test(source))).toEqual([])
  const swapping = loaded('refresh', [connection, token, 'src/run/plan-swap.ts'])
  expect(swapping.sources.filter((source) => swap.test(source))).toHaveLength(5)
  // It waits for a request, or for a change log beside the view.
  expect(swapping.sources).not.toContain('src/slices/plan/prove.ts')
  const slices = ['strategy', 'slices'].map((file) => `src/slices/${file}.ts`)
  const proving = loaded('refresh', [connection, token, 'src/run/plan-swap.ts', ...slices])
  expect(proving.sources).toContain('src/slices/plan/prove.ts')
})

test.each([
  [
    'batch',
    'src/batch/advance.ts',
    /^src\/(batch\/(groups|plan\/together)|rebuild\/plan\/(prove|scope))\.ts$/,
  ],
  [
    'migrate',
    'src/api/lambda/migrate.ts',
    /^src\/(migrate\/(apply-migrations|migration-failures|plan-change)|record\/envelope\/text)\.ts$/,
  ],
])(
  'a call of %s loads at most 115.8 kB with a token, and what it seldom needs only then',
  (name, handler, seldom) => {
    const { kilobytes, sources } = loaded(name, [connection, token, handler])
    expect(kilobytes).toBeLessThan(115.8)
    expect(sources).toContain(handler)
    expect(sources.filter((source) => seldom.test(source))).toEqual([])
    const all = Object.values(built.get(name)!.outputs).flatMap(({ inputs }) => Object.keys(inputs))
    expect(new Set(all.filter((source) => seldom.test(source))).size).toBe(4)
  },
)

test('no function has the parts of the driver for replication and large objects', () => {
  const parts = [...built.values()].flatMap(({ outputs }) =>
    Object.values(outputs).flatMap(({ inputs }) =>
      Object.entries(inputs).filter(([path]) => /\/postgres\/src\/(subscribe|large)\.js$/.test(path)),
    ),
  )
  for (const [path, { bytesInOutput }] of parts) expect(bytesInOutput, path).toBeLessThan(100)
})

test('the log of an unexpected error names version and place, which `npm run stack` finds in the sources', async () => {
  const event = '{ get requestContext() { throw new TypeError() } }'
  const call = `modules[0].handler(${event}, { getRemainingTimeInMillis: () => 9000 }).catch(() => "")`
  const toOutput = '(process.stderr.write = (line) => process.stdout.write(line))'
  const log = inProcess(
    [fileURLToPath(new URL('refresh/index.mjs', functionsFolder))],
    `(${toOutput}, await ${call})`,
  )
  expect(log).toContain(`"version":"${version}"`)
  expect(await inSources('refresh', log)).toMatch(
    /"unexpected error".* \(src\/api\/lambda\/lifetime\.ts:\d+:\d+\)/,
  )
})

test('the OpenAPI file in the bundle is the one that the repository makes', async () => {
  const { handler } = await import(join(folder, 'api', 'index.mjs'))
  const answer = await handler(httpEvent('GET /openapi.json'), lambdaContext())
  expect(parsed(answer).body).toEqual(JSON.parse(JSON.stringify(await openapi())))
})
