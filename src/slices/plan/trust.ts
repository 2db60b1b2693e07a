import type { Known, Mark } from '../../record/plan/slice-marks.ts'
import { literal } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { Computes, WhyAll } from '../../words/run.ts'
import type { ReadLog } from './rows.ts'

/** Why the log of a view by a column does not tell all that has changed; null: it may be believed. */
export function whyNotBelieved(known: Known, { by, computes }: ReadLog): WhyAll | null {
  const { mark, wrong, logOid, isOurs, changed, world } = known
  if (wrong?.log === logOid) return { code: 'wrong', run: wrong.run, wrong: wrong.wrong }
  if (computes !== null && overflows(known)) return { code: 'outOfRange' }
  // From 18 on, what a zone of the session is called is that zone, whatever others are called so.
  if (computes === 'zones' && !/^[a-z_]+(\/[a-z_-]+)*$/i.test(world.TimeZone ?? ''))
    return { code: 'zone', zone: String(world.TimeZone) }
  if (!mark?.world) return { code: 'notRead' }
  if (!isOurs) return { code: 'altered' }
  if (mark.by !== by) return { code: 'newLog' }
  return changed === null ? null : { code: 'changed', what: changed }
}

/** Whether a key cannot be computed of every row: a refresh of slices computes it before the query leaves rows out. */
export const overflows = ({ mark, hasOverflown, logOid }: Known): boolean =>
  hasOverflown || mark?.overflows === logOid

/** Why all slices are computed although the log may be believed; null: they are not. */
export const whyDue = ({ isDue, every }: Known): WhyAll | null => (isDue ? { code: 'due', every } : null)

/** What the record of a refresh will say for the next one. `because`: why all rows are computed; null: they are not. */
export function markOf(known: Known, by: string, because: WhyAll | null, joins: Mark['joins']): Mark {
  const wholeMs = wholeMsOf(known)
  return {
    by,
    world: known.world,
    ...(known.proof !== null && { proof: known.proof, joins }),
    ...(wholeMs !== null && { wholeMs }),
    ...(overflows(known) && { overflows: known.logOid }),
    wholeAt: because === null ? known.mark!.wholeAt! : known.now,
  }
}

/** What such a refresh computes, for its record. `compares`: whether it can compare slices that no change has touched. */
export function computedBy(
  known: Known,
  { by, parts }: ReadLog,
  because: WhyAll | null,
  compares: boolean,
): Computes {
  if (because !== null) return { mode: 'all', by, because, compares }
  const joined = parts.some(({ finds }) => finds !== null)
  return { mode: 'touched', by, joined, wholeMs: wholeMsOf(known) }
}

/** How long the last refresh of all slices took, in milliseconds; null: nobody knows. */
const wholeMsOf = ({ mark, fillMs }: Known): number | null =>
  mark && 'anew' in mark ? (mark.wholeMs ?? null) : fillMs

/** From how many touched slices on all are computed: where two of the last refreshes, of no more slices, took longer than all of them had; null: never. */
export function tooMany({ mark, lately }: Known): number | null {
  const wholeMs = mark?.wholeMs ?? Number.POSITIVE_INFINITY
  const slower = lately.flatMap(({ anew, ms }) => (anew && ms !== null && ms > wholeMs ? anew : []))
  return slower.sort((a, b) => a - b)[1] ?? null
}

/** SQL for a mark of what the proof of a log reads besides the catalog's rows of it and its table. `by`: who makes the proof, and from what he knows already. */
export const readsOfProof = ({ schema, name }: QualifiedName, by: string): string =>
  // Of the server's own functions, somebody may say that they depend on their arguments alone.
  `md5(concat_ws(' ', ${literal(`${by} ${schema}.${name}`)}, (select sum(p.xmin::text::int8) from pg_proc p where p.oid < 16384)))`
