import { literal, quoteIdentifier } from '../../plan/names.ts'
import { viewsSuffix } from '../server/acting.ts'
import { type Sql, withSavepoint } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { scramVerifier } from './scram.ts'
import { settingUp } from './setting-up.ts'

/** Owns schema `viewkeeper` and no view, and cannot log in: login roles are its members, and may come and go. */
export const ownerRole = 'viewkeeper'

/**
 * Owns the views that Viewkeeper makes, and has no right on schema `viewkeeper`: whose table has a policy runs code as the
 * owner of the view that reads it.
 */
export const viewsRole = `${ownerRole}${viewsSuffix}`

/**
 * Makes, or brings up to date, the roles that Viewkeeper works with: `viewkeeper`, which owns its schema,
 * `viewkeeper_views`, which is to own the views that it makes, and a login that is a member of both and may open half of
 * the server's connections. Asks for an administrator's connection (no superuser needed). `viewOwners` are the roles
 * whose materialized views it is to work on: the login becomes a member of each, through `viewkeeper`, because before
 * PostgreSQL 17 only the owner can refresh a view. Safe to repeat. What this administrator may not grant, and what is a
 * member of `viewkeeper` itself, comes back as `notGranted`. The password does not reach the server, only its verifier.
 */
export async function createRole(
  sql: Sql,
  { login, password, viewOwners }: { login: string; password: string; viewOwners: string[] },
): Promise<{ notGranted: string[] }> {
  const notGranted: string[] = []
  await settingUp(sql, async (transaction) => {
    const [server] = await transaction`
      select current_setting('server_version_num')::integer as version, current_database() as database`
    const role = quoteIdentifier(ownerRole)
    const user = quoteIdentifier(login)
    const database = quoteIdentifier(server?.database)
    // From 16 on, membership says for each grant whether it is inherited and whether `set role` is allowed.
    const options = server?.version >= 160000 ? ' with inherit true, set true' : ''

    await createIfMissing(transaction, ownerRole, 'nologin')
    await createIfMissing(transaction, viewsRole, 'nologin')
    await createIfMissing(transaction, login, 'login')
    await transaction.unsafe(`alter role ${user} login password ${literal(scramVerifier(password))}`)
    await limitConnections(transaction, login)
    await transaction.unsafe(`grant ${role} to ${user}${options}`)
    await transaction.unsafe(`grant connect, create, temporary on database ${database} to ${role}`)
    await transaction.unsafe(`grant temporary on database ${database} to ${viewsRole}`)
    await transaction.unsafe(`grant ${viewsRole} to ${role}${options}`)
    // With pg_signal_backend either of two logins can cancel what the other has started.
    for (const granted of [
      ...viewOwners.filter((owner) => owner !== ownerRole && owner !== viewsRole),
      'pg_signal_backend',
    ]) {
      try {
        await withSavepoint(transaction, (part) =>
          part.unsafe(`grant ${quoteIdentifier(granted)} to ${role}${options}`),
        )
      } catch (error) {
        if (!notAllowed.includes(sqlstateOf(error) ?? '')) throw error
        notGranted.push(granted)
      }
    }
  })
  return { notGranted }
}

/** Not ours to grant; and a grant in a circle. */
const notAllowed = ['42501', '0LP01']

/** Whose views Viewkeeper is to work on, and whose it is not, though they have some. */
export interface ViewOwners {
  owners: string[]
  /**
   * Superusers and the administrator who asks: nobody should act in their place without being told to. And members of
   * `viewkeeper`, of which it cannot be a member in turn.
   */
  leftOut: string[]
}

/** The roles that own a materialized view of this database, but for Viewkeeper's own. */
export async function readViewOwners(sql: Sql): Promise<ViewOwners> {
  const rows = await sql<{ owner: string; stays: boolean }[]>`
    select distinct r.rolname as owner,
           r.rolsuper or r.rolname = current_user or coalesce(pg_has_role(r.oid, keeper.oid, 'MEMBER'), false) as stays
      from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner
           left join pg_catalog.pg_roles keeper on keeper.rolname = ${ownerRole}
     where c.relkind = 'm' and r.rolname not in (${ownerRole}, ${viewsRole}) order by 1`
  const named = (stays: boolean) => rows.filter((row) => row.stays === stays).map(({ owner }) => owner)
  return { owners: named(false), leftOut: named(true) }
}

/** However many functions run at once, half of the server's connections are left for others. A limit that somebody has set stays. */
async function limitConnections(sql: Sql, login: string): Promise<void> {
  const [row] = await sql<{ limit: number }[]>`
    select current_setting('max_connections')::integer / 2 as limit
      from pg_catalog.pg_roles where rolname = ${login} and rolconnlimit = -1`
  if (row !== undefined)
    await sql.unsafe(`alter role ${quoteIdentifier(login)} connection limit ${row.limit}`)
}

async function createIfMissing(sql: Sql, role: string, how: 'login' | 'nologin'): Promise<void> {
  const [found] = await sql`select from pg_catalog.pg_roles where rolname = ${role}`
  if (found === undefined) await sql.unsafe(`create role ${quoteIdentifier(role)} ${how}`)
}
