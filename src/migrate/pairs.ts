import { findView } from '../catalog/db/catalog.ts'
import { readLivePlainView } from '../catalog/db/live-view.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { needsRebuild } from '../catalog/plan/differences.ts'
import type { LiveView, ViewFacts, ViewSnapshot } from '../catalog/plan/live-view.ts'
import { inPlaceOf } from '../catalog/plan/rights.ts'
import { executeStatements } from '../rebuild/db/statements.ts'
import { createStatements, type MadeView, madeBy, sealAll } from '../rebuild/plan/create.ts'
import { asOwner, exclusiveLock } from '../rebuild/plan/locks.ts'
import { readView } from '../record/definitions/look.ts'
import type { Sql } from '../server/database.ts'
import { undone } from '../server/transactions.ts'
import { readSlicing } from '../slices/slices.ts'
import { queryViewOf, quoteName } from '../sql/names.ts'
import type { RunPlan, Statement } from '../sql/run-plan.ts'
import { readMeaning, readShadow, takePath } from '../trial/db/shadows.ts'
import { displayName, type QualifiedName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import { readAllReaders } from './db/trial.ts'
import type { PlannedChange } from './plan/redefine.ts'

/** The plain view of a pair, and the view; of a definition without slices only the view. */
export function splitPair(definition: Definition): { below: MadeView | undefined; view: MadeView } {
  const made = madeBy(definition)
  return { below: made.length === 1 ? undefined : made[0], view: made.at(-1) as MadeView }
}

/**
 * Plans definitions of views that are there as those of the views that they make. A plain view that a pair lacks is made first: in the plan,
 * and for the planning, which undoes it. One that no pair has any more is dropped after the exchange.
 */
export async function withPairs(
  sql: Sql,
  before: Definition[],
  definitions: Definition[],
  plan: (sql: Sql, made: MadeView[]) => Promise<PlannedChange | null>,
): Promise<PlannedChange | null> {
  const made: MadeView[] = []
  const lacking: Statement[] = []
  const gone: ViewFacts[] = []
  const make: ((sql: Sql) => Promise<void>)[] = []
  for (const definition of definitions) {
    const hadSlices = before.some((each) => quoteName(each) === quoteName(definition) && each.slices !== null)
    const { below, view } = splitPair(definition)
    if (below === undefined) {
      const plain = hadSlices ? await findView(sql, queryViewOf(definition), 'v') : undefined
      if (plain !== undefined) gone.push(await insistOnNoOtherReader(sql, plain, definition))
    } else {
      const { owner } = await readView(sql, definition)
      const state = await readBelow(sql, below, owner, hadSlices)
      if (state === 'missing') {
        const statements = inPlaceOf(owner, sealAll(owner, below, createStatements(below)))
        lacking.push(...statements)
        make.push(async (part) => {
          await takePath(part, below)
          await executeStatements(part, statements, true)
        })
      } else if (state === 'other' || definitions.length > 1) made.push(below)
    }
    made.push(view)
  }
  if (lacking.length === 0) return withoutPlain(await plan(sql, made), gone)
  return undone(sql, async (part) => {
    for (const each of make) await each(part)
    const planned = await plan(part, made)
    if (planned === null) return null
    const { prepare } = planned.plan
    return withoutPlain({ ...planned, plan: { ...planned.plan, prepare: [...lacking, ...prepare] } }, gone)
  })
}

/** Whether the plain view of a pair is missing, has its query, or another one. Refuses a view of somebody else that has the name. */
export async function readBelow(
  sql: Sql,
  below: MadeView,
  owner: string,
  isOurs = false,
): Promise<'missing' | 'same' | 'other'> {
  const found = await findView(sql, below, 'v')
  const live = found && (await readLivePlainView(sql, quoteName(below)))
  if (found === undefined || live === undefined) return 'missing'
  if (found.owner === owner) {
    const shadow = await readShadow(sql, below, owner, live)
    if (!needsRebuild(live, shadow)) return 'same'
    if (isOurs) return 'other'
  }
  throw new Problem(
    'MigrationFailed',
    found.owner === owner
      ? `${found.view} is there with another query, and its name is that of the plain view with the query of the slices. Rename it or drop it first.`
      : `${found.view} belongs to ${found.owner}, and has to belong to ${owner}, as the view that shows it: alter view ${found.view} owner to ${owner}`,
  )
}

/** The plain view of a pair, as its definition is planned: with all that its materialized view may. */
export async function readPlain(
  sql: Sql,
  name: QualifiedName,
  until: number,
): Promise<{ view: ViewFacts; snapshot: ViewSnapshot }> {
  const view = (await findView(sql, name, 'v')) as ViewFacts
  const readers = await readAllReaders(sql, [view.oid], until)
  return { view, snapshot: readers.find(({ oid }) => oid === view.oid) as ViewSnapshot }
}

/** A pair as the one view that has its query; null if the view shows no plain view of its own. */
export async function asOneView(
  sql: Sql,
  view: Pick<ViewFacts, 'oid' | 'view' | 'query'>,
  live: LiveView,
): Promise<LiveView | null> {
  const query = queryViewOf(live.view)
  const shown = view.query === null ? (await readSlicing(sql, view))?.shown?.view : displayName(query)
  if (shown !== displayName(query)) return null
  const plain = (await readLivePlainView(sql, quoteName(query))) as LiveView
  const { definition, path } = plain.view
  const meaning = await readMeaning(sql, query)
  return { ...live, view: { ...live.view, definition, path, ...(meaning !== null && { meaning }) } }
}

/** Drops plain views of pairs that are none any more, last, and takes their locks with those of the views. */
export function withoutPlain(planned: PlannedChange | null, gone: ViewFacts[]): PlannedChange | null {
  if (planned === null || gone.length === 0 || planned.does === 'alter') return planned
  const { locked } = planned.plan
  const at = locked.statements.findIndex(({ locksReaders }) => locksReaders)
  const plain = gone.map((view) => ({ ...view, kind: 'view' as const }))
  const statements = [
    ...locked.statements.slice(0, at),
    ...plain.flatMap((view) => asOwner(view, exclusiveLock('view', view))),
    ...locked.statements.slice(at),
    ...plain.flatMap((view) => inPlaceOf(view.owner, [drop(view)])),
  ]
  const plan: RunPlan = { ...planned.plan, locked: { ...locked, statements } }
  return { ...planned, plan }
}

const drop = (view: QualifiedName): Statement => ({
  kind: 'command',
  phase: 'exchange',
  sql: `drop view ${quoteName(view)}`,
})

async function insistOnNoOtherReader(sql: Sql, plain: ViewFacts, view: QualifiedName): Promise<ViewFacts> {
  const readers = await readAllReaders(sql, [plain.oid])
  const others = readers.filter(
    ({ reads, live }) => reads.includes(plain.oid) && quoteName(live.view) !== quoteName(view),
  )
  if (others.length === 0) return plain
  throw new Problem(
    'DependentsExist',
    `${plain.view} goes with the slices of ${displayName(view)}, and these read it: ${others.map(({ live }) => displayName(live.view)).join(', ')}. ` +
      'Let them read something else first.',
  )
}
