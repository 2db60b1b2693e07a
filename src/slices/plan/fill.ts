import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import { setting } from '../../rebuild/plan/locks.ts'
import { type AroundFilling, closePlace, openPlace } from '../../rebuild/plan/make.ts'
import { areFaithful } from '../../rebuild/plan/prove.ts'
import { type Member, type Rebuild, type Scope, shadowName } from '../../rebuild/plan/scope.ts'
import { sealedAsOwner, withOptions } from '../../rebuild/plan/shadow.ts'
import { logName, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { noteFound } from './count.ts'
import { forget, logRead } from './forget.ts'
import type { Shown } from './shown.ts'

/** A materialized view that shows a plain view as it is, and what fills its shadow from its own rows and from its query. */
export interface SlicesAnew {
  view: Member
  shown: Member
  /** The query of its rows, with the columns of the plain view, for `kept`, its old rows, and `query`, that of the plain view. */
  rows(kept: string, query: string): string
}

/**
 * Fills a shadow by slices. Meanwhile the shadow of the plain view that it shows reads the old rows, without these slices, and of its own query
 * only these: the one statement that fills sees both at one moment, and readers of neither. Then the shadow gets its own query
 * again, and is proved a copy as before. Nothing here is seen before the exchange. Pure.
 */
export const fillBySlices = (rebuild: Rebuild, { view, shown, rows }: SlicesAnew): AroundFilling => ({
  before: [reads(rebuild, shown, rows(quoteName(view.live.view), queryOf(shown)))],
  after: [...readsItsOwn(rebuild, shown), ...areFaithful(rebuild)],
})

/**
 * The same in one of the runs that fill the shadows of a group, perhaps at once. Checks find the query in the shadow of the plain view; its
 * exact copy comes at the end, because two transactions cannot give rights on the place at once. The exchange proves it. Pure.
 */
export const fillBySlicesBeside = (rebuild: Rebuild, { view, shown, rows }: SlicesAnew): AroundFilling => ({
  before: [reads(rebuild, shown, rows(quoteName(view.live.view), queryOf(shown)))],
  after: [reads(rebuild, shown, `select * from (${queryOf(shown)}) as q`)],
  record: readsItsOwn(rebuild, shown),
})

const queryOf = ({ live }: Member): string => live.view.definition.trim()

/** Makes the shadow of a plain view read something else, as a rule: only its owner may, and needs no right on the place for it. */
const reads = (rebuild: Rebuild, shown: Member, rows: string): Statement => ({
  phase: 'building',
  sql: `create or replace rule "_RETURN" as on select to ${quoteName(shadowName(rebuild, shown))} do instead\n${rows}`,
  ...sealedAsOwner(shown.live),
})

const readsItsOwn = (rebuild: Rebuild, shown: Member): Statement[] => [
  ...openPlace(rebuild),
  {
    phase: 'building',
    sql: `create or replace view ${quoteName(shadowName(rebuild, shown))}${withOptions(shown.live.view.options)} as ${queryOf(shown)}`,
    ...sealedAsOwner(shown.live),
  },
  ...closePlace(rebuild),
]

/** The view and the plain view among a group, which need not have the plain view if all slices are computed. */
export const membersOf = ({ members }: Scope, ...both: [view: { oid: number }, shown: { oid: number }]) => {
  const [view, shown] = both.map(({ oid }) => members.find((each) => each.oid === oid)!) as [Member, Member]
  return { view, shown }
}

/** Finds both, and insists that the plain view is the view's own. */
export const aroundOf =
  (
    view: ViewFacts,
    shown: Pick<Shown, 'oid' | 'view'>,
    fill: (rebuild: Rebuild, members: { view: Member; shown: Member }) => AroundFilling,
  ): ((group: Scope) => (rebuild: Rebuild) => AroundFilling) =>
  (group) => {
    const members = membersOf(group, view, shown)
    const below = members.shown.live
    const others = [
      ...group.members
        .filter(({ oid, reads }) => oid !== view.oid && reads.includes(shown.oid))
        .map(({ live }) => `${live.view.kind} ${displayName(live.view)}`),
      ...below.dependents.map(({ description }) => description),
    ]
    if (others.length > 0)
      throw new Problem(
        'InvalidRequest',
        `${view.view} is not refreshed by slices: ${shown.view}, which it shows, is also read by ${others.join(', ')}. Let each read a plain view of its own.`,
        { field: 'slices' },
      )
    const { owner } = below.view
    if (owner !== view.owner)
      throw new Problem(
        'InvalidRequest',
        `${view.view} is not refreshed by slices: ${shown.view}, which it shows, belongs to ${owner}. Give it to the same owner: alter view ${shown.view} owner to ${view.owner}.`,
        { field: 'slices' },
      )
    return (rebuild) => fill(rebuild, members)
  }

/** Lets the record of the run say what it has read of the log. */
export const noteRead: Statement = {
  kind: 'command',
  phase: 'building',
  sql: noteFound(`jsonb_build_object('read', current_setting('${logRead}'))`),
  hidden: true,
}

/** Takes from the log of a view what was read of it. */
export const forgetRead = ({ live }: Member): Statement => ({
  phase: 'building',
  sql: forget(logName(live.view), 'read'),
  ...sealedAsOwner(live),
})

/** What a run has read of the log of a view when it filled a shadow: what this snapshot sees. */
export interface Read extends QualifiedName {
  snapshot: string
}

/** Takes from the logs of a group what its shadows have read of them: what each snapshot sees. */
export const forgetAll = ({ members }: Scope, read: Read[]): Statement[] =>
  members.flatMap((member) =>
    read
      .filter((view) => quoteName(view) === quoteName(member.live.view))
      .flatMap(({ snapshot }) => [setting(logRead, snapshot), forgetRead(member)]),
  )
