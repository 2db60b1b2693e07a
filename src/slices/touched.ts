import { type Patience, untilUnlocked } from '../catalog/db/look.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import type { Refusal } from '../rebuild/plan/fill.ts'
import type { AroundFilling } from '../rebuild/plan/make.ts'
import type { Filler } from '../rebuild/plan/plan.ts'
import type { Member, Rebuild, Scope } from '../rebuild/plan/scope.ts'
import type { Sql } from '../server/database.ts'
import { unlessLocked } from '../server/transactions.ts'
import type { Plan, Statement } from '../sql/plan.ts'
import { displayName, displayPart } from '../words/names.ts'
import { duration } from '../words/phrases.ts'
import { Problem } from '../words/problem.ts'
import { readKnown, worldOf } from './db/known.ts'
import { countingSlices } from './plan/count.ts'
import {
  aroundOf,
  fillBySlices,
  fillBySlicesBeside,
  forgetRead,
  noteRead,
  type SlicesAnew,
} from './plan/fill.ts'
import { look } from './plan/forget.ts'
import type { ChangeLog } from './plan/log.ts'
import { compareUntouched, countTouched, rowsTouched } from './plan/rows.ts'
import type { Shown } from './plan/shown.ts'
import { type Known, type Mark, tooMany, wholeMsOf, whyDue, whyNotBelieved } from './plan/trust.ts'
import { noteWrong } from './plan/wrong.ts'

/**
 * Finds out by the log beside a view which of its rows a refresh has to compute anew. The log decides when the shadow is filled: here it is only read
 * whether it may be believed, which takes that nothing has changed since the last refresh but rows of tables. A refusal says why the
 * view is refreshed as if it had no log; undefined: it has none. `gone`: the view was exchanged or dropped meanwhile. `group`: the shadow is that of
 * a batch's group, which is exchanged later, and forgets what was read then. If a lock keeps it from being read, throws what `lookAtView` throws.
 */
export const findTouched = (
  sql: Sql,
  view: ViewFacts,
  patience: Patience = {},
  group?: Scope,
): Promise<Filler | Refusal | 'gone' | undefined> =>
  untilUnlocked(sql, view, patience, () => unlessLocked(sql, (sql) => readTouched(sql, view, group)))

async function readTouched(
  sql: Sql,
  view: ViewFacts,
  group: Scope | undefined,
): Promise<Filler | Refusal | 'gone' | undefined> {
  // What proves slices is loaded only for a view beside which something has the name of a log.
  const { readLog, readLogged } = await import('./slices.ts')
  const logged = await readLogged(sql, view)
  if (logged === null) return undefined
  const { log, because: unused } = await readLog(sql, view, logged)
  if (unused === undefined) return 'gone'
  if (log === null || unused !== null)
    return new Problem('InvalidRequest', `the log of its changes is not used: ${unused}`)
  const known = await readKnown(sql, view, log)
  if (known === undefined) return 'gone'
  const changed = whyNotBelieved(known, log.by) ?? (group && whyWhole(group, log.shown)) ?? null
  const because = changed ?? whyDue(known)
  const stands = {
    sql: `select concat_ws(' ', (${worldOf(log)}), (select c.xmin from pg_class c where c.oid = ${view.oid}))`,
    is: `${known.text} ${known.toucher}`,
  }
  const touched: Touched = { view, log, known, changed, because, check: checkOf(view, stands) }
  return {
    shown: log.shown.oid,
    words: wordsOf(touched),
    found: { answer: { slices: markOf(touched) }, holds: stands },
    around: group === undefined ? aroundAlone(touched) : aroundInGroup(touched),
  }
}

/** What a refresh by a log computes, and why. */
interface Touched {
  view: ViewFacts
  log: ChangeLog
  known: Known
  /** Why the log is not believed; null: it is. */
  changed: string | null
  /** Why all slices are computed; null: only those that the log names. */
  because: string | null
  /** That what the rows depend on is still the same. */
  check: Statement
}

function wordsOf({ log: { by, exact }, known, changed, because }: Touched): string {
  const slices = displayPart(by)
  const wholeMs = wholeMsOf(known)
  const took = wholeMs === null ? '' : `; all of them took ${duration(wholeMs)}`
  const none =
    changed === null && exact === null
      ? ', and none can be compared, because its query does not tell which rows there are'
      : ''
  return because === null
    ? `computes slices of ${slices} anew, those that changes have touched${took}`
    : `computes all slices of ${slices} anew: ${because}${none}`
}

function markOf({ log: { by }, known, because }: Touched): Mark {
  const wholeMs = wholeMsOf(known)
  return {
    by,
    world: known.world,
    ...(wholeMs !== null && { wholeMs }),
    wholeAt: because === null ? known.mark!.wholeAt! : known.now,
  }
}

const checkOf = ({ view }: ViewFacts, { sql, is }: NonNullable<Plan['basis']>): Statement => ({
  kind: 'check',
  phase: 'building',
  sql,
  check: {
    is,
    else: 'CatalogChanged',
    message: `What ${view} is computed from was changed while its slices were computed. Nothing was exchanged: refresh again.`,
  },
  hidden: true,
})

/** Fills the shadow in a refresh of the view with all that read it: what was read leaves the log in the same transaction. */
const aroundAlone = (touched: Touched): Filler['around'] =>
  aroundOf(touched.view, touched.log.shown, (rebuild, members) => {
    const sliced = fills(touched, (rows) => fillBySlices(rebuild, { ...members, rows }))
    return counting(touched, rebuild, members.view, {
      ...sliced,
      after: [...sliced.after, forgetRead(members.view), touched.check],
    })
  })

/** Fills the shadow in a group of a batch: what was read is noted, and leaves the log at the exchange. */
const aroundInGroup =
  (touched: Touched): Filler['around'] =>
  ({ members }) =>
  (rebuild) => {
    const memberOf = ({ oid }: { oid: number }) => members.find((each) => each.oid === oid)!
    const above = memberOf(touched.view)
    const sliced = fills(touched, (rows) =>
      fillBySlicesBeside(rebuild, { view: above, shown: memberOf(touched.log.shown), rows }),
    )
    return counting(touched, rebuild, above, {
      ...sliced,
      after: [...sliced.after, noteRead, ...(touched.changed === null ? [touched.check] : [])],
    })
  }

/** By slices, unless all are computed. */
const fills = (
  { log, known, because }: Touched,
  bySlices: (rows: SlicesAnew['rows']) => AroundFilling,
): AroundFilling =>
  because === null
    ? bySlices(rowsTouched({ by: log.by, columns: log.shown.columns }, log, tooMany(known)))
    : { before: [], after: [] }

/** Counts the slices, and compares those that no change has touched if all are computed although the log is believed. */
function counting(
  { view, log, known, changed, because }: Touched,
  rebuild: Rebuild,
  above: Member,
  { before, after, record = [] }: AroundFilling,
): AroundFilling {
  const part = { by: log.by, columns: log.shown.columns }
  const count = countTouched(part, log, because !== null, because === null ? tooMany(known) : null)
  const compare =
    changed === null && because !== null && log.exact !== null ? compareUntouched(log) : undefined
  return countingSlices(
    rebuild,
    above,
    (shadow) => (compare ? `select (${count(shadow)}) || (${compare(shadow)})` : count(shadow)),
    {
      before: [look, ...before],
      after,
      record: [...record, ...(compare ? [noteWrong(known.logOid)] : [])],
      // Old rows of slices that the log does not name are as the query would compute them now.
      known: { [view.oid]: { view: ['', ''], asOf: 'infinity' } },
    },
  )
}

/** Why a member of a batch's group that shows this plain view is not computed by slices; null: it may be. */
function whyWhole({ members }: Scope, shown: Shown): string | null {
  const below = members.find(({ oid }) => oid === shown.oid)
  if (below === undefined) return `the batch makes no shadow of ${shown.view}, which it shows`
  const read = members.find(({ oid }) => below.reads.includes(oid))
  return read === undefined
    ? null
    : `it reads ${displayName(read.live.view)}, which the batch makes anew, too`
}
