import postgres from 'postgres'
import type { BatchDetails } from '../../../src/api/answers.ts'
import type { Sql } from '../../../src/server/database.ts'
import { age } from '../../support/record/past.ts'
import { earlier, insertRow, updateRows } from '../../support/record/rows.ts'
import { until } from '../../support/waiting/until.ts'

/** The address of the page, and its database. */
interface Demo {
  url: string
  databaseUrl: string
}

export interface Night {
  /** The batch that goes on. */
  batch: string
  failedRun: number
  /** Lets the batch end. */
  end(): Promise<void>
}

const post = async (url: string) => {
  const response = await fetch(url, { method: 'POST' })
  if (!response.ok) throw new Error(`${url}: ${await response.text()}`)
}

/** Starts a batch of these views, and returns its id. */
async function startBatch(url: string, views: string[]): Promise<string> {
  const body = JSON.stringify({ views, retries: 0 })
  const response = await fetch(`${url}/batches`, { method: 'POST', body })
  return ((await response.json()) as { batchId: string }).batchId
}

const readBatch = async (url: string, id: string) =>
  (await (await fetch(`${url}/batches/${id}`)).json()) as BatchDetails

/** Two views beside those of the demo: the first one divides by zero if a day has no late flight. */
const ownViews = `
create materialized view public.late_share as
  select date::date as day, count(*) / count(*) filter (where delay > 60) as flights_per_late_one
    from public.flights group by date::date;
create unique index on public.late_share (day);
create materialized view public.late_weeks as
  select date_trunc('week', day) as week, avg(flights_per_late_one) as flights_per_late_one
    from public.late_share group by 1`

/** Every run and batch as if it had been `hours` earlier. */
async function makeOlder(sql: Sql, hours: number): Promise<void> {
  const by = `${hours} hours`
  await age(sql, by)
  await earlier(sql, 'batches', {}, by, 'requestedAt', 'startedAt', 'advancedAt', 'finishedAt')
  await earlier(sql, 'definitions', {}, by, 'createdAt', 'expectedSince')
}

/** The runs of 60 nights before the runs that are there: slower and larger from night to night, some failed. */
async function writeHistory(sql: Sql): Promise<void> {
  const runs = await sql`
    select id::int, definition_id, schema_name, view_name, trigger, requested_by, requested_at, duration_ms::int, row_count_after::int, result, meta
      from viewkeeper.runs where status = 'success' and operation = 'refresh' order by id`
  for (let night = 60; night > 0; night--)
    for (const { id, requested_at, duration_ms, row_count_after, ...run } of runs) {
      const [slower, larger] = [1.15 - night * 0.006 + 0.12 * Math.sin(night * 2.4 + id), 1 - night * 0.0035]
      const durationMs = Math.round(duration_ms * (slower + (night % 19 === 4 ? 0.7 : 0)))
      const rows = Math.round(row_count_after * (larger - 0.01 * Math.sin(night * 1.3)))
      const at = new Date(requested_at.getTime() - night * 86_400_000)
      const broken = (night * 7 + id * 5) % 29 === 0
      const message = 'canceling statement due to lock timeout'
      await insertRow(sql, 'runs', {
        ...run,
        status: broken ? 'failed' : 'success',
        requestedAt: at,
        startedAt: at,
        finishedAt: new Date(at.getTime() + durationMs),
        durationMs,
        rowCountBefore: rows,
        rowCountAfter: broken ? null : rows,
        error: broken ? { class: 'LockNotAvailable', sqlstate: '55P03', message } : null,
      })
    }
}

async function refreshAll(url: string, views: string[]): Promise<string> {
  const id = await startBatch(url, views)
  await until(`batch ${id} has ended`, async () => (await readBatch(url, id)).finishedAt)
  return id
}

/**
 * Gives the demo a past, and a night in which something went wrong: a view failed and with it the view that reads it,
 * one is paused, and a report keeps the batch that runs now from ending. Returns what the pictures are about.
 */
export async function makeNight({ url, databaseUrl }: Demo): Promise<Night> {
  const sql = postgres(databaseUrl, { onnotice: () => {} }) as unknown as Sql
  await sql.unsafe(ownViews)
  const views = (await sql`select format('%I.%I', schemaname, matviewname) as view from pg_matviews`).map(
    ({ view }) => view as string,
  )
  await refreshAll(url, views)
  await updateRows(sql, 'definitions', { maxStalenessSeconds: null }, { maxStalenessSeconds: 26 * 3600 })
  await writeHistory(sql)
  await makeOlder(sql, 24)
  await refreshAll(url, views)
  await makeOlder(sql, 24)
  await sql`
    insert into flights (date, delay, distance, origin, destination) values ('2001-01-20', 0, 236, 'SAT', 'DFW')`
  await refreshAll(url, views)
  await makeOlder(sql, 6)
  await post(`${url}/views/daily_delays/pause`)

  const report = postgres(databaseUrl, { max: 1, connection: { application_name: 'quarterly report' } })
  await report`begin`
  await report`select origin, avg(mean_delay) from public.route_delays where flights > 100 group by origin`
  const batch = await startBatch(
    url,
    views.filter((view) => !/late_share|late_weeks|daily_delays/.test(view)),
  )
  await until('the report is in the way of the batch', async () => {
    const [waiting] = await sql`select pid from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0`
    return waiting
  })
  const [failed] = await sql`select max(id)::int as id from viewkeeper.runs where status = 'failed'`
  return {
    batch,
    failedRun: failed!.id as number,
    async end() {
      await report.end({ timeout: 0 })
      await until('the last batch has ended', async () => (await readBatch(url, batch)).finishedAt)
      await sql.end()
    },
  }
}
