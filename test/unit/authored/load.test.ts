import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Located, ViewProblem } from '../../../src/authored/load.ts'

// Each test starts a process, which takes seconds on a busy machine.
const root = new URL('../../../', import.meta.url)
const importing = "import { defineView } from 'viewkeeper'\n"

/** From where views are imported: the sources, or the package. */
const ways = ['the sources', 'the package'] as const
type Way = (typeof ways)[number]

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'viewkeeper-authoring-'))
  await symlink(fileURLToPath(new URL('node_modules', root)), join(folder, 'node_modules'))
  await build({
    entryPoints: ['src/index.ts', 'src/authored/load.ts'].map((file) => fileURLToPath(new URL(file, root))),
    entryNames: '[name]',
    outdir: join(folder, 'package'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    external: ['libpg-query'],
  })
  await writeFile(join(folder, 'package/package.json'), '{ "type": "module" }')
  return () => rm(folder, { recursive: true })
})

/** Runs a module in a process of its own, so that Node itself does the imports, as in real use. Nothing may be warned of. */
async function run(code: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', code],
    {
      cwd: folder,
    },
  )
  expect(stderr).toBe('')
  return stdout
}

async function load(
  way: Way,
  name: string,
  files: Record<string, string>,
): Promise<{ definitions: Located[]; problems: ViewProblem[] }> {
  for (const [file, text] of Object.entries(files)) {
    const path = join(folder, name, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
  const loader = way === 'the sources' ? new URL('src/authored/load.ts', root).href : './package/load.js'
  return JSON.parse(
    await run(
      `
      import { loadViews } from '${loader}'
      import { pathToFileURL } from 'node:url'
      console.log(JSON.stringify(await loadViews(pathToFileURL('${name}'))))`,
    ),
  )
}

const told = ({ problems }: { problems: ViewProblem[] }) =>
  problems.map(({ file, line, view, field, message }) => [`${file}:${line}`, view, field, message])

/** A wrong field; the field and the message of the problem, which names the line of the view. */
const wrong: [input: string, field: string | null, message: RegExp][] = [
  ['retires: 3', 'retires', /is not a field: did you mean retries\?/],
  ['maxStaleness: 3', 'maxStaleness', /did you mean maxStalenessSeconds\?/],
  ['dependson: []', 'dependson', /did you mean dependsOn\?/],
  ['frobnicate: 3', 'frobnicate', /is not a field: the fields are schema, name, query,/],
  ["schema: 'a\\nb'", 'schema', /control characters/],
  [`schema: '${'s'.repeat(64)}'`, 'schema', /at most 63/],
  ["schema: 'viewkeeper'", 'schema', /is the schema of Viewkeeper itself: name another one/],
  ["schema: 'pg_temp'", 'schema', /belongs to the server/],
  ["schema: 'information_schema'", 'schema', /belongs to the server/],
  ["indexes: [{ name: 'viewkeeper_7_i0', columns: ['a'] }]", 'indexes.0.name', /choose another/],
  ["owner: ''", 'owner', /must be the name of a role/],
  ['owner: null', 'owner', /must be the name of a role/],
  ["ownr: 'boss'", 'ownr', /did you mean owner\?/],
  ["strategy: 'quick'", 'strategy', /one of auto, regular, concurrent, swap/],
  ['uniqueKey: []', 'uniqueKey', /at least one column/],
  ["uniqueKey: 'a'", 'uniqueKey', /list of columns/],
  ["uniqueKey: [\n'a',\n'']", 'uniqueKey.1', /name of a column/],
  ["schedule: '0 6 * * *'", 'schedule', /needs a timeZone/],
  ["timeZone: 'UTC'", 'timeZone', /needs a schedule/],
  ['suspendAfterFailures: 21', 'suspendAfterFailures', /from 0 to 20/],
  ['targetLagSeconds: 0', 'targetLagSeconds', /from 1 to/],
  ['targetLagSeconds: 59', 'targetLagSeconds', /at least 60: a shorter lag needs a change log.*slices/],
  [`targetLagSeconds: 59, storage: 'table'`, 'targetLagSeconds', /at least 60/],
  [
    `targetLagSeconds: 1, maxStalenessSeconds: 119, storage: 'table', slices: { by: 'day' }`,
    'maxStalenessSeconds',
    /must be at least 120: while nothing changes, the age is renewed each minute/,
  ],
  [`slices: 'day'`, 'slices', /must be an object: \{ by: 'day'/],
  [`slices: { by: 'day', of: 'orders' }`, 'slices.of', /is not a field: slices must be an object/],
  [`slices: { by: 'day' }`, 'slices', /^needs an incremental table, .*: write storage: 'table', too/],
  [
    `slices: { by: 'whole' }, storage: 'table'`,
    'slices.by',
    /which the change log calls a column of its own/,
  ],
  [
    `slices: { by: 'day' }, storage: 'table', schema: '${'s'.repeat(49)}'`,
    'name',
    /is too long for slices: with its schema and a dot at most 51 bytes/,
  ],
  [`slices: { by: 'day', wholeEvery: 60 }`, 'slices.wholeEvery', /must be a time: "12 h"/],
  [`live: true, storage: 'table'`, 'live', /^needs a change log, .*slices: \{ by: '…' \}, too/],
  [`live: false`, 'live', /must be true, or say what it shows/],
  [`live: { otherwise: 'nothing' }`, 'live', /must be true, or say what it shows/],
  [
    `live: true, storage: 'table', slices: { by: 'day' }, grants: [{ privileges: ['select'], columns: ['day'], to: 'app' }]`,
    'grants.0.columns',
    /cannot go with live, whose readers see all columns/,
  ],
  [`storage: 'heap'`, 'storage', /must be one of materialized view, table/],
  [
    `storage: 'table', strategy: 'swap'`,
    'strategy',
    /must be left out: a refresh of a table writes the rows that differ/,
  ],
  [
    `storage: 'table', checks: { differs: { atMost: '5%' } }`,
    'checks.differs',
    /compares a view that is made anew/,
  ],
  [
    `storage: 'table', grants: [{ privileges: ['select', 'insert', 'trigger'], to: 'app' }]`,
    'grants.0.privileges',
    /must not have insert, trigger: only refreshes write a table/,
  ],
  ["targetLagSeconds: 900, schedule: '0 6 * * *', timeZone: 'UTC'", 'targetLagSeconds', /go with schedule/],
  ["schedule: 'none', timeZone: 'UTC'", 'timeZone', /cannot go with schedule "none"/],
  ['onChange: true', 'onChange', /needs a targetLagSeconds/],
  ['onChange: true, targetLagSeconds: 60, skipUnchanged: false', 'skipUnchanged', /false with onChange/],
  ['targetLagSeconds: 900, maxStalenessSeconds: 899', 'maxStalenessSeconds', /at least targetLagSeconds/],
  ["timeZone: 'UTC', schedule: '0 0 6 * * *'", 'schedule', /five fields/],
  ["timeZone: 'UTC', schedule: '0 6 * *'", 'schedule', /five fields/],
  ["timeZone: 'UTC', schedule: '@daily'", 'schedule', /five fields/],
  ["timeZone: 'UTC', schedule: '0 6 L * *'", 'schedule', /five fields/],
  ["timeZone: 'UTC', schedule: '0 6 15W * *'", 'schedule', /five fields/],
  ["timeZone: 'UTC', schedule: '0 6 * * FRI#2'", 'schedule', /five fields/],
  ["timeZone: 'UTC', schedule: '0 6 * * 5L'", 'schedule', /five fields/],
  ["timeZone: 'UTC', schedule: '0 6 ? * *'", 'schedule', /five fields/],
  ["timeZone: 'UTC', schedule: '0  6 * * *'", 'schedule', /one space apart/],
  ["timeZone: 'UTC', schedule: '60 6 * * *'", 'schedule', /minute: 60/],
  ["timeZone: 'UTC', schedule: '0 6 1 * MON'", 'schedule', /both/],
  ["timeZone: 'UTC', schedule: '0 6 31 2 *'", 'schedule', /never/],
  ["schedule: '0 6 * * *',\ntimeZone: 'Europe/Berlim'", 'timeZone', /IANA/],
  ["schedule: '0 6 * * *',\ntimeZone: '+01:00'", 'timeZone', /IANA/],
  ["schedule: '0 6 * * *',\ntimeZone: 'europe/berlin'", 'timeZone', /"Europe\/Berlin"/],
  ['timeoutSeconds: 0', 'timeoutSeconds', /from 1 to 86400/],
  ['timeoutSeconds: 86_401', 'timeoutSeconds', /from 1 to 86400/],
  ['timeoutSeconds: 1.5', 'timeoutSeconds', /from 1 to 86400/],
  ['retries: -1.5', 'retries', /from 0 to 2147483647/],
  ['retryDelaySeconds: -1', 'retryDelaySeconds', /from 0/],
  ['maxStalenessSeconds: 0', 'maxStalenessSeconds', /from 1/],
  ["minIntervalSeconds: '1'", 'minIntervalSeconds', /from 0/],
  ['minIntervalSeconds: 2 ** 31', 'minIntervalSeconds', /to 2147483647/],
  ["inAll: 'no'", 'inAll', /true or false/],
  ["settings: {\nwork_mem: '1MB',\nrole: 'x' }", 'settings.role', /role/],
  ['settings: { jit: null }', 'settings.jit', /a text, a number/],
  ["dependsOn: [\n'app.a',\n'b']", 'dependsOn.1', /"public\.b"/],
  ["dependsOn: ['a.b.c']", 'dependsOn.0', /with its schema/],
  ['checks: { notEmpty: false }', 'checks.notEmpty', /must be true/],
  ['checks: { rows: { atMost: 1 } }', 'checks.rows.atMost', /is not a field/],
  ["checks: { freshest: { column: 'a', within: 'a day' } }", 'checks.freshest.within', /"26 h"/],
  ["checks: { references: { a: 'shops (id)' } }", 'checks.references.a', /with its schema/],
  ["checks: { unique: [['a'], ['a']] }", 'checks.unique', /check "unique\(a\)" twice/],
  ["checks: { notNull: ['a', 'a'] }", 'checks.notNull', /twice/],
  ["checks: { notEmpty: true, severity: { nothing: 'warn' } }", 'checks.severity.nothing', /are notEmpty/],
  ["checks: { two: 'select from v; drop table t' }", 'checks.two', /2 statements/],
  ["checks: { writes: 'delete from v' }", 'checks.writes', /not a select/],
  ["checks: { w: 'with d as (delete from v returning 1) select from d' }", 'checks.w', /not change data/],
  ["checks: { other: 'select 1' }", 'checks.other', /does not read the view/],
  ["checks: { bare: 'select from t' }", 'checks.bare', /"t" with its schema/],
  ['comment:\n1', 'comment', /must be a text/],
  ["strategy: 'concurrent', uniqueKey: ['']", 'uniqueKey.0', /name of a column/],
  ["strategy: 'concurrent', indexes: [{}]", 'indexes.0', /"columns" or "on"/],
  ["strategy: 'concurrent'", 'strategy', /uniqueKey/],
  ["strategy: 'concurrent', indexes: [{ columns: ['a'] }]", 'strategy', /unique index/],
  [
    "strategy: 'concurrent', indexes: [{ columns: ['a'], unique: true, where: 'a > 0' }]",
    'strategy',
    /without a condition/,
  ],
  [
    "strategy: 'concurrent', indexes: [{ name: 'y1', unique: true, on: '(lower(a))' }]",
    'strategy',
    /plain columns/,
  ],
  ['indexes: {}', 'indexes', /must be a list/],
  ["indexes: ['a']", 'indexes.0', /must be an object/],
  ["indexes: [\n{ columns: ['a'] },\n{ unique: true }]", 'indexes.1', /"columns" or "on"/],
  ["indexes: [{ name: 'y2', columns: ['a'],\non: '(a)' }]", 'indexes.0.columns', /combined with "on"/],
  ["indexes: [{ name: 'y3', on: '(a)',\nwhere: 'b' }]", 'indexes.0.where', /combined with "on"/],
  ["indexes: [\n{ on: '(a)' }]", 'indexes.0.name', /is missing/],
  ["indexes: [{ name: 'y4',\non: '(a' }]", 'indexes.0.on', /syntax error/],
  ["indexes: [{ columns: ['a'],\nwhere: 'a >' }]", 'indexes.0.where', /syntax error/],
  ["indexes: [{ columns: ['a'], where: 'a > 0; drop table b' }]", 'indexes.0.where', /semicolon/],
  ["indexes: [{ columns: ['a'],\nwhere: 'a > 0 -- not yet' }]", 'indexes.0.where', /comment/],
  ["indexes: [{ name: 'y5',\non: '(a) -- x' }]", 'indexes.0.on', /comment/],
  ["indexes: [{ columns: ['a'],\nusing: 'a b' }]", 'indexes.0.using', /access method/],
  ["indexes: [{ columns: ['a'], name: 'a\\r' }]", 'indexes.0.name', /control characters/],
  ["indexes: [{ colums: ['a'] }]", 'indexes.0.colums', /did you mean columns\?/],
  ["grants: [{ privileges: ['read'], to: 'r' }]", 'grants.0.privileges.0', /one of select,/],
  ["grants: [{ privileges: [], to: 'r' }]", 'grants.0.privileges', /at least/],
  ["grants: [\n{ privileges: ['select'] }]", 'grants.0.to', /is missing: .*role/],
  ["grants: [{ privileges: ['all'],\nto: '' }]", 'grants.0.to', /role/],
  ["grants: [{ privileges: ['Select', 'delete'], to: 'r', columns: ['a'] }]", 'grants.0.columns', /delete/],
  ["grants: [{ privileges: ['all'], to: 'public', grantOption: true }]", 'grants.0.grantOption', /to a role/],
]

/** The same for the name and the query, with a text on the line that the problem names. Here the whole call is written out. */
const wrongCalls: [call: string, at: string, view: string | null, field: string | null, message: RegExp][] = [
  ["defineView({ query: 'select 1' })", 'defineView({', null, 'name', /is missing/],
  [
    "defineView({\nname: 'a\\nb',\nquery: 'select 1' })",
    'defineView(',
    'public.U&"a\\000Ab"',
    'name',
    /control characters/,
  ],
  ["defineView({\nname: 1,\nquery: 'select 1' })", 'defineView(', null, 'name', /control characters/],
  [
    "defineView({\nname: 'public.mv_bad', query: 'select 1' })",
    'defineView(',
    'public."public.mv_bad"',
    'name',
    /did you mean schema "public", name "mv_bad"\?/,
  ],
  [
    "defineView({\nname: 'v1..2', query: 'select 1' })",
    'defineView(',
    'public."v1..2"',
    'name',
    /no schema stands beside it\. If the dot belongs to the name, write schema/,
  ],
  ["defineView({\nname: 'c1' })", 'defineView(', 'public.c1', 'query', /is missing/],
  ["defineView({\nname: 'c2', query: 7 })", 'defineView(', 'public.c2', 'query', /SQL as a text/],
  ["defineView({\nname: 'c3',\n'query': '' })", 'defineView(', 'public.c3', 'query', /is empty/],
  ["defineView({\nname: 'c4', query: `\nselect 1\n fro\n x y` })", ' x y', 'public.c4', 'query', /near "x"/],
  [
    "defineView({\nname: 'c5', query: 'select 1' + ' fro x y' })",
    'defineView(',
    'public.c5',
    'query',
    /near "x"/,
  ],
  ["defineView({\nname: 'c6', query: 'select 1; select 2' })", 'query', 'public.c6', 'query', /2 statements/],
  ["defineView({\nname: 'c7', query: 'delete from x' })", 'query', 'public.c7', 'query', /not a select/],
  ["defineView({\nname: 'c8', query: 'select $1' })", 'query', 'public.c8', 'query', /\$1/],
  [
    "defineView({\nname: 'c9', query: '(select 1 for share) union (select 2 for share)' })",
    'query',
    'public.c9',
    'query',
    /for share/,
  ],
  ["defineView({\nname: 'c10', query: 'select 1 into x' })", 'query', 'public.c10', 'query', /into/],
  [
    "defineView({ name: 'c11',\nquery: { compile: () => ({ sql: 'select $1', parameters: ['secret'] }) } })",
    'defineView(',
    'public.c11',
    'query',
    /^binds a value, .* sql\.lit\(…\)$/,
  ],
  [
    "defineView({ name: 'c12',\nquery: { toSQL: () => ({ sql: 'select $1, $2', params: ['secret', 1] }) } })",
    'defineView(',
    'public.c12',
    'query',
    /^binds 2 values, .*sql\.raw\(…\)/,
  ],
  [
    "defineView({ name: 'c13',\nquery: { compile() { throw new Error('not built') } } })",
    'defineView(',
    'public.c13',
    'query',
    /cannot be compiled: not built/,
  ],
  [
    "defineView({\nname: 'c14', query: 'select 1',\ndependsOn: ['public.other',\n'Public.C14'] })",
    'defineView(',
    'public.c14',
    'dependsOn.1',
    /^is the view itself: leave it out$/,
  ],
  [
    "defineView({\nname: 'viewkeeper_12',\nquery: 'select 1' })",
    'defineView(',
    'public.viewkeeper_12',
    'name',
    /gives to views and indexes while it builds them: choose another name/,
  ],
  ['defineView()', 'defineView(', null, null, /must be an object/],
]

describe.each(ways)('imported from %s,', (way) => {
  describe.concurrent('views are read', () => {
    test('from every file of a folder and its subfolders, sorted by path, however they are exported', async () => {
      const { definitions, problems } = await load(way, 'good', {
        'b.ts': `${importing}
        export default [1, 2].map((n) => defineView({ name: \`b\${n}\`, query: 'select 1' }))`,
        'a.ts': `${importing}
        const view = defineView({
          name: 'a', query: 'select 1' })
        export const z = defineView({ name: 'a_z', query: 'select 1' }), list = [[view]]
        export default view`,
        'c/d.ts': `export * from '../b.ts'\nexport { default } from '../b.ts'`,
        'c/e.ts': `${importing}export const n = 1, view = defineView({ name: 'e', query: 'select 1' })`,
        'x.d.ts': 'export default 1',
        'x.test.ts': 'throw new Error()',
        'x.js': 'throw new Error()',
      })
      expect(problems).toEqual([])
      expect(definitions.map(({ file, line, definition: { name } }) => `${file}:${line} ${name}`)).toEqual([
        'good/a.ts:3 a',
        'good/a.ts:5 a_z',
        'good/b.ts:3 b1',
        'good/b.ts:3 b2',
        'good/c/e.ts:2 e',
      ])
    })

    test('with SQL from imported files', async () => {
      const { definitions, problems } = await load(way, 'imported', {
        'a.ts': `${importing}import query from './sql/a.sql'\nexport default defineView({ name: 'a', query })`,
        'sql/a.sql': '\ufeff-- é "`$x\nselect 1\r\n  , 2;\r\n-- done\n',
      })
      expect(problems).toEqual([])
      expect(definitions).toMatchObject([
        { file: 'imported/a.ts', line: 3, definition: { sql: '-- é "`$x\nselect 1\n  , 2' } },
      ])
    })

    test('from a missing folder: none', async () => {
      expect(await load(way, 'nowhere', {})).toEqual({ definitions: [], problems: [] })
    })
  })

  describe.concurrent('all problems are reported at once', () => {
    const cases = [
      ...wrong.map(([input, field, message], number) => {
        const name = `v${number}`
        const call = `defineView({\n  name: '${name}', query: 'select 1',\n// ${field}: 'x'\n  ${input},\n})`
        const view: unknown = expect.stringMatching(new RegExp(`\\.${name}$`))
        return { name, input, call, at: 'defineView(', view, field, message }
      }),
      ...wrongCalls.map(([call, at, view, field, message], number) => {
        return { name: `call${number}`, input: call, call, at, view, field, message }
      }),
    ].map(({ name, input, call, at, message, ...rest }) => {
      const text = `${importing}\nexport default ${call}\n`
      const before = text.slice(0, text.indexOf(call) + call.indexOf(at))
      const line = before.split('\n').length
      const problem = { file: `bad/${name}.ts`, line, message: expect.stringMatching(message), ...rest }
      return { name, title: input.replaceAll('\n', ' '), text, problem }
    })

    let problems: ViewProblem[]
    beforeAll(async () => {
      const files = Object.fromEntries(cases.map(({ name, text }) => [`${name}.ts`, text]))
      const loaded = await load(way, 'bad', files)
      problems = loaded.problems
      expect(loaded.definitions).toEqual([])
    })

    test.each(cases)('$title', ({ problem }) => {
      expect(problems.filter(({ file }) => file === problem.file)).toEqual([problem])
    })

    test('sorted by file and line', () => {
      const order = problems.map(({ file, line }) => `${file}:${String(line).padStart(4)}`)
      expect(order.length).toBe(cases.length)
      expect(order).toEqual([...order].sort())
    })

    test('without the values that a query binds', () => {
      expect(JSON.stringify(problems)).not.toContain('secret')
    })
  })

  describe.concurrent('problems are reported across files', () => {
    test('all of one view, even if one problem could hide another', async () => {
      const loaded = await load(way, 'many', {
        'a.ts': `${importing}export default defineView({
        name: 'a',
        query: 'select 1 for update',
        schedule: 'daily',
        timeoutSeconds: 0,
        indexes: [
          { colunms: ['a'] },
          { columns: ['a'], where: 'b >' },
        ],
        grants: [{ privileges: ['fly'], to: '' }],
        settings: { a: 1, b: 2 },
        commnt: '',
      })`,
      })
      expect(told(loaded).map(([place, , field]) => `${place} ${field}`)).toEqual([
        'many/a.ts:2 schedule',
        'many/a.ts:2 timeoutSeconds',
        'many/a.ts:2 commnt',
        'many/a.ts:2 schedule',
        'many/a.ts:2 indexes.0.colunms',
        'many/a.ts:2 indexes.1.where',
        'many/a.ts:2 grants.0.privileges.0',
        'many/a.ts:2 grants.0.to',
        'many/a.ts:2 settings.a',
        'many/a.ts:2 settings.b',
        'many/a.ts:4 query',
      ])
    })

    test('those of an imported file with the line in that file', async () => {
      const loaded = await load(way, 'in-sql', {
        'a.ts': `${importing}import query from './a.sql'\nexport default defineView({ name: 'a', query })`,
        'a.sql': '\r\nselect 1,\r\n  2 fro\r\n  x y\r\n',
        'b.ts': `${importing}import sql from './b.sql'
        export default defineView({
          name: 'b',
          query: sql.replace('one', '1'),
        })`,
        'b.sql': 'select one\nfro x y',
        'c.ts': `${importing}import query from './c.sql'
        export default defineView({
          name: 'c',
          query, uniqueKey: 1 as never })`,
        'c.sql': '-- to be written',
      })
      expect(told(loaded).map(([place, , field]) => `${place} ${field}`)).toEqual([
        'in-sql/a.sql:4 query',
        'in-sql/b.ts:3 query',
        'in-sql/c.sql:1 query',
        'in-sql/c.ts:3 uniqueKey',
      ])
    })

    test('views that are defined twice, with the place of the first definition', async () => {
      const view = (rest: string) => `${importing}export default defineView({\nquery: 'select 1',\n${rest} })`
      const loaded = await load(way, 'twice', {
        'a.ts': view("name: 'a', uniqueKey: ['x']"),
        'b.ts': view("name: 'a', schema: 'other', uniqueKey: ['x']"),
        'c.ts': view("name: 'a', schema: 'public', uniqueKey: ['x']"),
      })
      expect(told(loaded)).toEqual([
        ['twice/c.ts:2', 'public.a', 'name', expect.stringContaining('twice/a.ts:2')],
      ])
      expect(loaded.definitions.map(({ definition: { schema, name } }) => `${schema}.${name}`)).toEqual([
        'public.a',
        'other.a',
      ])
    })

    test('indexes of the same name in a schema, written by the author or made from columns', async () => {
      const view = (rest: string) => `${importing}export default defineView({\nquery: 'select 1',\n${rest} })`
      const loaded = await load(way, 'indexes', {
        'a.ts': view("name: 'a',\nuniqueKey: ['x'], indexes: [{ columns: ['x'] }]"),
        'b.ts': view("name: 'b',\nindexes: [{ columns: ['x'], name: 'a_x_idx' }]"),
        'c.ts': view("name: 'c', schema: 'other',\nindexes: [{ columns: ['x'], name: 'a_x_idx' }]"),
        'd.ts': view("name: 'd',\nindexes: [\n{ columns: ['x'] },\n{ columns: ['x'], unique: true }]"),
        'e.ts': view("name: 'a_key'"),
        'f.ts': view("name: 'f',\nindexes: [{ on: '(x)', name: 'a' }]"),
      })
      expect(told(loaded)).toEqual([
        ['indexes/a.ts:2', 'public.a', 'uniqueKey', expect.stringMatching(/"a_key".*the view.*e\.ts:2/)],
        ['indexes/b.ts:2', 'public.b', 'indexes.0', expect.stringMatching(/"a_x_idx".*public\.a.*a\.ts:2/)],
        ['indexes/d.ts:2', 'public.d', 'indexes.1', expect.stringMatching(/"d_x_idx".*public\.d.*d\.ts:2/)],
        ['indexes/f.ts:2', 'public.f', 'indexes.0', expect.stringMatching(/"a".*the view.*a\.ts:2/)],
      ])
    })
  })
})

describe.concurrent('problems are reported', () => {
  test('those of several calls each by itself, even if calls share a line or their query is elsewhere', async () => {
    const loaded = await load('the sources', 'calls', {
      'a.ts': `${importing}const query = \`
          select 1
          fro x y\`
        const rest = { retries: -1 }
        export const a = defineView({ name: 'a', query, ...rest }),
          b = defineView({ name: 'b', query: 'select 1', indexes: [{ columns: ['c'], name: '\\r' }], inAll: 1 as never }), c = defineView({
            name: 'c\\r', query: \`select \${1}\`, grants: [{
              privileges: ['select'], to: '' }], retries: 0 })
        export const d = defineView({ name: 'd',
          query: \`
          select 1
          fro x y\` })`,
    })
    expect(told(loaded).map(([place, view, field]) => `${place} ${view} ${field}`)).toEqual([
      'calls/a.ts:4 public.a query',
      'calls/a.ts:6 public.a retries',
      'calls/a.ts:7 public.b inAll',
      'calls/a.ts:7 public.b indexes.0.name',
      'calls/a.ts:7 public.U&"c\\000D" name',
      'calls/a.ts:7 public.U&"c\\000D" grants.0.to',
      'calls/a.ts:13 public.d query',
    ])
  })

  test('files that cannot be imported or have no view; the views of the other files are loaded', async () => {
    const loaded = await load('the sources', 'broken views', {
      'a.ts': "\nfunction f() {\n  throw new Error('boom')\n}\nf()",
      'b.ts': '\nconst a = b c',
      'c.ts': "\n\nimport {\n  x,\n} from './missing.ts'\nx()",
      'd.ts': "\nimport { x } from 'no-such-package'",
      'e.ts': `${importing}import query from './missing.sql'\nexport default defineView({ name: 'e', query })`,
      'f.ts': "\nimport { nothing } from './h.ts'",
      'g.ts': "throw 'a text'",
      'h.ts': 'export const view = { input: { name: "x" } }, list = [null, undefined]',
      'i.ts': `${importing}export default defineView({ name: 'i', query: 'select 1' })`,
      'j.ts': `import '${new URL('src/words/problem.ts', root)}'\nenum E { a }`,
    })
    expect(told(loaded)).toEqual([
      ['broken views/a.ts:3', null, null, expect.stringMatching(/cannot be imported: Error: boom/)],
      ['broken views/b.ts:2', null, null, expect.stringMatching(/cannot be imported: SyntaxError/)],
      ['broken views/c.ts:5', null, null, expect.stringMatching(/cannot be imported: .*missing\.ts/)],
      ['broken views/d.ts:2', null, null, expect.stringMatching(/cannot be imported: .*no-such-package/)],
      ['broken views/e.ts:2', null, null, expect.stringMatching(/cannot be imported: .*missing\.sql/)],
      ['broken views/f.ts:2', null, null, expect.stringMatching(/cannot be imported: .*nothing/)],
      ['broken views/g.ts:1', null, null, expect.stringMatching(/cannot be imported: a text/)],
      ['broken views/h.ts:1', null, null, expect.stringMatching(/exports no view/)],
      ['broken views/j.ts:2', null, null, expect.stringMatching(/cannot be imported: .*enum/)],
    ])
    expect(loaded.definitions.map(({ definition }) => definition.name)).toEqual(['i'])
  })
})

describe('what views import', () => {
  test('through a module that imports neither the checks nor the parser', async () => {
    const output = await run(`
      import { registerHooks } from 'node:module'
      registerHooks({
        resolve(specifier, context, next) {
          const resolved = next(specifier, context)
          console.log(resolved.url)
          return resolved
        },
      })
      await import('${new URL('src/index.ts', root)}')`)
    const names = output
      .trim()
      .split('\n')
      .map((url) => url.slice(url.lastIndexOf('/') + 1))
    expect(names).toEqual(['index.ts', 'define-view.ts', 'node:util', 'config.ts'])
  })
})
