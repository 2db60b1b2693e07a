import { literal, quoteName, unquoted } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'
import type { RowCountStrategy } from '../views/definition.ts'
import { fillingQuery } from '../views/obstacles.ts'
import type { ViewFacts } from '../views/view-facts.ts'
import { countBefore, countExactly, estimateAside } from './counting.ts'
import { besideReaders, exclusively, lockWhatIsRead, withoutAltering } from './locks.ts'
import { uniqueIndexes } from './unique-indexes.ts'

export interface RunOptions {
  rowCountStrategy: RowCountStrategy
  /** The run's whole time, waiting for locks included. */
  timeoutSeconds: number
  ifRunning: Plan['ifRunning']
  /** Session settings for this run only. */
  settings: Record<string, string>
}

/** Plans `refresh materialized view`, which locks readers out while it works. Pure. */
export function planRegularRefresh(view: ViewFacts, options: RunOptions): Plan {
  const { rowCountStrategy, timeoutSeconds, ifRunning, settings } = options
  const work: Statement[] = [
    {
      phase: 'building',
      sql: `refresh materialized view ${quoteName(view)}`,
      kind: 'userCode',
      computesRows: true,
      obstacles: fillingQuery(view),
      unique: uniqueOf(view),
    },
  ]
  const exact = rowCountStrategy === 'exact'
  return {
    ifRunning,
    basis: null,
    settings,
    result: 'updated',
    fills: true,
    prepare: countBefore(view, rowCountStrategy),
    cutOver: view.mayAlter
      ? exclusively(view, work, { timeoutSeconds, guard: [lockWhatIsRead(view)], lasts: 'long' })
      : withoutAltering(view, work, timeoutSeconds),
    // A regular refresh writes every row, so the server's own tuple counter counts them at no cost, also if no
    // count is wanted: then the number is at least known. The counter is read by the view's name, because a swap after the planning gives the view another OID.
    written:
      rowCountStrategy !== 'estimated' && view.tuplesAreCounted
        ? `select pg_catalog.pg_stat_get_xact_tuples_inserted(to_regclass(${literal(quoteName(view))}))`
        : null,
    aside:
      exact && !view.tuplesAreCounted ? countExactly(view, 'after') : estimateAside(view, rowCountStrategy),
  }
}

/**
 * Plans `refresh materialized view concurrently`, which changes only rows that differ, beside readers. Pure.
 */
export function planConcurrentRefresh(view: ViewFacts, options: RunOptions): Plan {
  const { rowCountStrategy, timeoutSeconds, ifRunning, settings } = options
  const work: Statement[] = [
    {
      phase: 'building',
      sql: `refresh materialized view concurrently ${quoteName(view)}`,
      kind: 'userCode',
      computesRows: true,
      obstacles: fillingQuery(view, 'concurrently'),
      unique: uniqueOf(view),
    },
  ]
  if (rowCountStrategy === 'exact') work.push(...countExactly(view, 'after'))
  return {
    ifRunning,
    basis: null,
    settings,
    result: 'updated',
    fills: true,
    prepare: countBefore(view, rowCountStrategy),
    cutOver: besideReaders(view, work, timeoutSeconds),
    written: null,
    aside: estimateAside(view, rowCountStrategy),
  }
}

const uniqueOf = ({ uniqueIndexes: indexes }: ViewFacts): Statement['unique'] =>
  uniqueIndexes(
    indexes.map(({ name, columns }) => ({ name: unquoted(name), unique: true, on: `(${columns})` })),
    (at) => unquoted(indexes[at]?.name ?? ''),
  )
