import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import type { Sql } from '../src/server/connect.ts'
import { type Answer, callUntil } from './support/callers.ts'
import { type LocalSystem, withLocalSystem } from './support/local-system.ts'
import { summarize } from './support/statistics.ts'
import type { Row } from './support/table.ts'

const views = Array.from({ length: 50 }, (_, at) => `load.v${at}`)

/** Callers at once, and for how long. The first warm up: the memory of Node grows until all kinds of requests were there. */
const loads = [
  { callers: 200, seconds: 15, isCounted: false },
  { callers: 200, seconds: 60, isCounted: true },
  { callers: 1000, seconds: 10, isCounted: true },
]

/** What may be answered with 503: nothing was begun, or another session was in the way of the run. */
const deliberate = ['TooManyConnections', 'TooManyRequests', 'CatalogChanged', 'LockTimeout', 'Deadlock']

/**
 * Lets many callers call `npm start` at once. Fails if an answer is not true, by the record and by what the views show
 * afterwards, and if an answer is an error that is not meant.
 */
export const measureLoad = (): Promise<Row[]> =>
  withLocalSystem(async (system) => {
    console.error('bench: many callers of the local system, about 2 minutes')
    const sql = postgres(system.databaseUrl, { max: 3, onnotice: () => {} }) as unknown as Sql
    try {
      await makeViews(sql)
      const rows: Row[] = [{ title: `${views.length} views of 1,000 rows; memory before, the most, after` }]
      for (const { callers, seconds, isCounted } of loads) {
        const before = system.residentBytes()
        const { answers, connections, most } = await underLoad(system, sql, callers, seconds)
        await checkAnswers(sql, answers)
        await pause(5000)
        const memory = [before, most, system.residentBytes()].map((bytes) => `${Math.round(bytes / 1e6)} MB`)
        if (isCounted)
          rows.push(
            {
              title: `${callers} callers for ${seconds} s: ${memory.join(', ')}; at most ${connections} connections`,
            },
            ...rowsOf(answers),
          )
      }
      return rows
    } finally {
      await sql.end({ timeout: 1 })
    }
  })

async function makeViews(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema load;
    create table load.counter as select 1 as n;
    ${views.map((view) => `create materialized view ${view} as select i as id, n from load.counter, generate_series(1, 1000) i; create unique index on ${view} (id)`).join(';')}`)
}

/** All answers, the most connections of Viewkeeper at one moment, and the most memory. */
async function underLoad(system: LocalSystem, sql: Sql, callers: number, seconds: number) {
  const end = Date.now() + seconds * 1000
  let newest = 1
  let connections = 0
  let most = 0
  const until = async (work: () => Promise<void>, everyMs: number) => {
    while (Date.now() < end) {
      await work()
      await pause(everyMs)
    }
  }
  const [answers] = await Promise.all([
    Promise.all(
      Array.from({ length: callers }, (_, at) =>
        callUntil(end, at, { url: system.url, views, newest: () => newest }),
      ),
    ),
    until(async () => {
      const [row] = await sql<{ n: number }[]>`update load.counter set n = n + 1 returning n`
      newest = row!.n
    }, 100),
    until(async () => {
      const [row] = await sql<{ open: number }[]>`
        select count(*)::int as open from pg_stat_activity where application_name like 'viewkeeper%'`
      connections = Math.max(connections, row!.open)
      most = Math.max(most, system.residentBytes())
    }, 100),
  ])
  return { answers: answers.flat(), connections, most }
}

/** Throws if an answer is an error that is not meant, or is not what the record and the views say. */
async function checkAnswers(sql: Sql, answers: Answer[]): Promise<void> {
  const wrong = answers.filter(
    ({ status, code = '', again }) =>
      ![200, 202, 409].includes(status) && !(status === 503 && again && deliberate.includes(code)),
  )
  for (const end = Date.now() + 60_000; Date.now() < end; await pause(100)) {
    const open = await sql`select from viewkeeper.runs where finished_at is null`
    if (open.length === 0) break
  }
  const runs = await sql<{ id: number; view: string; status: string }[]>`
    select id::int as id, schema_name || '.' || view_name as view, status from viewkeeper.runs where schema_name = 'load'`
  const runOf = new Map(runs.map((run) => [run.id, run]))
  const shown = new Map(
    await Promise.all(
      views.map(async (view) => {
        const [row] = await sql.unsafe(`select min(n)::int as n from ${view}`)
        return [view, row!.n as number] as const
      }),
    ),
  )
  const untrue = answers.filter(({ asked, status, runId, view, newest }) => {
    if (asked !== 'refresh' || runId === undefined)
      return asked === 'refresh' && [200, 202, 409].includes(status)
    const run = runOf.get(runId)
    if (run?.view !== view || ['pending', 'running'].includes(run.status)) return true
    if (status === 200) return run.status !== 'success' || shown.get(view)! < newest
    return status === 503 && run.status === 'success'
  })
  if (wrong.length + untrue.length > 0)
    throw new Error(
      `${wrong.length} of ${answers.length} answers are errors that are not meant, ${untrue.length} are not true: ` +
        JSON.stringify(
          [...wrong, ...untrue]
            .slice(0, 5)
            .map((answer) => ({ ...answer, run: runOf.get(answer.runId!), shown: shown.get(answer.view) })),
        ),
    )
}

/** How long the answers took, by what was asked and what was answered. */
function rowsOf(answers: Answer[]): Row[] {
  const groups = Object.groupBy(answers, ({ asked, status, code }) =>
    [asked, status, ...(code ? [code] : [])].join(' '),
  )
  return Object.entries(groups)
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([name, each]) => ({
      name: `${name}: ${each!.length.toLocaleString('en')}`,
      ms: summarize(each!.map(({ ms }) => ms)),
    }))
}
