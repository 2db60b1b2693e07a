import type { Sql } from '../../server/connect.ts'
import { type Obstacle, obstaclesQuery, type Requirement } from '../plan/rights.ts'

/** What requirements find, with the fixes, for the login. */
export async function readObstacles(sql: Sql, requirements: Requirement[]): Promise<Obstacle[]> {
  if (requirements.length === 0) return []
  const [row] = await sql.unsafe<{ obstacles: Obstacle[] }[]>(obstaclesQuery(requirements))
  return row?.obstacles ?? []
}

/**
 * The role, as the catalog has it, that Viewkeeper works as in this database: the owner of its schema, or role
 * `viewkeeper` if that role may make the schema. Null if there is no such role, or only a superuser.
 */
export async function readWorker(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ role: string }[]>`
    select r.rolname as role from pg_catalog.pg_roles r left join pg_catalog.pg_namespace n on n.nspname = 'viewkeeper'
     where not r.rolsuper
       and (r.oid = n.nspowner
            or n.oid is null and r.rolname = 'viewkeeper' and has_database_privilege(r.oid, current_database(), 'create'))`
  return row?.role ?? null
}
