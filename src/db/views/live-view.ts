import { literal } from '../../plan/names.ts'
import type { LiveView, SwapRights, ViewSnapshot } from '../../plan/views/live-view.ts'
import { hashesOf, liveViewQuery } from '../../plan/views/live-view-query.ts'
import { readableView } from '../../plan/views/server-sql.ts'
import { toSetRole } from '../server/acting.ts'
import type { Sql } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { lookAgain } from '../server/look-again.ts'
import { unlessLocked } from '../server/unless-locked.ts'

/** Why there is no snapshot: somebody holds an exclusive lock, or the view was exchanged or dropped. */
type NoSnapshot = 'locked' | 'gone'

/**
 * Reads a snapshot of a view. One statement reads the live view and its hash, so both are of one moment. The rights are
 * those of `role`, without it our own.
 */
export async function readSnapshot(
  sql: Sql,
  oid: number,
  role: string | null = null,
): Promise<ViewSnapshot | NoSnapshot> {
  const read = () =>
    sql.unsafe<Omit<ViewSnapshot, 'rights'>[]>(
      `select f as live, ${hashesOf('f')} from (${liveViewQuery(String(oid))}) as x(f)`,
    )
  try {
    const rows = await unlessLocked(sql, read)
    if (rows === null) return 'locked'
    const [row] = rows
    return row === undefined
      ? 'gone'
      : { ...row, live: readableView(row.live), rights: await readRights(sql, row.live, role) }
  } catch (error) {
    // XX000: a statement sees the catalog as of its beginning, but deparses definitions as they are now.
    if (sqlstateOf(error) === 'XX000') return 'gone'
    throw error
  }
}

/** A plain view as the catalog has it, by its name as SQL writes it; undefined if nothing has the name. */
export const readLivePlainView = (sql: Sql, view: string): Promise<LiveView | undefined> =>
  lookAgain(async () => {
    const named = `to_regclass(${literal(view)})`
    const [row] = await sql.unsafe<{ live: LiveView }[]>(
      `select f as live from (${liveViewQuery(`${named}::oid`)}) as x(f)`,
    )
    if (row !== undefined) return readableView(row.live)
    // to_regclass knows a relation that was made after the statement began, and the statement does not find it.
    const [now] = await sql.unsafe<[{ exists: boolean }]>(`select ${named} is not null as exists`)
    return now.exists ? 'gone' : undefined
  })

/** What `role`, or by default the login, may do with a live view, or with a view like it. */
export async function readRights(sql: Sql, live: LiveView, role: string | null = null): Promise<SwapRights> {
  const sealers = new Set([
    live.view.owner,
    ...live.dependents.flatMap(({ view, again }) => view?.owner ?? again?.owner ?? []),
  ])
  const roles = new Set([
    ...sealers,
    ...live.statistics.map(({ owner }) => owner),
    ...live.grants.map(({ grantor }) => grantor),
  ])
  const needs = schemaNeeds(live)
  const us = role === null ? sql`current_user` : sql`${role}::name`
  const [row] = await sql`
    select quote_ident(${us}) as role, pg_has_role(${us}, ${live.view.owner}::regrole::oid, 'USAGE') as "inheritsOwner",
           coalesce((select jsonb_agg(distinct n) from jsonb_array_elements(${sql.json(needs as never)}) n
              where not has_schema_privilege((n ->> 'role')::regrole::oid, n ->> 'schema', n ->> 'privilege')), '[]') as lacks,
           to_jsonb(array(select name from jsonb_array_elements_text(${sql.json([...sealers])}) as x(name)
                  where not has_language_privilege(name::regrole::oid, 'plpgsql', 'usage'))) as "mayNotSeal",
           to_jsonb(array(select name from jsonb_array_elements_text(${sql.json([...roles])}) as x(name)
                  where pg_has_role(${us}, name::regrole::oid,
                    ${toSetRole(sql)}))) as "mayActAs"`
  return row as SwapRights
}

/** The privileges that the roles of a swap need on the schemas in which they make something. */
function schemaNeeds({ view, statistics, dependents }: LiveView): SwapRights['lacks'] {
  const both = (role: string, schema: string) =>
    (['usage', 'create'] as const).map((privilege) => ({ role, privilege, schema }))
  return [
    ...both(view.owner, view.schema),
    ...statistics.flatMap(({ schema, owner, target, comment }) => [
      ...both(view.owner, schema).filter(
        ({ privilege }) => privilege === 'create' || target !== null || comment !== null,
      ),
      ...both(owner, schema),
    ]),
    ...dependents
      .map(({ view: plain, again }) => plain ?? again)
      .flatMap((above) =>
        above === null
          ? []
          : [
              ...both(above.owner, above.schema),
              { role: above.owner, privilege: 'usage' as const, schema: view.schema },
            ],
      ),
  ]
}
