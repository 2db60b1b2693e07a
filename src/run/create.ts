import { findView } from '../catalog/db/catalog.ts'
import { readOwner, readReplacingOwner } from '../catalog/db/owner.ts'
import { dependentsOf } from '../catalog/plan/live-view.ts'
import { planCreate } from '../rebuild/plan/create.ts'
import { type CreatableDefinition, readDefinition } from '../record/definitions/authored.ts'
import { ensureDefinition } from '../record/definitions/definitions.ts'
import { readLiveView } from '../record/definitions/look.ts'
import { readChecking } from '../record/runs/past.ts'
import { type Skipped, skipped } from '../record/runs/skip.ts'
import type { Sql } from '../server/database.ts'
import { quoteName } from '../sql/names.ts'
import { insistOnFreeName } from '../sql/new-names.ts'
import { readSettings } from '../sql/settings.ts'
import { displayName, type QualifiedName, type ViewName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import type { Call, Result } from './call.ts'
import { execute, type OperationTarget, patienceOf } from './execute.ts'
import type { PlannedRun } from './planned-run.ts'

/** A request for a create. */
export interface CreateRequest {
  /** The view's name as SQL reads it, or the id of its definition. */
  view: string
  /** Replaces an existing view, unless something depends on it. Default: the run is skipped instead. */
  force?: boolean | undefined
  /** Fills the view. Default: true. */
  withData?: boolean | undefined
  /** The time limit of the creation, including waits for locks. */
  timeoutSeconds?: number | undefined
}

/** Creates a view from its definition, with its indexes, comment and grants. */
export const create = (request: CreateRequest, call: Call): Promise<Result> =>
  execute({ name: 'create', find, plan }, request, call)

interface CreateTarget extends OperationTarget {
  /** Undefined for a view that nobody has authored. */
  authored: CreatableDefinition | undefined
}

async function find(sql: Sql, name: QualifiedName): Promise<CreateTarget> {
  const [authored, view] = await Promise.all([readDefinition(sql, name), findView(sql, name)])
  if (authored === undefined && view === undefined) throw definitionRequired(name)
  const { id } = authored ?? (await ensureDefinition(sql, name))
  return { definitionId: id, authored }
}

async function plan(
  sql: Sql,
  name: QualifiedName,
  { authored }: CreateTarget,
  request: CreateRequest,
  call: Call,
): Promise<PlannedRun | Skipped> {
  const view = await findView(sql, name)
  if (view !== undefined && !request.force) return skipped('the view exists already')
  if (!authored?.sql) throw definitionRequired(name)
  insistOnFreeName(name)
  if (authored.storage === 'table')
    throw new Problem(
      'InvalidRequest',
      `${displayName(name)} is made with a plain view of its query: npx viewkeeper migrate up --repair makes both if they are missing.`,
      { field: 'view' },
    )
  const timeoutSeconds = request.timeoutSeconds ?? authored.timeoutSeconds
  const live = view && (await readLiveView(sql, view, patienceOf(call, timeoutSeconds))).snapshot.live
  const plan = planCreate(
    { ...authored, sql: authored.sql },
    {
      withData: request.withData ?? true,
      timeoutSeconds,
      settings: readSettings(quoteName(name), authored.settings),
      checking: await readChecking(sql, authored),
      owner: await (live === undefined
        ? readOwner(sql, authored.owner)
        : readReplacingOwner(sql, authored.owner, live.view.owner)),
      replaces: view && live ? { ...view, dependents: dependentsOf(live) } : null,
    },
  )
  return { plan, timeoutSeconds, response: {} }
}

const definitionRequired = (name: ViewName): Problem =>
  new Problem(
    'DefinitionRequired',
    `${displayName(name)} cannot be created: nobody has authored it, so its query is unknown. ` +
      'Author it: viewkeeper new writes its file. A view made by hand can be refreshed without being authored.',
    { field: 'view' },
  )
