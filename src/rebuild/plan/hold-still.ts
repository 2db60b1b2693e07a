import { inPlaceOf } from '../../catalog/plan/acting.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import type { ShadowNames } from '../../catalog/plan/shadow-names.ts'
import { type QualifiedName, quoteIdentifier } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { alter, asOwner, type Locked } from './locks.ts'

// Only an exchange needs these locks, and only a swap loads them.

/**
 * Locks what can change without the view's lock. We wait for changes that others have begun, so the
 * comparison sees them; changes that others begin later wait for the exchange.
 */
export const holdStill = (
  { view, indexes, statistics }: LiveView,
  names: Pick<ShadowNames, 'oldStatistics'>,
): Statement[] => [
  ...inPlaceOf(
    view.owner,
    indexes.map(({ name }) => lockIndex({ schema: view.schema, name })),
  ),
  ...statistics.flatMap((each, at) => inPlaceOf(each.owner, touchStatistics(each, names.oldStatistics(at)))),
]

/**
 * Writes the row of a relation that its columns have locked, and changes nothing: a grant takes no lock on a relation before 18, but
 * writes this row, so from now on it waits for us, or we begin again.
 */
export const holdRow = (locked: Locked): Statement[] =>
  locked.columns === undefined ? [] : asOwner(locked, alter(locked.kind, locked, 'reset (viewkeeper)'))

/** Locks an index. Its comment, name and options change under its own lock, not the view's. */
const lockIndex = (index: QualifiedName): Statement => alter('index', index, 'reset (viewkeeper)')

/**
 * Locks a statistics object, by rewriting its catalog row: the object gets another name, then its own again.
 */
const touchStatistics = (statistics: QualifiedName, anotherName: string): Statement[] => [
  alter('statistics', statistics, `rename to ${quoteIdentifier(anotherName)}`),
  alter('statistics', { ...statistics, name: anotherName }, `rename to ${quoteIdentifier(statistics.name)}`),
]
