import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Binaries } from '../../local/embedded/embedded.ts'
import type { Strategy } from '../../src/catalog/plan/definition.ts'
import type { Sql } from '../../src/server/database.ts'
import { unevenGraph } from './data.ts'
import { batchCall } from './measure.ts'
import { type BenchServer, ownCode } from './server.ts'

export const execute = promisify(execFile)

/** What could be installed. A part that is missing is left out of the comparison. */
export interface Tools {
  /** Debian's PostgreSQL 15 with pg_cron. */
  debian?: Binaries & { basebackup: string }
  psql?: string
  dbt?: { command: string; version: string }
  /** What is missing, and why, in words. */
  missing: string[]
}

/** Later versions of dbt-core download a part of themselves from GitHub while pip installs them. */
const dbtPackages = ['dbt-core==1.10.*', 'dbt-postgres==1.9.*']

/** Installs pg_cron and dbt into `folder`, and nothing outside of it. */
export async function installTools(folder: string): Promise<Tools> {
  const missing: string[] = []
  const attempt = async <T>(what: string, install: () => Promise<T>): Promise<T | undefined> => {
    console.error(`bench: installing ${what} into ${folder}`)
    try {
      return await install()
    } catch (error) {
      const lines = `${(error as { stderr?: string }).stderr || (error as Error).message}`.trim().split('\n')
      missing.push(`${what}: ${lines.at(-1)}`)
      return undefined
    }
  }
  const debian = await attempt('pg_cron (Debian postgresql-15-cron)', () => installCron(folder))
  const psql = await attempt('psql', findPsql)
  const dbt = await attempt('dbt-postgres', () => installDbt(folder))
  return { ...(debian && { debian }), ...(psql && { psql }), ...(dbt && { dbt }), missing }
}

const lib = '/usr/lib/postgresql/15'
const share = '/usr/share/postgresql/15'

/** A copy of the distribution's server, which looks for its files beside itself, and the extension in it. */
async function installCron(folder: string): Promise<NonNullable<Tools['debian']>> {
  if (!existsSync(`${lib}/bin/postgres`)) throw new Error(`there is no ${lib}: apt-get install postgresql-15`)
  const root = join(folder, 'debian')
  for (const part of [lib, share]) cpSync(part, join(root, part), { recursive: true, verbatimSymlinks: true })
  mkdirSync(join(root, 'debs'))
  await execute('apt-get', ['download', 'postgresql-15-cron'], { cwd: join(root, 'debs') })
  const [deb] = globSync('*.deb', { cwd: join(root, 'debs') })
  await execute('dpkg', ['-x', join(root, 'debs', deb!), root])
  const bin = join(root, lib, 'bin')
  return {
    initdb: join(bin, 'initdb'),
    postgres: join(bin, 'postgres'),
    basebackup: join(bin, 'pg_basebackup'),
  }
}

async function findPsql(): Promise<string> {
  if (existsSync(`${lib}/bin/psql`)) return `${lib}/bin/psql`
  return execFileSync('which', ['psql'], { encoding: 'utf8' }).trim()
}

async function installDbt(folder: string): Promise<NonNullable<Tools['dbt']>> {
  const venv = join(folder, 'dbt')
  await execute('python3', ['-m', 'venv', venv])
  await execute(join(venv, 'bin/pip'), ['install', '--quiet', ...dbtPackages])
  const { stdout } = await execute(join(venv, 'bin/pip'), ['list', '--format=freeze'])
  const version = /^dbt-core==(.*)$/m.exec(stdout)![1]!
  return { command: join(venv, 'bin/dbt'), version }
}

/** One of the views that every tool refreshes. */
interface PeerView {
  name: string
  reads: string[]
  rows: number
}

const mostRows = 60_000

/** 40 views in the order of their dependencies; their names do not tell the order. */
export const peerViews: PeerView[] = unevenGraph(11, 40).map(({ name, reads, seconds }) => ({
  name,
  reads,
  rows: Math.min(mostRows, Math.round(seconds * 30_000)),
}))

/** The view with the most rows, which the readers read. */
export const readView = peerViews.toSorted((a, b) => b.rows - a.rows)[0]!

/**
 * The query of a view. `version` of every second row is the latest version of what the view reads: so a refresh changes
 * half of the rows, and a view that was refreshed before its parents shows the old version.
 */
function queryOf({ reads, rows }: PeerView, reference: (view: string) => string): string {
  const sources = reads.map((read) => `(select max(version) from ${reference(read)})`)
  const version = sources.length === 0 ? '(select n from peers.versions)' : `least(${sources.join(', ')})`
  return `select o.id, o.amount, o.note, case when o.id % 2 = 0 then s.version else 0 end as version
    from peers.orders o cross join (select ${version} as version) s where o.id <= ${rows}`
}

/** Makes the views in schema `peers`, with a unique index each. */
export async function makePeerViews(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema peers;
    create table peers.orders (id integer primary key, amount numeric(10,2), note text);
    insert into peers.orders
      select id, id % 100000 / 100.0, 'order ' || md5(id::text) from generate_series(1, ${mostRows}) id;
    create table peers.versions (n integer);
    insert into peers.versions values (1);
    analyze peers.orders`)
  for (const view of peerViews)
    await sql.unsafe(`
      create materialized view peers.${view.name} as ${queryOf(view, (read) => `peers.${read}`)};
      create unique index on peers.${view.name} (id)`)
}

/** Makes the next refresh of every view change half of its rows. */
export const nextVersion = (sql: Sql) => sql`update peers.versions set n = n + 1`

/** How many views show the newest version. */
export async function countFresh(sql: Sql, schema: string): Promise<number> {
  const [row] = await sql.unsafe(`
    select ${peerViews
      .map(({ name }) => `((select max(version) from ${schema}.${name}) = n)::int`)
      .join(' + ')} as fresh from peers.versions`)
  return row!.fresh
}

/** A way to refresh all views. */
export interface Peer {
  name: string
  /** The schema of its views. */
  schema: string
  /** Refreshes all views once. Returns the milliseconds if they are not those of the call. */
  refreshAll(): Promise<number | undefined>
  /** What anybody can find out about the last refresh afterwards, in words. */
  record(): Promise<string>
}

const refreshOf = (view: string, how = '') => `refresh materialized view ${how} peers.${view}`
const nothing = async () => 'nothing'

/** All ways that the installed tools allow. */
export async function makePeers(server: BenchServer, tools: Tools, folder: string): Promise<Peer[]> {
  const { psql, debian, dbt } = tools
  return [
    ...(psql ? await scripts(server, psql, folder) : []),
    ...(debian ? await cronJobs(server) : []),
    ...(dbt ? [await dbtProject(server, dbt.command, folder)] : []),
    viewkeeper(server, 'Viewkeeper, regular', 'regular'),
    viewkeeper(server, 'Viewkeeper, swap', 'swap'),
  ]
}

/** Loops in psql, a function that refreshes what it finds, and a task for each view that is tried twice. */
async function scripts({ url, sql }: BenchServer, psql: string, folder: string): Promise<Peer[]> {
  await sql.unsafe(`
    create function peers.refresh_all() returns void language plpgsql as $$
    declare found record;
    begin
      for found in select schemaname, matviewname from pg_matviews where schemaname = 'peers' order by matviewname loop
        execute format('refresh materialized view %I.%I', found.schemaname, found.matviewname);
      end loop;
    end $$`)
  const quiet = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', url]
  const file = (name: string, lines: string[]) => {
    const path = join(folder, name)
    writeFileSync(path, lines.join(';\n'))
    return path
  }
  const asked = async (args: string[]) => {
    await execute(psql, [...quiet, ...args])
    return undefined
  }
  const regular = file(
    'regular.sql',
    peerViews.map(({ name }) => refreshOf(name)),
  )
  const concurrently = file(
    'concurrently.sql',
    peerViews.map(({ name }) => refreshOf(name, 'concurrently')),
  )
  const of = { schema: 'peers', record: nothing }
  return [
    { ...of, name: 'loop in psql', refreshAll: () => asked(['-f', regular]) },
    { ...of, name: 'loop in psql, concurrently', refreshAll: () => asked(['-f', concurrently]) },
    {
      ...of,
      name: 'function over pg_matviews',
      refreshAll: () => asked(['-c', 'select peers.refresh_all()']),
    },
    {
      ...of,
      name: 'task per view: psql, one retry',
      async refreshAll() {
        for (const { name } of peerViews) {
          const task = () => asked(['-c', refreshOf(name)])
          // A task runner waits for minutes before it tries again; a second lets the server come back.
          await task().catch(() => pause(1000).then(task))
        }
        return undefined
      },
    },
  ]
}

/** One job that refreshes all views in order, and a job for each view. pg_cron starts jobs at full minutes. */
async function cronJobs({ sql }: BenchServer): Promise<Peer[]> {
  await sql`create extension pg_cron`
  const job = (name: string, commands: string[]): Peer => ({
    name,
    schema: 'peers',
    async refreshAll() {
      await sql`delete from cron.job_run_details`
      for (const [at, command] of commands.entries())
        await sql`select cron.schedule(${`job ${at}`}, '* * * * *', ${command})`
      try {
        for (;;) {
          const [row] = await soon(sql<{ ended: number; ms: number }[]>`
            select count(end_time)::int as ended,
                   (extract(epoch from max(end_time) - min(start_time)) * 1000)::float8 as ms
              from cron.job_run_details`)
          if (row!.ended >= commands.length) return row!.ms
          await pause(100)
        }
      } finally {
        await unschedule(sql)
      }
    },
    async record() {
      const rows = await sql<{ status: string; message: string; count: number }[]>`
        select status, coalesce(return_message, '') as message, count(*)::int from cron.job_run_details group by 1, 2`
      return rows
        .map(({ count, status, message }) => `${count} ${status}${message && `: ${message}`}`)
        .join('; ')
    },
  })
  return [
    job('pg_cron, one job', [peerViews.map(({ name }) => refreshOf(name)).join('; ')]),
    job(
      'pg_cron, a job per view',
      peerViews.map(({ name }) => refreshOf(name)),
    ),
  ]
}

/**
 * The answer of a query; throws if there is none, because postgres.js never ends some queries that a crash of the server cuts
 * off.
 */
async function soon<T>(query: PromiseLike<T>): Promise<T> {
  const late = pause(5000, undefined, { ref: false }).then(() => {
    throw new Error('The server does not answer.')
  })
  return Promise.race([query, late])
}

/** Also after the server has restarted, so that the jobs do not run again in the next minute. */
async function unschedule(sql: BenchServer['sql']): Promise<void> {
  for (;;) {
    try {
      await soon(sql`select cron.unschedule(jobid) from cron.job`)
      return
    } catch {
      await pause(50)
    }
  }
}

/** A project whose models are the same views in a schema of its own, two at once. */
async function dbtProject({ url }: BenchServer, command: string, folder: string): Promise<Peer> {
  const project = join(folder, 'project')
  mkdirSync(join(project, 'models'), { recursive: true })
  const { hostname, port, username, password } = new URL(url)
  const target = {
    type: 'postgres',
    host: hostname,
    port: Number(port),
    user: username,
    password,
    dbname: 'postgres',
    schema: 'peers_dbt',
    threads: 2,
  }
  writeFileSync(
    join(project, 'profiles.yml'),
    JSON.stringify({ peers: { target: 'bench', outputs: { bench: target } } }),
  )
  writeFileSync(
    join(project, 'dbt_project.yml'),
    JSON.stringify({ name: 'peers', version: '1.0', profile: 'peers' }),
  )
  const config = `{{ config(materialized='materialized_view', indexes=[{'columns': ['id'], 'unique': True}]) }}`
  for (const view of peerViews) {
    const query = queryOf(view, (read) => `{{ ref('${read}') }}`)
    writeFileSync(join(project, 'models', `${view.name}.sql`), `${config}\n${query}`)
  }
  const args = ['--quiet', 'run', '--project-dir', project, '--profiles-dir', project]
  const env = { ...process.env, DBT_SEND_ANONYMOUS_USAGE_STATS: 'False' }
  await execute(command, args, { cwd: project, env })
  return {
    name: 'dbt run, two threads',
    schema: 'peers_dbt',
    async refreshAll() {
      await execute(command, args, { cwd: project, env })
      return undefined
    },
    async record() {
      const { results } = JSON.parse(readFileSync(join(project, 'target/run_results.json'), 'utf8'))
      const statuses = Map.groupBy(results as { status: string }[], ({ status }) => status)
      return `in a file: ${[...statuses].map(([status, all]) => `${all.length} ${status}`).join(', ')}`
    },
  }
}

/** A batch, two views at once. As the state machine does, a call that fails is made again. */
function viewkeeper({ sql, database }: BenchServer, name: string, strategy: Strategy): Peer {
  let id = ''
  return {
    name,
    schema: 'peers',
    async refreshAll() {
      const request = { pattern: 'peers.*', strategy, concurrency: 2, exchange: 'each' as const }
      id = (await ownCode.startBatch(request, { database, ...batchCall })).batchId
      for (;;) {
        const advanced = await ownCode
          .advance(id, { database, until: Date.now() + 600_000 })
          .catch(() => pause(1000))
        if (advanced?.done) return undefined
      }
    },
    async record() {
      const rows = await sql<{ status: string; class: string | null; count: number }[]>`
        select status, error ->> 'class' as class, count(*)::int from viewkeeper.runs where batch_id = ${id}
         group by 1, 2 order by 3 desc`
      return rows
        .map(({ count, status, class: of }) => `${count} ${status}${of ? ` (${of})` : ''}`)
        .join(', ')
    },
  }
}
