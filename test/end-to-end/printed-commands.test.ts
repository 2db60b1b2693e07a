// @module-tag deep

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { startGateway } from '../../serve/http/gateway.ts'
import { findFreePort, makeLogger } from '../../serve/process.ts'
import { createKeeper } from '../../src/api/engine.ts'
import { parameterName } from '../../src/api/lambda/aws-names.ts'
import { serveMigrations } from '../../src/api/lambda/migrate.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { connectTo } from '../../src/server/connect.ts'
import { monitorAlarms } from '../../src/watch/plan/alarms.ts'
import type { Problem } from '../../src/words/problem.ts'
import { servedOn } from '../support/api/served.ts'
import { schemaFolder } from '../support/servers/database.ts'
import { until } from '../support/waiting/until.ts'
import { freeze } from './command-line/projects.ts'
import { useServer } from './support/copies.ts'
import { Project } from './support/project.ts'
import { viewkeeperDev } from './support/viewkeeper.ts'

// What a door prints is typed as it stands there, by somebody who works as people do at that door.

const { databaseOf } = useServer()
const commandLine = fileURLToPath(new URL('../../cli/viewkeeper.js', import.meta.url))

/** Broken in each way: by a row, by a function, gone, waiting for another one, never refreshed. */
async function broken(name: string) {
  const { url, sql } = await databaseOf(name)
  await sql.unsafe(`
    create table orders as select i as id, i - 5 as total from generate_series(1, 9) i;
    create function rate() returns int language sql as 'select 1';
    create materialized view quiet as select 1 as id`)
  const project = new Project(url)
  for (const [view, query] of [
    ['bad', 'select id, 1 / total as part from public.orders where id < 5'],
    ['top', 'select max(part) as part from public.bad'],
    ['rated', 'select public.rate() as rate'],
    ['gone', 'select id from public.orders'],
    ['Weird Name', 'select 1 / total as n from public.orders where id > 5'],
  ] as const) {
    project.author(view.replace(' ', '_'), query)
    const file = `views/${view.replace(' ', '_')}.ts`
    project.write(file, project.read(file).replace(/name: '[^']*'/, `name: '${view}', retries: 0`))
  }
  await project.succeed(...freeze())
  await project.succeed('migrate', 'up')
  const spoil = () =>
    sql.unsafe(`
      update orders set total = 0;
      create or replace function rate() returns int language plpgsql as 'begin return (select absent from public.orders limit 1); end';
      drop materialized view gone`)
  return { url, sql, project, spoil }
}

/** Every command in lines that a person reads, in the code of a page, and in the field `next` of an answer. */
function commandsIn(said: unknown): string[] {
  if (typeof said === 'string')
    return [
      ...said.matchAll(
        // After a colon, or in a line of its own with what it is for.
        said.startsWith('<!')
          ? /<code>(viewkeeper [a-z][^<]*)/g
          : /(?:: +|^ +(?:try +)?)(?:npx )?(viewkeeper [a-z].*?)(?: +(?:# .*)| {2,}\S.*)?$/gm,
      ),
    ].map(([, line = '']) => line.replaceAll('&#39;', "'").replaceAll('&quot;', '"').trimEnd())
  if (said === null || typeof said !== 'object') return []
  return Object.entries(said).flatMap(([field, each]) =>
    field === 'next' && /^viewkeeper /.test(String(each)) ? [String(each)] : commandsIn(each),
  )
}

/** Types a command as it was printed. It has to do what it says: the call is not wrong, and what it asks can be had. */
async function types(project: Project, line: string, env: Record<string, string>): Promise<string> {
  const { code, out, err } = await project.shell(line.replace(/^viewkeeper/, 'npx viewkeeper'), env)
  expect([0, 1], `${line}\n${out}${err}`).toContain(code)
  return out + err
}

/** Types all commands of a door, and those that they print themselves. Returns them. */
async function typeAll(
  project: Project,
  printed: string[],
  env: Record<string, string>,
): Promise<Set<string>> {
  const typed = new Set<string>()
  // What mends comes last.
  const late = (line: string) => Number(/migrate|resume/.test(line))
  for (const lines = [...printed].sort((a, b) => late(a) - late(b)); lines.length > 0; ) {
    const line = lines.shift()!
    if (typed.has(line)) continue
    typed.add(line)
    const next = commandsIn(await types(project, line, env))
    // The doctor is asked again once its SQL has run.
    if (!line.startsWith('viewkeeper doctor'))
      expect(next, `${line} leads to where one stands`).not.toContain(line)
    // A refresh may print a new run each time.
    if (typed.size < 40)
      lines.unshift(...next.filter((each) => !/^viewkeeper (run|batch|cancel|retry) /.test(each)))
  }
  return typed
}

/** Starts `viewkeeper serve` with these options, until the test has ended. */
async function serves(project: Project, url: string, options: string, env: Record<string, string> = {}) {
  project.write('viewkeeper.config.ts', `export default { serve: ${options} }\n`)
  const port = await findFreePort()
  const child = spawn(process.execPath, [commandLine, 'serve'], {
    cwd: project.folder,
    env: { ...process.env, DATABASE_URL: url, PORT: String(port), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (printed += part))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await once(child, 'close').catch(() => {})
  })
  await until(
    () => `it serves: ${printed}`,
    async () => /"message":"serves"/.test(printed),
  )
  return { port }
}

/** Asks an API for all that it says of these views and runs, and the command line, which reaches the API as `named` says. */
async function said(project: Project, api: string, named: string[], env: Record<string, string> = {}) {
  const get = async (path: string, how?: RequestInit) => (await fetch(`${api}${path}`, how)).text()
  const json = async (path: string, how?: RequestInit) => JSON.parse(await get(path, how))
  const page = (path: string) => get(path, { headers: { accept: 'text/html' } })
  const run = async (...args: string[]) => {
    const { out, err } = await project.run([...args, ...named], { env })
    return out + err
  }
  const refreshed = await run('refresh', '--all', '--retries', '0')
  const { runs } = (await json('/runs?status=failed')) as { runs: { id: number }[] }
  const { batches } = (await json('/batches')) as { batches: { id: string }[] }
  const all: unknown[] = [
    refreshed,
    await json('/views/bad/refresh', { method: 'POST', headers: { prefer: 'wait=20' } }),
    await run('ls'),
    await run('runs'),
    await run('batch', batches[0]!.id),
    await run('refresh', 'gone'),
    await run('why', 'nobody'),
  ]
  for (const view of ['bad', 'top', 'rated', 'gone', '"Weird Name"'])
    all.push(
      await json(`/views/${encodeURIComponent(view)}/why`),
      await page(`/page/views/${encodeURIComponent(`public.${view}`)}`),
      await run('why', view),
    )
  for (const { id } of runs.slice(0, 3))
    all.push(await json(`/runs/${id}`), await page(`/page/runs/${id}`), await run('runs', String(id)))
  return all.flatMap(commandsIn)
}

test('the first hour: what init, adopt, doctor and the banner of dev print, and descriptions of alarms', async () => {
  const { url, sql } = await databaseOf('of_first_hour')
  await sql.unsafe(`
    create table orders as select i as id, i as total from generate_series(1, 9) i;
    create materialized view sales as select id, total from orders;
    create materialized view "Weird Name" as select max(total) as total from sales;
    create role of_first_hour_owner; grant of_first_hour_owner to current_user; grant create on schema public to of_first_hour_owner;
    create view plain as select total from orders;
    create materialized view above as select total from plain;
    alter view plain owner to of_first_hour_owner`)
  onTestFinished(async () => {
    await sql`drop owned by of_first_hour_owner cascade`
    await sql`drop role of_first_hour_owner`
  })
  const project = new Project(url)
  const printed = commandsIn(await types(project, 'viewkeeper init --serve', {}))
  expect(printed).toEqual(expect.arrayContaining(['viewkeeper serve', 'viewkeeper notify --test']))
  const told = await types(project, 'viewkeeper doctor', {})
  const dev = await viewkeeperDev(project.folder, { DATABASE_URL: url })
  await dev.sees(/Ctrl-C stops everything/)
  const banner = dev.printed()
  expect(commandsIn(banner).join('\n')).toMatch(/^viewkeeper ls .*/m)
  const env = { PORT: String(dev.port) }
  // What does not end by itself is tried by what it prints, and a notice once there is a channel: as it stands beside the command.
  const ends = (line: string) => !/^viewkeeper (serve|dev|notify)/.test(line)
  const typed = await typeAll(
    project,
    [...printed, ...commandsIn(told), ...commandsIn(banner)].filter(ends),
    env,
  )
  expect([...typed]).toEqual(expect.arrayContaining(['viewkeeper drift', 'viewkeeper refresh --all']))
  for (const { first } of monitorAlarms)
    for (const line of first.match(/viewkeeper [a-z-]+(?: (?:--[a-z-]+|up|'<view>'))*/g) ?? [])
      await types(project, line.replace("'<view>'", 'sales'), env)
})

test('an engine: what it says is typed beside a process on the same database', async () => {
  const { url, project, spoil } = await broken('of_engine')
  await spoil()
  const keeper = await createKeeper({ databaseUrl: url, requestedBy: 'shop' })
  onTestFinished(() => keeper.stop())
  const batch = await keeper.refreshAll({ retries: 0 }).catch((problem: Problem) => problem)
  const problems = await Promise.all(
    ['bad', 'rated', 'gone'].map((view) =>
      keeper.refreshView({ view }).catch((problem: Problem) => problem.details),
    ),
  )
  const whys = await Promise.all(['bad', 'top', 'gone', 'quiet'].map((view) => keeper.getWhy({ view })))
  const { port } = await serves(project, url, '{}')
  const typed = await typeAll(project, commandsIn([batch, problems, whys]), { PORT: String(port) })
  expect([...typed]).toEqual(
    expect.arrayContaining(['viewkeeper bad-row public.bad', 'viewkeeper migrate up --repair']),
  )
  expect([...typed].join('\n')).not.toMatch(/--(env|url)/)
})

test('serve, at a port of its own: answers, pages, the command line, and what a chat is told', async () => {
  const { url, sql, project, spoil } = await broken('of_serve')
  await spoil()
  let told = ''
  const chat = createServer(async (request, response) => {
    told += JSON.parse(await text(request)).text
    response.end('ok')
  })
  onTestFinished(() => void chat.close())
  await once(chat.listen(0, '127.0.0.1'), 'listening')
  const { port } = await serves(project, url, `{ environment: 'shop', notify: { chat: { team: {} } } }`, {
    VIEWKEEPER_CHAT_URL_TEAM: `http://127.0.0.1:${(chat.address() as AddressInfo).port}`,
  })
  const api = `http://127.0.0.1:${port}`
  const printed = await said(project, api, ['--url', api])
  await until(
    () => `the chat is told: ${told}`,
    async () => told.includes('is missing'),
  )
  const mailed = commandsIn(told.replaceAll('&gt;', '>').replaceAll('&lt;', '<'))
  expect(mailed).toEqual(
    expect.arrayContaining([`viewkeeper why public.gone --url ${api}`, 'viewkeeper migrate up --repair']),
  )
  const typed = await typeAll(project, [...printed, ...mailed], {})
  expect([...typed].join('\n')).not.toMatch(/--env/)
  expect([...typed].filter((line) => line.endsWith(`--url ${api}`)).length).toBeGreaterThan(5)
  await sql.unsafe('create schema reports; create materialized view reports.daily as select 1 as id')
  expect(await types(project, `viewkeeper refresh daily --url ${api}`, {})).toContain(
    'daily is reports.daily,',
  )
  expect(await types(project, 'viewkeeper resume --all', { PORT: String(port) })).toBe(
    'everything was not paused; views that are paused by name stay so\n',
  )
  // By the name of the environment, from the folder of the configuration.
  for (const line of ['ls', 'doctor bad', 'drift'])
    await types(project, `viewkeeper ${line} --env shop`, { PORT: String(port) })
  // By the address of the configuration.
  project.write(
    'viewkeeper.config.ts',
    `export default { serve: { environment: 'shop', pageUrl: '${api}' } }\n`,
  )
  await types(project, 'viewkeeper ls', {})
  expect(await project.run(['ls', '--env', 'nope'])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/has no environment nope\. viewkeeper\.config\.ts has shop\./),
  })
})

test('AWS: every command names the environment', async () => {
  const { url, project, spoil } = await broken('of_aws')
  await spoil()
  project.write(
    'viewkeeper.config.ts',
    `export default { environments: { production: { region: 'eu-central-1' } } }\n`,
  )
  const database = connectTo(fromUrl(url))
  const served = { ...servedOn(database), typed: 'production', logger: makeLogger('SILENT') }
  const gateway = await startGateway({
    port: await findFreePort(),
    served,
    environment: 'production',
  })
  onTestFinished(gateway.close)
  const folders = { schema: schemaFolder, views: pathToFileURL(`${project.folder}/migrations/`) }
  // SSM and Lambda.
  const aws = createServer(async (request, response) => {
    const asked = JSON.parse((await text(request)) || '{}')
    const Value = `${gateway.url},none,migrate`
    const answer =
      asked.Name === parameterName('production')
        ? { Parameter: { Value } }
        : await serveMigrations(asked, folders, {
            environment: 'production',
            database,
            administration: undefined,
            viewMigrations: true,
          })
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer))
  })
  onTestFinished(() => void aws.close())
  await once(aws.listen(0, '127.0.0.1'), 'listening')
  const env = {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(aws.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  const look = 'viewkeeper doctor --role pg_monitor --env production'
  const printed = [
    ...(await said(project, gateway.url, ['--env', 'production'], env)),
    ...commandsIn(await types(project, look, env)),
  ]
  const typed = await typeAll(project, printed, env)
  expect([...typed]).toEqual(
    expect.arrayContaining(['viewkeeper migrate up --repair --env production', look]),
  )
  // What works on DATABASE_URL alone.
  expect([...typed].filter((line) => !line.endsWith('--env production'))).toEqual([
    'viewkeeper bad-row public.bad',
    'viewkeeper bad-row public.rated',
    `viewkeeper bad-row 'public."Weird Name"'`,
  ])
})
