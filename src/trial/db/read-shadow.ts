import { shadowKey } from '../../catalog/db/catalog.ts'
import type { Definition, ViewDefinition } from '../../catalog/plan/definition.ts'
import type { LiveView, ViewKind } from '../../catalog/plan/live-view.ts'
import { liveViewQuery } from '../../catalog/plan/live-view-query.ts'
import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { readableView } from '../../catalog/plan/server-sql.ts'
import { meaningQuery } from '../../catalog/plan/tree/normal-form.ts'
import { executeStatements } from '../../rebuild/db/statements.ts'
import { createNames, createStatements, sealAll } from '../../rebuild/plan/create.ts'
import { setting } from '../../rebuild/plan/locks.ts'
import { fill, makeShadow } from '../../rebuild/plan/make.ts'
import { type Member, type Rebuild, wantedOf } from '../../rebuild/plan/scope.ts'
import type { Sql } from '../../server/database.ts'
import { undone } from '../../server/transactions.ts'
import { withoutLooks } from '../../sql/backups.ts'
import { literal, queryViewOf, quoteName } from '../../sql/names.ts'
import type { RunPlan, Statement } from '../../sql/run-plan.ts'
import { rolePathSetting } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'

/**
 * The live view that this server makes of a definition: an empty shadow is created beside the real view, described, and
 * undone. The indexes have the names of the definition. If the shadow has the same query as `live`, the query's text is that
 * of `live`. Throws StatementRefused.
 */
export async function readShadow(
  sql: Sql,
  definition: Authored,
  owner: string,
  live?: LiveView,
): Promise<LiveView> {
  const shadow = await describeShadow(sql, definition, owner)
  return live === undefined ? shadow : withTextOf(sql, shadow, live)
}

/** The shadow with the text of the live view's query if both mean the same; a text that means something else is never the same. */
export async function withTextOf(sql: Sql, shadow: LiveView, live: LiveView): Promise<LiveView> {
  const { definition: text } = live.view
  const { definition: read } = shadow.view
  const definition = (await isSameQuery(sql, shadow, live))
    ? text
    : read === text
      ? `${text} /* with other operators */`
      : read
  return { ...shadow, view: { ...shadow.view, definition } }
}

/** Whether a shadow has the query of a view that is there. What a column is called is not in the tree's normal form. */
export async function isSameQuery(sql: Sql, shadow: LiveView, { view, columns }: LiveView): Promise<boolean> {
  const names = shadow.columns.map(({ name }) => name).join('\n')
  return (
    names === columns.map(({ name }) => name).join('\n') &&
    shadow.view.meaning === (view.meaning ?? (await readMeaning(sql, view)))
  )
}

/** The hash of what the query of a view means: see `meaningQuery`. That of an incremental table is the query of the plain view beside it. */
export async function readMeaning(
  sql: Sql,
  view: QualifiedName & { kind?: ViewKind },
): Promise<string | null> {
  const oid = `to_regclass(${literal(quoteName(view.kind === 'table' ? queryViewOf(view) : view))})::oid`
  const [row] = await sql.unsafe<{ meaning: string | null }[]>(`select (${meaningQuery(oid)}) as meaning`)
  return row?.meaning ?? null
}

/**
 * The live view that this server makes of a definition: an empty one is created beside the real view, described, and undone.
 * `onPath` changes the search path on which the query finds its names; `nameOf` writes the names of views in what it means.
 */
export const describeShadow = (
  sql: Sql,
  definition: Authored,
  owner: string,
  onPath?: (path: string) => string,
  nameOf?: string,
): Promise<LiveView> =>
  undone(sql, async (part) => {
    const names = createNames(shadowKey(0), definition)
    const shadow = quoteName({ schema: definition.schema, name: names.view })
    // The query of an incremental table is that of a view.
    const { kind = 'materialized view' } = definition
    const made = { ...definition, ...(kind === 'table' && { kind: 'materialized view' as const }) }
    const statements = sealAll(owner, definition, createStatements(made, names))
    const [create, ...others] = statements as [Statement, ...Statement[]]
    await takePath(part, definition)
    await executeStatements(
      part,
      inPlaceOf(owner, [create, withoutDefaultGrants(shadow), ...others]),
      true,
      onPath,
    )
    const oid = `${literal(shadow)}::regclass::oid`
    const [row] = await part.unsafe<{ live: LiveView; meaning: string }[]>(
      liveViewQuery(oid, `live, (${meaningQuery(oid, nameOf)}) as meaning`),
    )
    const { live: found, meaning } = row as { live: LiveView; meaning: string }
    const live = readableView({ ...found, view: { ...found.view, kind, meaning } })
    const named = new Map(definition.indexes.map(({ name }, at) => [names.index(at), name]))
    return {
      ...live,
      indexes: live.indexes.map((index) => ({ ...index, name: named.get(index.name) as string })),
    }
  })

/** A definition as far as it makes a view. */
export type Authored = ViewDefinition & { kind?: ViewKind } & Partial<Pick<Definition, 'settings'>>

/** Takes the search path of a definition for its own SQL, for the current transaction. */
export async function takePath(
  sql: Sql,
  { settings: { search_path: path } = {} }: Partial<Pick<Definition, 'settings'>>,
): Promise<void> {
  if (path !== undefined) await applySettings(sql, { [rolePathSetting]: path })
}

/** Applies the settings of a definition, for the current transaction. Throws StatementRefused. */
export const applySettings = (sql: Sql, settings: Record<string, string>): Promise<void> =>
  executeStatements(
    sql,
    Object.entries(settings).map(([name, value]) => setting(name, value)),
    false,
  )

/**
 * Performs a plan that fills no view, statement by statement, in the current transaction, whose settings are as before then. Throws
 * StatementRefused.
 */
export async function performPlan(sql: Sql, { settings, prepare, locked }: RunPlan): Promise<void> {
  const [row] = await sql<[{ before: Record<string, string> }]>`
    select jsonb_object_agg(name, current_setting(name)) as before from jsonb_array_elements_text(${sql.json([rolePathSetting, ...Object.keys(settings)])}) n(name)`
  await applySettings(sql, settings)
  await executeStatements(sql, [...prepare, ...withoutLooks(locked.statements)], false)
  await applySettings(sql, row.before)
}

/** Revokes what default privileges have granted on the new view: only the author's grants are to remain. */
const withoutDefaultGrants = (view: string): Statement => ({
  kind: 'command',
  phase: 'building',
  sql: `do ${literal(`declare grantee text;
begin
  for grantee in
    select distinct case e.grantee when 0 then 'public' else e.grantee::regrole::text end
      from pg_catalog.pg_class c, aclexplode(c.relacl) e where c.oid = ${literal(view)}::regclass and e.grantee <> c.relowner
  loop
    execute format('revoke all on %s from %s', ${literal(view)}, grantee);
  end loop;
end`)}`,
  hidden: true,
})

/** What a trial of shadows has found. */
interface Trial<Why> {
  misfits: { member: Member; because: Why }[]
  /** The members that read a misfit, directly or through others. */
  untried: Member[]
}

/**
 * Tries the shadows of members, parents first, in a place that is made: each by `attempt`, which returns why one does not fit,
 * or null if it does. Execute in a transaction that is undone.
 */
export async function tryShadows<Why>(
  members: Member[],
  readsOf: (member: Member) => number[],
  attempt: (member: Member) => Promise<Why | null>,
): Promise<Trial<Why>> {
  const trial: Trial<Why> = { misfits: [], untried: [] }
  const unfit = new Set<number>()
  for (const member of members) {
    const isUntried = readsOf(member).some((read) => unfit.has(read))
    const because = isUntried ? null : await attempt(member)
    if (isUntried) trial.untried.push(member)
    if (because !== null) trial.misfits.push({ member, because })
    if (isUntried || because !== null) unfit.add(member.oid)
  }
  return trial
}

/**
 * Makes one shadow, and fills it if that is wanted; if it fails, nothing of the shadow is left. Statistics objects stay out: they
 * stand in the schema of the view, where a refresh that is running may build some of the same name. Throws StatementRefused.
 */
export function tryShadow(sql: Sql, rebuild: Rebuild, member: Member, isFilled = false): Promise<void> {
  const bare = { ...member, wanted: { ...wantedOf(member), statistics: [] } }
  const statements = [...makeShadow(rebuild, bare), ...(isFilled ? fill(rebuild, bare) : [])]
  return executeStatements(sql, statements, false)
}
