import { type Batch, batchColumns } from '../batches/batches.ts'
import { type Run, runColumns } from '../runs/runs.ts'
import { type Sql, withTransaction } from '../server/connect.ts'
import { runLocks } from '../server/lock-keys.ts'

/** A run that has ended, and how long its view's refreshes usually take: the average of the 20 successes before it. */
export interface EndedRun extends Run {
  usualMs: number | null
  /** Whether its success has made the view's data fresh. */
  fills: boolean
}

/**
 * Hands the ended runs that were not published yet to `publish`, oldest first, and marks them published afterwards: so each is
 * published at least once, and more than once only where we die in between. Those that somebody else is
 * publishing at this moment are left to them. At most `limit` of them. One that still counts its rows, aside, is left to
 * the next time.
 */
export const publishEndedRuns = (
  sql: Sql,
  limit: number,
  publish: (runs: EndedRun[]) => void,
): Promise<number> =>
  tell(
    sql,
    (transaction) => transaction<EndedRun[]>`
      with ${runLocks(transaction)}
      select ${runColumns(transaction)}, r.fills, case when r.operation = 'refresh' and r.status = 'success' then usual.ms end as "usualMs"
        from viewkeeper.runs r
       cross join lateral viewkeeper.usual_duration(r.definition_id, r.id) usual
       where r.finished_at is not null and r.published_at is null
         and not exists (select from run_locks l where l.id = r.id and l.pid = r.backend_pid)
       order by r.id limit ${limit} for update of r skip locked`,
    publish,
    (transaction, ids) => transaction`
      update viewkeeper.runs set published_at = clock_timestamp()
       where id in (select value::int8 from jsonb_array_elements_text(${transaction.json(ids)}))`,
  )

/** The same with ended batches. */
export const publishEndedBatches = (
  sql: Sql,
  limit: number,
  publish: (batches: Batch[]) => void,
): Promise<number> =>
  tell(
    sql,
    (transaction) => transaction<Batch[]>`
      select ${batchColumns(transaction)} from viewkeeper.batches b
       where b.finished_at is not null and b.published_at is null
       order by b.serial limit ${limit} for update skip locked`,
    publish,
    (transaction, ids) => transaction`
      update viewkeeper.batches set published_at = clock_timestamp()
       where id in (select value from jsonb_array_elements_text(${transaction.json(ids)}))`,
  )

/** Telling takes milliseconds: who takes longer has hung, and what they hold is for others. */
const longestTelling = '5s'

/**
 * Holds the rows from before they are told until they are marked, so that nobody else tells them; and marks afterwards, so that
 * whoever dies in between has them told twice, rather than not at all. Gives how many were told.
 */
const tell = <Row extends { id: number | string }>(
  sql: Sql,
  take: (transaction: Sql) => Promise<Row[]>,
  publish: (rows: Row[]) => void,
  mark: (transaction: Sql, ids: Row['id'][]) => Promise<unknown>,
): Promise<number> =>
  withTransaction(sql, async (transaction) => {
    await transaction`select set_config('idle_in_transaction_session_timeout', ${longestTelling}, true)`
    const rows = await take(transaction)
    publish(rows)
    if (rows.length > 0)
      await mark(
        transaction,
        rows.map(({ id }) => id),
      )
    return rows.length
  })
