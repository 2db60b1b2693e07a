import type { LiveView, SwapRights, ViewSnapshot } from '../../plan/views/live-view.ts'
import { liveViewQuery } from '../../plan/views/live-view-query.ts'
import { toSetRole } from '../server/acting.ts'
import type { Sql } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { unlessLocked } from '../server/unless-locked.ts'

/** Why the facts cannot be had: somebody holds an exclusive lock on the view, or it has just been exchanged or dropped. */
type NoSnapshot = 'locked' | 'gone'

/** Reads all that hangs on a view. Facts and hash come of one statement, and so of one moment. */
export async function readSnapshot(sql: Sql, oid: number): Promise<ViewSnapshot | NoSnapshot> {
  const ask = () =>
    sql.unsafe<{ live: LiveView; hash: string }[]>(
      `select f as live, md5(f::text) as hash from (${liveViewQuery(String(oid))}) as x(f)`,
    )
  try {
    const rows = await unlessLocked(sql, ask)
    if (rows === null) return 'locked'
    const [row] = rows
    return row === undefined ? 'gone' : { ...row, rights: await readRights(sql, row.live) }
  } catch (error) {
    // XX000: a statement sees the catalog as it was when it began, but writes definitions out as they are.
    if (sqlstateOf(error) === 'XX000') return 'gone'
    throw error
  }
}

async function readRights(sql: Sql, facts: LiveView): Promise<SwapRights> {
  const sealers = new Set([facts.view.owner, ...facts.dependents.flatMap(({ view }) => view?.owner ?? [])])
  const roles = new Set([
    ...sealers,
    ...facts.statistics.map(({ owner }) => owner),
    ...facts.grants.map(({ grantor }) => grantor),
  ])
  const needs = schemaNeeds(facts)
  const [row] = await sql`
    select pg_has_role(${facts.view.owner}::regrole::oid, 'USAGE') as "inheritsOwner",
           coalesce((select jsonb_agg(distinct n) from jsonb_array_elements(${sql.json(needs as never)}) n
              where not has_schema_privilege((n ->> 'role')::regrole::oid, n ->> 'schema', n ->> 'privilege')), '[]') as lacks,
           to_jsonb(array(select name from jsonb_array_elements_text(${sql.json([...sealers])}) as x(name)
                  where not has_language_privilege(name::regrole::oid, 'plpgsql', 'usage'))) as "mayNotSeal",
           to_jsonb(array(select name from jsonb_array_elements_text(${sql.json([...roles])}) as x(name)
                  where pg_has_role(name::regrole::oid,
                    ${toSetRole(sql)}))) as "mayActAs"`
  return row as SwapRights
}

/** What the roles in whose place a swap works have to be allowed in the schemas of what they make. */
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
    ...dependents.flatMap(({ view: above }) =>
      above === null
        ? []
        : [
            ...both(above.owner, above.schema),
            { role: above.owner, privilege: 'usage' as const, schema: view.schema },
          ],
    ),
  ]
}
