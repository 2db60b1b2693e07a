import type { ViewFacts } from '../catalog/plan/live-view.ts'
import type { Refusal } from '../rebuild/plan/fill.ts'
import type { AroundFilling } from '../rebuild/plan/make.ts'
import type { Filler } from '../rebuild/plan/plan-rebuild.ts'
import type { Rebuild, Scope } from '../rebuild/plan/scope.ts'
import { noteWrong } from '../record/plan/wrong-slices.ts'
import type { Sql } from '../server/database.ts'
import type { RunPlan } from '../sql/run-plan.ts'
import { displayName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import { holdsOf, insistOnHolds, readKnown } from './db/known.ts'
import { countingSlices } from './plan/count.ts'
import {
  aroundOf,
  fillBySlices,
  fillBySlicesBeside,
  forgetRead,
  membersOf,
  noteRead,
  type SlicesAnew,
} from './plan/fill.ts'
import { look } from './plan/forget.ts'
import type { ChangeLog } from './plan/log.ts'
import { compareUntouched, countTouched, rowsTouched } from './plan/rows.ts'
import type { Shown } from './plan/shown.ts'
import { type Known, markOf, tooMany, whyDue, whyNotBelieved, wordsOf } from './plan/trust.ts'

/**
 * Finds out by the log beside a view which of its rows a refresh has to compute anew. The log decides when the shadow is filled: here it is only read
 * whether it may be believed, which takes that nothing has changed since the last refresh but rows of tables. A refusal says why the
 * view is refreshed as if it had no log; undefined: it has none. `gone`: the view was exchanged or dropped meanwhile. `group`: the shadow is that of
 * a batch's group, which is exchanged later, and forgets what was read then.
 */
export async function findTouched(
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
  const { by, shown, exact } = log
  const changed = whyNotBelieved(known, by) ?? (group && whyWhole(group, shown)) ?? null
  const because = changed ?? whyDue(known)
  const mark = markOf(known, by, because)
  const holds = holdsOf(view, log, known)
  const touched = { view, log, known, isBelieved: changed === null, isWhole: because !== null, holds }
  const none =
    changed === null && exact === null
      ? ', and none can be compared, because its query does not tell which rows there are'
      : ''
  return {
    shown: shown.oid,
    words: `${wordsOf(known, by, because)}${because === null ? '' : none}`,
    found: { answer: { slices: mark }, holds },
    around:
      group === undefined
        ? aroundOf(view, shown, (rebuild, members) => fill(touched, rebuild, members, false))
        : (group) => (rebuild) => fill(touched, rebuild, membersOf(group, view, shown), true),
  }
}

/**
 * Fills the shadow, by slices unless all are computed; counts them, and compares those that no change has touched if all are computed although the log
 * is believed. What was read leaves the log in the same transaction; in a group of a batch it is noted, and leaves the log at the exchange.
 */
function fill(
  { view, log, known, isBelieved, isWhole, holds }: TouchedSlices,
  rebuild: Rebuild,
  members: Pick<SlicesAnew, 'view' | 'shown'>,
  isBeside: boolean,
): AroundFilling {
  const part = { by: log.by, columns: log.shown.columns }
  const most = isWhole ? null : tooMany(known)
  const rows = rowsTouched(part, log, most)
  const bySlices = isBeside ? fillBySlicesBeside : fillBySlices
  const sliced: AroundFilling = isWhole ? { before: [], after: [] } : bySlices(rebuild, { ...members, rows })
  const count = countTouched(part, log, isWhole, most)
  const compare = isBelieved && isWhole && log.exact !== null ? compareUntouched(log) : undefined
  const check = insistOnHolds(view, holds, 'exchanged')
  return countingSlices(
    rebuild,
    members.view,
    (shadow) => (compare ? `select (${count(shadow)}) || (${compare(shadow)})` : count(shadow)),
    {
      before: [look, ...sliced.before],
      after: [
        ...sliced.after,
        isBeside ? noteRead : forgetRead(members.view),
        ...(isBelieved || !isBeside ? [check] : []),
      ],
      record: [...(sliced.record ?? []), ...(compare ? [noteWrong(known.logOid)] : [])],
      // Old rows of slices that the log does not name are as the query would compute them now.
      known: { [view.oid]: { view: ['', ''], asOf: 'infinity' } },
    },
  )
}

/** What a refresh by a log computes. `holds`: what its rows depend on besides rows of tables is the same. */
interface TouchedSlices {
  view: ViewFacts
  log: ChangeLog
  known: Known
  isBelieved: boolean
  isWhole: boolean
  holds: NonNullable<RunPlan['basis']>
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
