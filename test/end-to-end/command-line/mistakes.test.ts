import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { main } from '../../../cli/program.ts'
import { type Gateway, startGateway } from '../../../serve/http/gateway.ts'
import { startParameters } from '../../support/api/fake-api.ts'
import { servedOn } from '../../support/api/served.ts'
import { caught } from '../../support/cli/printed.ts'
import { lendProcess } from '../../support/console.ts'
import { define } from '../../support/record/rows.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { Project } from '../support/project.ts'

// Mistakes at the command line. Each answer says what is wrong and where, and what to type.

const { server, sql, database } = await startOwnServer()
let gateway: Gateway
let project: Project
const home = process.cwd()

beforeAll(async () => {
  process.env.DATABASE_URL = server.url // the functions of the gateway read it at each call
  await sql.unsafe(`
    create schema app;
    create materialized view sales as select 1 as id;
    create materialized view app.sales as select 1 as id;
    create materialized view late_share as select * from sales;
    create table orders (id int)`)
  await define(sql, 'app.sales', { pausedAt: sql`now()` })
  gateway = await startGateway({ port: 0, served: servedOn(database) })
})

afterAll(async () => {
  process.chdir(home)
  await gateway.close()
  delete process.env.DATABASE_URL
})

beforeEach(() => lendProcess(home))

/** Types a line in a folder of its own. What the gateway or the database knows is the same for all. */
async function type(line: string, { env = {}, files = {} }: Around): Promise<{ said: string; code: number }> {
  project = new Project()
  for (const [file, text] of Object.entries(files)) write(file, text)
  process.chdir(project.folder)
  for (const [name, value] of Object.entries({ PORT: new URL(gateway.url).port, ...env }))
    vi.stubEnv(name, value)
  const said = caught(process.stdout, process.stderr)
  await main(line.split(' ').filter(Boolean))
  return { said: said.text, code: Number(process.exitCode ?? 0) }
}

function write(file: string, text: string): void {
  mkdirSync(join(project.folder, dirname(file)), { recursive: true })
  writeFileSync(join(project.folder, file), text)
}

interface Around {
  env?: Record<string, string>
  files?: Record<string, string>
}

const configured = {
  'viewkeeper.config.ts': `import { defineConfig } from 'viewkeeper'
export default defineConfig({ environments: { production: { region: 'eu-central-1' } } })`,
}
const view = (fields: string) => ({
  'views/mv_x.ts': `import { defineView } from 'viewkeeper'\nexport default defineView({ name: 'mv_x', ${fields} })\n`,
})

const example = view("query: 'select 1 as id'")

const mistakes: [mistake: string, line: string, around: Around, ...answers: (string | RegExp)[]][] = [
  // Commands
  ['no command', '', {}, 'Operate', 'Author'],
  ['a misspelled command', 'refesh sales', {}, "unknown command 'refesh'", 'Did you mean refresh?', '--help'],
  ['help of no command', 'help refesh', {}, "unknown command 'refesh'", 'Did you mean refresh?'],
  ['kubectl get', 'get views', {}, "unknown command 'get'", '--help'],
  ['a plural', 'views', {}, "unknown command 'views'", '--help'],
  ['a misspelled option', 'refresh sales --strategi swap', {}, "unknown option '--strategi'", '--strategy'],
  ['an option of another command', 'ls --force', {}, "unknown option '--force'", 'viewkeeper ls --help'],
  ['an option without its value', 'refresh sales --strategy', {}, 'argument missing', '--strategy <name>'],
  ['no strategy', 'refresh --strategy fast', {}, "'fast' is invalid", 'auto, regular, concurrent, swap'],
  ['a wrong format', 'ls -o yaml', {}, "'yaml' is invalid", 'json, name, wide'],
  ['a format of lists', 'show sales -o name', {}, "'name' is invalid", 'json'],
  ['a wrong order', 'ls --sort newest', {}, "'newest' is invalid", 'urgency, name, age, duration'],
  ['a glob on runs that no view fits', 'runs nothere*', {}, 'No view fits nothere*'],
  ['a limit of 0', 'runs --limit 0', {}, '--limit', 'Write a number from 1 on'],
  ['a limit above the most', 'runs --limit 1000', {}, 'limit', '1 to 200'],
  ['a wrong status', 'runs --status broken', {}, '--status', 'pending,running,built,success,failed'],
  ['a wrong status of batches', 'batches --status done', {}, "'done' is invalid", 'success'],
  ['a wrong operation', 'runs --operation update', {}, "'update' is invalid", 'create, refresh, drop'],
  ['a time in words', 'runs --since yesterday', {}, '--since yesterday', '24h'],
  ['a time that is none', 'runs --until 25:61', {}, '--until 25:61', '2026-11-20T09:00:00Z'],
  ['a window in weeks', 'metrics --window 2w', {}, 'window', '7d'],
  ['too many arguments', 'show sales orders', {}, 'too many arguments', 'viewkeeper show --help'],
  ['no argument', 'show', {}, "missing required argument 'view'", 'viewkeeper show --help'],
  // Views
  ['an unknown view', 'show nothing_like_it', {}, 'nothing_like_it'],
  ['a misspelled view', 'show salse', {}, 'salse', 'Did you mean', 'sales'],
  ['a misspelled view among others', 'refresh sales salse', {}, 'salse', 'Did you mean', 'sales'],
  ['a misspelled view with a +', 'refresh salse+', {}, 'No view is called salse', 'Did you mean', 'sales'],
  ['a glob that fits nothing', 'refresh web.*', {}, 'No view fits web.*'],
  ['a glob of ls that fits nothing', 'ls web.*', {}, 'No view fits web.*'],
  ['a misspelled view of ls', 'ls salse', {}, 'No view is called salse', 'Did you mean'],
  ['a view of another schema', 'show web.sales', {}, 'web', 'Did you mean', 'sales'],
  ['a table', 'refresh orders', {}, 'orders'],
  ['a name with a space', 'show odd,name', {}, 'is not a view', 'sales, app.sales or "Odd.Name"'],
  ['a name in three parts', 'show a.b.c', {}, 'is not a view', 'app.sales'],
  ['an open quote', 'show "Odd', {}, 'a quote that is not closed', '"Odd.Name"'],
  ['why of an unknown view', 'why salse', {}, 'salse', 'Did you mean', 'next: viewkeeper ls'],
  ['pause of an unknown view', 'pause salse', {}, 'salse', 'Did you mean'],
  ['pause of nothing', 'pause', {}, 'name the views to pause', '--all'],
  ['resume of views and all', 'resume sales --all', {}, 'Either name the views', '--all'],
  ['refresh of nothing', 'refresh', {}, 'Name the views', '--all', '--select'],
  ['refresh of views and all', 'refresh sales --all', {}, '--all is every view', 'leave out'],
  ['force of several', 'refresh sales late_share --force', {}, '--force works for one view', 'by itself'],
  ['at once of one', 'refresh sales --at-once 3', {}, '--at-once works for several views', '--select'],
  ['too many at once', 'refresh --all --at-once 100', {}, 'concurrency', '1 to 64'],
  ['strategies', 'refresh sales --concurrently --strategy swap', {}, '--concurrently means', 'one of them'],
  ['concurrently without an index', 'refresh sales --concurrently', {}, 'unique index', 'sales', 'next: '],
  ['a paused view', 'refresh app.sales', {}, 'the view is paused', '--force', 'resume'],
  ['create of an unknown view', 'create reports', {}, 'reports', /authored|definition|materialized view/],
  ['drop without a terminal', 'drop late_share', {}, 'late_share', '--yes'],
  ['drop of what others read', 'drop sales --yes', {}, 'late_share', '--cascade'],
  ['metrics of an unknown view', 'metrics salse', {}, 'salse', 'Did you mean'],
  // Runs and batches
  ['an unknown run', 'run 99999', {}, 'no run 99999', 'viewkeeper runs'],
  ['an unknown batch', 'batch 20260101-000000-12345678', {}, 'no batch 20260101-00', 'viewkeeper batches'],
  ['a batch that is no id', 'batch a/b', {}, "must be a batch's id", '20261120-090000'],
  ['cancel of an unknown run', 'cancel 99999', {}, 'no run 99999', 'viewkeeper runs'],
  ['cancel of an unknown batch', 'cancel nowhere', {}, 'no batch nowhere', 'viewkeeper batches'],
  ['retry of an unknown run', 'retry 99999', {}, 'no run 99999', 'viewkeeper runs'],
  ['retry of an unknown batch', 'retry nowhere', {}, 'no batch nowhere', 'viewkeeper batches'],
  // Where
  ['PORT that is no number', 'ls', { env: { PORT: 'abc' } }, 'PORT is abc', '1 to 65535', 'unset PORT'],
  ['PORT of no gateway', 'ls', { env: { PORT: '1' } }, 'answers at http://127.0.0.1:1', 'npx viewkeeper dev'],
  ['no address', 'ls --url production', {}, '--url production is not the address', 'https://'],
  ['an address that is no API', 'ls --url http://127.0.0.1:1/x', {}, '127.0.0.1:1/x', 'npx viewkeeper dev'],
  [
    'a misspelled environment',
    'ls --env prodution',
    { files: configured },
    'has no environment prodution',
    'Did you mean --env production?',
  ],
  // Files
  [
    'a configuration with a mistake',
    'ls --env production',
    { files: { 'viewkeeper.config.ts': 'export default {' } },
    'viewkeeper.config.ts:1',
  ],
  [
    'a view with a misspelled field',
    'drift --offline',
    { files: view("query: 'select 1 as id', maxStaleSeconds: 5") },
    'views/mv_x.ts',
    'maxStalenessSeconds',
  ],
  [
    'a file without a view',
    'drift --offline',
    { files: { 'views/mv_x.ts': 'export default 1' } },
    'views/mv_x.ts:1',
    'exports no view',
  ],
  ['new of a name that is none', 'new 1sales', {}, 'is not a view', 'app.sales'],
  ['new of a reserved schema', 'new viewkeeper.sales', {}, 'viewkeeper', 'sales'],
  [
    'new of a view that exists',
    'new mv_x',
    { files: example },
    'views/mv_x.ts exists',
    'Nothing was written',
  ],
  ['freeze of no view', 'freeze mv_y -m why', { files: example }, 'mv_y', 'Did you mean public.mv_x?'],
  ['freeze of a wrong rename', 'freeze --rename a -m why', {}, '--rename: write old=new'],
  ['removal of no frozen view', 'freeze --remove mv_z -m why', {}, 'mv_z was never frozen', 'drop it there'],
  [
    'freeze of a query that the database refuses',
    'freeze -m why',
    { files: view("query: 'select nothing from public.sales'") },
    'mv_x',
    'column "nothing" does not exist',
  ],
  ['migrate without a direction', 'migrate', {}, 'up', 'down', 'status'],
  ['a file that is not there', 'alter nowhere.sql', {}, 'nowhere.sql cannot be read'],
]

test.each(mistakes)('%s: viewkeeper %s', async (_, line, around, ...answers) => {
  await startParameters({})
  const { said, code } = await type(line, around)
  expect(code, said).toBeGreaterThan(0)
  for (const answer of answers)
    if (typeof answer === 'string') expect(said).toContain(answer)
    else expect(said).toMatch(answer)
  expect(said).not.toMatch(/^ {4}at |SyntaxError|Invalid URL/m)
})

test('a folder that cannot be written is named, with what to do', async () => {
  const { said, code } = await type('new sales', { files: { views: 'a file' } })
  expect(code, said).toBe(2)
  expect(said).toMatch(/^viewkeeper: views.*: a file is there, .* \(E/)
  expect(said).not.toMatch(/^ {4}at /m)
})

test.each(['18.20.4', '20.20.2', '22.17.1'])(
  'Node %s is told which one is needed, and nothing is loaded',
  (version) => {
    const commandLine = fileURLToPath(new URL('../../../cli/viewkeeper.js', import.meta.url))
    const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        '--no-experimental-strip-types',
        '--import',
        `data:text/javascript,${encodeURIComponent(older)}`,
        commandLine,
        'ls',
      ],
      { encoding: 'utf8' },
    )
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(new RegExp(`^viewkeeper: Node ${version} .* needs Node 22.18 or later`))
  },
)

test('freeze warns of a query that is still the example, and suggests the schema of a view to remove', async () => {
  expect((await type('freeze -m why', { files: example })).said).toContain(
    'mv_x: its query is still the example',
  )
  expect(project.files('migrations')).toHaveLength(2)
  const up: Record<string, string> = { 'migrations/001_mv.up.sql': '', 'migrations/001_mv.down.sql': '' }
  for (const file of project.files('migrations'))
    up[`migrations/001_mv.${file.includes('.up.') ? 'up' : 'down'}.sql`] = project
      .read(`migrations/${file}`)
      .replaceAll('public', 'app')
  expect((await type('freeze --remove mv_x -m why', { files: up })).said).toContain('Did you mean app.mv_x?')
})

test('a right that is missing is told with its object and the role that lacks it', async () => {
  await sql.unsafe(`
    create role shop_owner; create role newcomer login password 'secret'; alter table orders owner to shop_owner;
    grant usage, create on schema public to newcomer; grant usage on schema viewkeeper to newcomer;
    grant all on all tables in schema viewkeeper to newcomer; grant all on all sequences in schema viewkeeper to newcomer`)
  const { said, code } = await type('freeze -m why', {
    files: view("query: 'select id from public.orders'"),
    env: { DATABASE_URL: server.url.replace(/\/\/[^@]+@/, '//newcomer:secret@') },
  })
  expect(code, said).toBeGreaterThan(0)
  expect(said.replace(/\s+/g, ' ')).toMatch(/table orders \(42501\)\. Role newcomer .*viewkeeper doctor/)
})
