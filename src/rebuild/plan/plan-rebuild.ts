import type { Checking } from '../../catalog/plan/checks.ts'
import type { LiveView, ViewFacts } from '../../catalog/plan/live-view.ts'
import { literal, quoteName } from '../../sql/names.ts'
import type { RunPlan } from '../../sql/run-plan.ts'
import { displayName } from '../../words/names.ts'
import { recordsFirst } from './check-data.ts'
import { carry, exchange } from './exchange.ts'
import type { RunOptions } from './fill.ts'
import { besideReaders } from './locks.ts'
import { fill, make } from './make.ts'
import { areFaithful, basisOf, prove } from './prove.ts'
import {
  apart,
  beside,
  losesNull,
  type Member,
  materialized,
  type Rebuild,
  type Scope,
  shadowName,
  wantedOf,
} from './scope.ts'

interface RebuildOptions extends RunOptions {
  /** Without, no shadow is filled. Default: true. */
  withData?: boolean
  /** The definition of a member, and the checks of its new data. Of the lead, only the checks count. Default: those of the options. */
  of?: (member: Member) => { definitionId: number; checking: Checking | null | undefined }
  /** What gives the shadows privileges before the exchange. Default: `carry`. */
  carrying?: typeof carry
}

/**
 * Plans the rebuild of a view, `lead`, alone or together with all views that read it: shadows are made with no data, proved and
 * filled, parents first, and all exchanged at one moment. Members that are to change, change with it. Members that hold no data
 * stay so. Pure. A shadow is refreshed after it was made: before 18, a view created with its data shows no rows to readers
 * whose MVCC snapshot is older. It is made and filled as the view's owner, because row security may show the owner less than us.
 * SQL written by others is parsed sealed.
 */
export function planRebuild(scope: Scope, lead: ViewFacts, options: RebuildOptions): RunPlan {
  const { ifRunning, settings, checking, withData = true } = options
  const { of = () => ({ definitionId: 0, checking }), carrying = carry } = options
  const first = scope.members.find(({ oid }) => oid === lead.oid) as Member
  // Only in a schema of ours, default privileges leave a shadow's privileges null.
  const isBeside = scope.members.length === 1 && !(lead.mayMakeSchemas && losesNull(wantedOf(first)))
  const rebuild = isBeside ? beside(lead.shadowKey, scope) : apart(lead.shadowKey, scope)
  const filled = withData ? materialized(scope).filter(({ populated }) => populated) : []
  const checkings = filled.map((member) => of(member).checking)
  const others = materialized(scope)
    .filter(({ oid }) => oid !== lead.oid)
    .map((member) => {
      const { definitionId } = of(member)
      const { schema, name } = member.live.view
      const view = displayName(member.live.view)
      return { definitionId, schema, name, view, fills: filled.includes(member) }
    })
  return {
    ifRunning,
    basis: basisOf(scope),
    settings,
    result: 'updated',
    fills: filled.includes(first),
    prepare: [
      ...make(rebuild),
      ...prove(rebuild),
      ...filled.flatMap((member) => fill(rebuild, member, of(member).checking)),
      ...carrying(rebuild),
    ],
    locked: recordsFirst(exchange(rebuild, options), checkings),
    ...(others.length === 0 ? {} : { members: others }),
    later: [],
  }
}

/**
 * Plans the run of one member of a batch's group: it fills the member's shadow, which exists already, and ends as built. Nobody
 * sees the shadow, and the view stays as it is. Pure.
 */
export function planFilling(
  rebuild: Rebuild,
  member: Member,
  view: ViewFacts,
  { timeoutSeconds, ifRunning, settings, checking }: RunOptions,
): RunPlan {
  const shadow = literal(quoteName(shadowName(rebuild, member)))
  return {
    ifRunning,
    basis: { sql: `select (to_regclass(${shadow}) is not null)::text`, is: 'true' },
    settings,
    result: 'updated',
    fills: true,
    prepare: fill(rebuild, member, checking, true),
    locked: recordsFirst(besideReaders(view, [], timeoutSeconds), [checking]),
    builds: true,
    later: [],
  }
}

/** Plans the exchange to shadows that are all filled. The facts are those of this moment, and are compared once nobody can change them any more. Pure. */
export const planExchange = (
  rebuild: Rebuild,
  { timeoutSeconds, members }: { timeoutSeconds: number; members: NonNullable<RunPlan['members']> },
): RunPlan => ({
  ifRunning: 'wait',
  basis: areThere(rebuild.scope.members),
  settings: {},
  result: 'updated',
  fills: true,
  prepare: [...carry(rebuild), ...areFaithful(rebuild)],
  locked: exchange(rebuild, { timeoutSeconds }),
  members,
  later: [],
})

/** That the views have not been exchanged or dropped. By OID, because our login may not look into each schema. */
const areThere = (members: Member[]): RunPlan['basis'] => ({
  sql: `select count(*)::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where (c.oid, n.nspname, c.relname) in (${members.map(({ oid, live: { view } }) => `(${oid}, ${literal(view.schema)}, ${literal(view.name)})`).join(', ')})`,
  is: String(members.length),
})

/**
 * Says what has changed since the shadows of `made` were made, so that they cannot be exchanged. Null if nothing has, but privileges,
 * which are carried, or what is made again in the exchange: triggers, rules, and plain views above. Pure.
 */
export function whatChanged(made: Scope, now: Scope): string | null {
  const there = new Map(now.members.map((member) => [member.oid, member]))
  for (const { oid, live } of made.members) {
    const found = there.get(oid)
    if (found === undefined) return `${displayName(live.view)} was exchanged or dropped during the batch`
    if (shapeOf(live) !== shapeOf(found.live)) return `${displayName(live.view)} was altered during the batch`
  }
  const known = new Set(made.members.map(({ oid }) => oid))
  const added = now.members.find(({ oid }) => !known.has(oid))
  return added === undefined
    ? null
    : `${displayName(added.live.view)}, which reads a view of the group, was made during the batch`
}

/** The view but for its privileges and what hangs on it, as one text: jsonb has one order of keys. */
const shapeOf = ({ view, columns, indexes, statistics }: LiveView): string =>
  JSON.stringify({ view, columns, indexes, statistics })

/** Why a member is rebuilt together with others, for its run's answer; `because`: why although the batch was not to refresh it. */
export function becauseTogether(scope: Scope, { oid }: Member, because: string | null): string {
  const others = materialized(scope).filter((member) => member.oid !== oid)
  const together = `the batch exchanges it at one moment with ${others.map(({ live }) => displayName(live.view)).join(', ')}`
  return because === null ? together : `${together}: ${because}`
}
