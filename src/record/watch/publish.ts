import type { Sql } from '../../server/database.ts'
import { isWorkedOn } from '../../server/sessions.ts'
import { withTransaction } from '../../server/transactions.ts'
import { type Batch, batchColumns } from '../batches/batches.ts'
import { type Run, runColumns } from '../runs/runs.ts'
import { usualMs } from './incidents.ts'

/** A run that has ended, and the usual duration of its view at that time: see `usualMs`. */
export interface EndedRun extends Run {
  usualMs: number | null
  /** Whether the run's success has made the view's data fresh. */
  fills: boolean
}

/**
 * Passes at most `limit` ended, unpublished runs to `publish`, oldest first, and marks them as published afterwards. So
 * each run is published at least once, and twice only if this process dies in between. Runs that somebody else is
 * publishing now are left out. A run whose server process still counts its rows is published the next time. Without
 * `programs`, the runs never become events.
 */
export const publishEndedRuns = (
  sql: Sql,
  limit: number,
  publish: (runs: EndedRun[]) => void,
  programs = true,
): Promise<number> =>
  publishRows(
    sql,
    'runs',
    (transaction) => transaction<EndedRun[]>`
      select ${runColumns(transaction)}, r.fills, case when r.operation = 'refresh' and r.status = 'success' then ${usualMs(transaction)} end as "usualMs"
        from viewkeeper.runs r
       cross join lateral viewkeeper.usual_duration(r.definition_id, r.id) usual
       where r.finished_at is not null and r.published_at is null
         and not (r.plan is not null and ${transaction.unsafe(isWorkedOn)})
       order by r.id limit ${limit} for update of r skip locked`,
    publish,
    (transaction, ids) => transaction`
      update viewkeeper.runs set published_at = clock_timestamp(), announced_at = ${told(transaction, programs)}
       where id in (select value::int8 from jsonb_array_elements_text(${transaction.json(ids)}))`,
  )

/** Publishes ended batches in the same way. */
export const publishEndedBatches = (
  sql: Sql,
  limit: number,
  publish: (batches: Batch[]) => void,
  programs = true,
): Promise<number> =>
  publishRows(
    sql,
    'batches',
    (transaction) => transaction<Batch[]>`
      select ${batchColumns(transaction)} from viewkeeper.batches b
       where b.finished_at is not null and b.published_at is null
       order by b.serial limit ${limit} for update skip locked`,
    publish,
    (transaction, ids) => transaction`
      update viewkeeper.batches set published_at = clock_timestamp(), announced_at = ${told(transaction, programs)}
       where id in (select value from jsonb_array_elements_text(${transaction.json(ids)}))`,
  )

const told = (sql: Sql, programs: boolean) =>
  programs ? sql`announced_at` : sql`coalesce(announced_at, '-infinity')`

/** Publishing takes milliseconds. A process that takes longer hangs, and must not keep its rows from others. */
const longestPublishing = '5s'

/**
 * Locks the rows until they are marked, so that nobody else publishes them. Marks them after publishing: if this process
 * dies in between, the rows are published twice rather than never. Returns how many were published.
 */
async function publishRows<Row extends { id: number | string }>(
  sql: Sql,
  table: 'runs' | 'batches',
  take: (transaction: Sql) => Promise<Row[]>,
  publish: (rows: Row[]) => void,
  mark: (transaction: Sql, ids: Row['id'][]) => Promise<unknown>,
): Promise<number> {
  const waiting = await sql`
    select from viewkeeper.${sql(table)} where finished_at is not null and published_at is null limit 1`
  if (waiting.length === 0) {
    publish([])
    return 0
  }
  return withTransaction(sql, async (transaction) => {
    await transaction`select set_config('idle_in_transaction_session_timeout', ${longestPublishing}, true)`
    const rows = await take(transaction)
    publish(rows)
    if (rows.length > 0)
      await mark(
        transaction,
        rows.map(({ id }) => id),
      )
    return rows.length
  })
}
