import { inPlaceOf } from '../acting.ts'
import { literal, quoteIdentifier, quoteName, regclass, type ViewName } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'
import { copyGrants, grantsAreTheSame, replayGrants } from '../views/grants.ts'
import type { LiveView, ViewSnapshot } from '../views/live-view.ts'
import {
  differenceQuery,
  hashWithoutGrants as hashWithoutGrantsOf,
  liveViewHashQuery,
} from '../views/live-view-query.ts'
import type { ViewFacts } from '../views/view-facts.ts'
import { createdIn, createView, losesNull } from './apart.ts'
import { type AsideNames, asideNames } from './aside-names.ts'
import { checkData, recordsFirst } from './check-data.ts'
import { analyze, countBefore, countTwin } from './counting.ts'
import { fill } from './create.ts'
import { exclusively, holdStill, setting } from './locks.ts'
import {
  buildIndexes,
  buildStatistics,
  buildTwin,
  giveStatistics,
  nameStatistics,
  ownersSeal,
} from './rebuild.ts'
import type { RunOptions } from './refresh.ts'
import { uniqueIndexes } from './unique-indexes.ts'
import { tablesOf, touchFunctions, writeObjectsAgain, writeViewAgain, writtenAgain } from './written-again.ts'

/**
 * Plans a rebuild aside and the exchange of the two views in one short cut-over. Pure. The twin is built with
 * no data and then refreshed: before 18, a view created with its data shows no rows to readers whose MVCC
 * snapshot is older. The twin is built and filled as the view's owner, because row security may show the
 * owner less than us. SQL written by others is parsed sealed. The empty twin is
 * compared with the view. Once nobody can change the view any more, the catalog is compared with the snapshot. Dropping the
 * old view without `cascade` proves that nothing depends on it any more. The new view is like `wanted`; by default, like the old view.
 */
export function planSwap(
  view: ViewFacts,
  { live, hash, hashWithoutGrants }: ViewSnapshot,
  options: RunOptions,
  { wanted, withData }: { wanted: LiveView; withData: boolean } = { wanted: live, withData: true },
): Plan {
  const { rowCountStrategy, timeoutSeconds, ifRunning, settings } = options
  const checking = withData ? options.checking : null
  const aside = asideNames(view.aside, wanted.view.schema)
  const { owner } = wanted.view
  const unique = uniqueIndexes(
    wanted.indexes.map((index) => ({ ...index, on: index.rest })),
    aside.index,
  )
  // Authored privileges are not copied, so nobody may change the view's.
  const copies = wanted === live
  const pair = { oid: view.oid, twin: { ...aside.view, schema: live.view.schema } }
  const again = writtenAgain([live])
  const apart = view.mayMakeSchemas && losesNull(wanted) ? aside.view.name : null
  const nothingElseHasChanged = copies
    ? nothingHasChanged(view, liveViewHashQuery(String(view.oid), hashWithoutGrantsOf), hashWithoutGrants)
    : nothingHasChanged(view, liveViewHashQuery(String(view.oid)), hash)
  return {
    ifRunning,
    basis: { sql: liveViewHashQuery(String(view.oid)), is: hash },
    settings,
    result: 'updated',
    fills: withData,
    prepare: [
      ...countBefore(view, rowCountStrategy),
      setting('default_tablespace', ''),
      ...createView(
        wanted.view,
        pair.twin,
        apart,
        (twin) => buildTwin(wanted, { view: twin })[0] as Statement,
      ),
      ...inPlaceOf(owner, [
        ...buildTwin(wanted, aside).slice(1),
        ...buildIndexes(wanted, aside),
        ...buildStatistics(wanted, aside),
      ]),
      ...giveStatistics(wanted, aside),
      refersToItself(view, aside),
      ...(copies ? [twinIsFaithful(view, hashWithoutGrants, aside)] : []),
      ...(withData ? inPlaceOf(owner, [...fill(aside.view, wanted.view, unique), analyze(aside.view)]) : []),
      ...checkData(
        { view: wanted.view, relation: aside.view, seal: ownersSeal(wanted), key: view.aside },
        checking,
      ),
      ...(withData ? countTwin(aside.view, ownersSeal(wanted), rowCountStrategy) : []),
      ...replayGrants(createdIn(apart, wanted), aside.view),
      // This check delays nobody, and finds a change made during the build. The same check under the locks
      // decides.
      ...(copies ? [copyGrants(pair)] : []),
      nothingElseHasChanged,
    ],
    cutOver: recordsFirst(
      exclusively(
        [
          ...plainViews(live)
            .toReversed()
            .map((view) => ({ ...view, kind: 'view' as const })),
          ...tablesOf(again),
          live.view,
        ],
        exchange(live, wanted, aside),
        {
          timeoutSeconds,
          otherwise: options.otherwise,
          guard: [
            ...holdStill(live, aside),
            ...(copies ? [copyGrants(pair), grantsAreTheSame([pair])] : []),
            ...touchFunctions(again),
            nothingElseHasChanged,
          ],
        },
      ),
      [checking],
    ),
    written: null,
    aside: [],
  }
}

/** The plain views that read this view, by OID: later plain views may read earlier ones. */
const plainViews = ({ dependents }: LiveView) =>
  dependents.flatMap(({ view }) => (view === null ? [] : [view])).sort((a, b) => a.oid - b.oid)

/**
 * Exchanges the views. The old view gets another name, and the twin gets the old view's. `create or replace`
 * points the plain views that read the old view to the new one, and keeps all that hangs on them; functions and
 * policies follow. Then the old view is dropped, and indexes and statistics get their names. If none of these
 * reads the old view, it is dropped at once.
 */
function exchange({ view: old }: LiveView, wanted: LiveView, aside: AsideNames): Statement[] {
  const { schema, name, owner } = wanted.view
  const rename = (from: ViewName, to: string): Statement =>
    cutOver(`alter materialized view ${quoteName(from)} rename to ${quoteIdentifier(to)}`)
  const views = plainViews(wanted)
  const again = writtenAgain([wanted])
  const isRead = views.length + again.length > 0
  return [
    ...inPlaceOf(old.owner, [
      isRead ? rename(old, aside.old.name) : cutOver(`drop materialized view ${quoteName(old)}`),
    ]),
    ...inPlaceOf(owner, [rename(aside.view, name)]),
    ...views.map(writeViewAgain),
    ...writeObjectsAgain(again),
    ...inPlaceOf(old.owner, isRead ? [cutOver(`drop materialized view ${quoteName(aside.old)}`)] : []),
    ...inPlaceOf(owner, [
      ...wanted.indexes.map((index, at) =>
        cutOver(
          `alter index ${quoteName({ schema, name: aside.index(at) })} rename to ${quoteIdentifier(index.name)}`,
        ),
      ),
    ]),
    ...nameStatistics(wanted, aside),
  ]
}

const cutOver = (sql: string): Statement => ({ kind: 'command', phase: 'cut-over', sql })

const nothingHasChanged = ({ view }: ViewFacts, sql: string, hash: string): Statement => ({
  phase: 'locking',
  sql,
  kind: 'check',
  check: {
    is: hash,
    else: 'CatalogChanged',
    message: `${view}, or something that hangs on it, was altered during the rebuild. Nothing was exchanged: refresh again.`,
  },
  hidden: true,
})

/** Compares the twin with the view: a swap would silently lose what SQL cannot copy. */
const twinIsFaithful = ({ oid, view }: ViewFacts, hash: string, aside: AsideNames): Statement => ({
  phase: 'building',
  sql: differenceQuery(String(oid), literal(hash), regclass(aside.view)),
  kind: 'check',
  check: {
    is: '',
    else: 'SwapImpossible',
    message: `A swap would change ${view}: its twin differs from the view. Use strategy "concurrent" or "regular".`,
    tells: 'They differ in: ',
    letsGo: true,
  },
  hidden: true,
})

/**
 * Refuses a view that names itself in a regclass constant: the twin's constant would name the old view for
 * ever.
 */
const refersToItself = ({ oid, view }: ViewFacts, aside: AsideNames): Statement => ({
  phase: 'building',
  sql: `select count(*)::text from pg_catalog.pg_depend d
 where d.refclassid = 'pg_class'::regclass and d.refobjid = ${oid}
   and (d.objid in (select indexrelid from pg_catalog.pg_index where indrelid = ${regclass(aside.view)})
     or d.objid in (select oid from pg_catalog.pg_statistic_ext where stxrelid = ${regclass(aside.view)})
     or d.objid in (select oid from pg_catalog.pg_rewrite where ev_class = ${regclass(aside.view)}))`,
  kind: 'check',
  check: {
    is: '0',
    else: 'SwapImpossible',
    message: `The definition of ${view}, or of an index on it, refers to the view itself. Use strategy "concurrent" or "regular".`,
  },
  hidden: true,
})
