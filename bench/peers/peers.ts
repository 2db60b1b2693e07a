import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Strategy } from '../../src/catalog/plan/definition.ts'
import { batchCall } from '../support/batch.ts'
import { ownCode } from '../support/code.ts'
import type { BenchServer } from '../support/server.ts'
import { execute, type Tools } from './install.ts'
import { peerViews, queryOf } from './views.ts'

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
