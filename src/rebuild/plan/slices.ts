import { quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { type AroundFilling, closePlace, openPlace } from './make.ts'
import { areFaithful } from './prove.ts'
import { type Member, type Rebuild, shadowName } from './scope.ts'
import { ownersSandboxed, withOptions } from './shadow.ts'

/** Which rows of a view are computed anew: those between two values, ends included. All others are kept. */
export interface SlicesAnew {
  /** The materialized view, and the plain view that it shows. */
  view: Member
  shown: Member
  /** The columns of the plain view, in its order, each with the name that it has above. */
  columns: { name: string; above: string }[]
  /** A column of the materialized view, and the first and the last value, as SQL writes them. */
  by: string
  from: string
  to: string
}

/**
 * Fills a shadow by slices. Meanwhile the shadow of the plain view that it shows reads the old rows, without these slices, and of its own query
 * only these: the one statement that fills sees both at one moment, and readers of neither. Then the shadow gets its own query
 * again, and is proved a copy as before. Nothing here is seen before the exchange. Pure.
 */
export function fillBySlices(
  rebuild: Rebuild,
  { view, shown, columns, by, from, to }: SlicesAnew,
): AroundFilling {
  const { options, definition } = shown.live.view
  const query = definition.trim()
  const called = columns.find(({ above }) => above === by)?.name ?? by
  const isAnew = (column: string) =>
    `${column} operator(pg_catalog.>=) ${from} and ${column} operator(pg_catalog.<=) ${to}`
  const old = columns.map(({ name, above }) => `o.${quoteIdentifier(above)} as ${quoteIdentifier(name)}`)
  const means = (more: string): Statement[] => [
    ...openPlace(rebuild),
    {
      phase: 'building',
      sql: `create or replace view ${quoteName(shadowName(rebuild, shown))}${more}`,
      ...ownersSandboxed(shown.live),
    },
    ...closePlace(rebuild),
  ]
  return {
    // A null is in no slice between two values: its rows are kept.
    before: means(` as
select ${old.join(', ')} from ${quoteName(view.live.view)} as o where (${isAnew(`o.${quoteIdentifier(by)}`)}) is not true
union all
select * from (${query}) as q (${columns.map(({ name }) => quoteIdentifier(name)).join(', ')}) where ${isAnew(`q.${quoteIdentifier(called)}`)}`),
    after: [...means(`${withOptions(options)} as ${query}`), ...areFaithful(rebuild)],
  }
}
