import { inPlaceOf } from '../acting.ts'
import { displayName, literal, quoteIdentifier, quoteName, type ViewName } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'
import { replayGrants } from '../views/grants.ts'
import type { LiveView, ViewSnapshot } from '../views/live-view.ts'
import { differenceQuery, liveViewHashQuery } from '../views/live-view-query.ts'
import type { ViewFacts } from '../views/view-facts.ts'
import { type AsideNames, asideNames } from './aside-names.ts'
import { analyze, countBefore, countRows, readEstimate } from './counting.ts'
import { fill } from './create.ts'
import { exclusiveLock, exclusively, lockIndex, setting, touchColumns, touchStatistics } from './locks.ts'
import { buildIndexes, buildStatistics, buildTwin, giveStatistics, withOptions } from './rebuild.ts'
import type { RunOptions } from './refresh.ts'

/**
 * Plans a rebuild aside and the exchange of the two views in one short moment. Pure. The twin is built with no data and
 * then refreshed, because a view created with its data would show no rows to readers whose snapshot is older (before
 * 18). All of it is done as the view's owner, whom row security may show less than us, and what somebody wrote is parsed
 * sealed. Under the exclusive lock the catalog is compared with what was planned on. Dropping the old view without
 * `cascade` proves that nothing hangs on it any more. With `wanted`, the new view is that instead of one like the old.
 */
export function planSwap(
  view: ViewFacts,
  { live, hash }: ViewSnapshot,
  options: RunOptions,
  { wanted: facts, withData }: { wanted: LiveView; withData: boolean } = { wanted: live, withData: true },
): Plan {
  const { rowCountStrategy, timeoutSeconds, ifRunning, settings } = options
  const aside = asideNames(view.oid, facts.view.schema)
  const { owner } = facts.view
  return {
    ifRunning,
    basis: { sql: liveViewHashQuery(String(view.oid)), is: hash },
    settings,
    result: 'updated',
    fills: withData,
    prepare: [
      ...countBefore(view, rowCountStrategy),
      setting('default_tablespace', ''),
      ...inPlaceOf(owner, [
        ...buildTwin(facts, aside),
        ...buildIndexes(facts, aside),
        ...buildStatistics(facts, aside),
      ]),
      ...giveStatistics(facts, aside),
      ...(withData ? inPlaceOf(owner, [...fill(aside.view), analyze(aside.view)]) : []),
      ...(withData && rowCountStrategy === 'exact' ? inPlaceOf(owner, [countRows(aside.view, 'after')]) : []),
      ...(withData && rowCountStrategy === 'estimated' ? [readEstimate(aside.view, 'after')] : []),
      ...replayGrants(facts, aside.view),
      refersToItself(view, aside),
      // Here it costs nobody anything, and a change during the build is told as one; under the lock it is what counts.
      nothingHasChanged(view, hash),
      ...(facts === live ? [twinIsFaithful(view, hash, aside)] : []),
    ],
    cutOver: exclusively(facts.view, [nothingHasChanged(view, hash), ...exchange(facts, aside)], {
      timeoutSeconds,
      guard: holdStill(live, aside),
      // Outer views first, as a reader locks them.
      lockBefore: plainViews(facts)
        .toReversed()
        .flatMap((dependent) => inPlaceOf(dependent.owner, [exclusiveLock('view', dependent)])),
      as: (statements) => inPlaceOf(owner, statements),
    }),
    written: null,
    aside: [],
  }
}

/**
 * Takes what is changed without the view's lock: what others have begun about it is waited for and so seen by the
 * comparison, and what they begin later waits for the exchange.
 */
const holdStill = ({ view, columns, indexes, statistics }: LiveView, aside: AsideNames): Statement[] => [
  ...inPlaceOf(view.owner, [
    ...touchColumns(
      view,
      columns.map(({ name }) => name),
    ),
    ...indexes.map(({ name }) => lockIndex({ schema: view.schema, name })),
  ]),
  ...statistics.flatMap((each, at) => inPlaceOf(each.owner, touchStatistics(each, aside.oldStatistics(at)))),
]

/** The views that read this one, in an order in which each was there before those that may read it. */
const plainViews = ({ dependents }: LiveView) =>
  dependents.flatMap(({ view }) => (view === null ? [] : [view])).sort((a, b) => a.oid - b.oid)

/**
 * The old view steps aside, its twin takes the name, and the plain views that read it are written again over the new one,
 * which keeps all that hangs on them. Then the old view can go, and the indexes get their names.
 */
function exchange(facts: LiveView, aside: AsideNames): Statement[] {
  const { schema, name, owner } = facts.view
  const rename = (from: ViewName, to: string): Statement =>
    cutOver(`alter materialized view ${quoteName(from)} rename to ${quoteIdentifier(to)}`)
  const views = plainViews(facts)
  return [
    ...inPlaceOf(owner, [
      views.length > 0
        ? rename(facts.view, aside.old.name)
        : cutOver(`drop materialized view ${quoteName(facts.view)}`),
      rename(aside.view, name),
    ]),
    ...views.map(
      (view): Statement => ({
        ...cutOver(
          `create or replace view ${quoteName(view)}${withOptions(view.options)} as ${view.definition.trim()}`,
        ),
        sealed: { role: view.owner, schema: quoteIdentifier(view.schema) },
        carries: `view ${displayName(view)}`,
      }),
    ),
    ...inPlaceOf(owner, [
      ...(views.length > 0 ? [cutOver(`drop materialized view ${quoteName(aside.old)}`)] : []),
      ...facts.indexes.map((index, at) =>
        cutOver(
          `alter index ${quoteName({ schema, name: aside.index(at) })} rename to ${quoteIdentifier(index.name)}`,
        ),
      ),
    ]),
    ...facts.statistics.flatMap((each, at) =>
      inPlaceOf(each.owner, [
        cutOver(
          `alter statistics ${quoteName({ schema: each.schema, name: aside.statistics(at) })} rename to ${quoteIdentifier(each.name)}`,
        ),
      ]),
    ),
  ]
}

const cutOver = (sql: string): Statement => ({ phase: 'cut-over', sql })

const nothingHasChanged = ({ oid, view }: ViewFacts, hash: string): Statement => ({
  phase: 'locking',
  sql: liveViewHashQuery(String(oid)),
  check: {
    is: hash,
    else: 'CatalogChanged',
    message:
      `${view}, its indexes, privileges, comments or what reads it were altered while it was rebuilt. Nothing was ` +
      'exchanged; refresh again.',
  },
  hidden: true,
})

/** What the catalog cannot be told in SQL would be lost in silence; so the twin is compared before it takes the place. */
const twinIsFaithful = ({ oid, view }: ViewFacts, hash: string, aside: AsideNames): Statement => ({
  phase: 'building',
  sql: differenceQuery(String(oid), hash, regclass(aside.view)),
  check: {
    is: '',
    else: 'SwapImpossible',
    message: `The copy of ${view} would differ from it. Use strategy "concurrent" or "regular".`,
  },
  hidden: true,
})

/** A constant of type regclass that names the view itself would make the twin point to the old one for ever. */
const refersToItself = ({ oid, view }: ViewFacts, aside: AsideNames): Statement => ({
  phase: 'building',
  sql: `select count(*)::text from pg_catalog.pg_depend d
 where d.refclassid = 'pg_class'::regclass and d.refobjid = ${oid}
   and (d.objid in (select indexrelid from pg_catalog.pg_index where indrelid = ${regclass(aside.view)})
     or d.objid in (select oid from pg_catalog.pg_statistic_ext where stxrelid = ${regclass(aside.view)})
     or d.objid in (select oid from pg_catalog.pg_rewrite where ev_class = ${regclass(aside.view)}))`,
  check: {
    is: '0',
    else: 'SwapImpossible',
    message: `The definition of ${view}, or of an index on it, refers to the view itself. Use strategy "concurrent" or "regular".`,
  },
  hidden: true,
})

const regclass = (name: ViewName): string => `${literal(quoteName(name))}::regclass`
