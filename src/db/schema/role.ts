import { literal, quoteIdentifier } from '../../plan/names.ts'
import { viewsSuffix } from '../server/acting.ts'
import { type Sql, withSavepoint } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { scramVerifier } from './scram.ts'
import { settingUp } from './setting-up.ts'

/** The role that owns schema `viewkeeper`, and no view. It cannot log in; logins are its members, and can be replaced. */
export const ownerRole = 'viewkeeper'

/**
 * The role that owns the views that Viewkeeper makes. It has no right on schema `viewkeeper`, because others
 * can run code as this role: the policy of a table runs as the owner of the view that reads the table.
 */
export const viewsRole = `${ownerRole}${viewsSuffix}`

/**
 * Makes the roles of Viewkeeper, or brings them up to date: `viewkeeper`, which owns the schema;
 * `viewkeeper_views`, which owns the views that Viewkeeper makes; and a login that is a member of both and
 * may open half of the server's connections. Needs an administrator's connection, but no superuser.
 * `viewOwners` are the roles that own the views to work on: the login becomes a member of each, through
 * `viewkeeper`, because before PostgreSQL 17 only the owner can refresh a view. Safe to repeat. `notGranted`
 * lists the roles that could not be granted: this administrator may not grant them, or they are members of
 * `viewkeeper`. The server receives the verifier of the password, not the password.
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
    // From 16 on, each grant of a membership says whether it is inherited and whether it allows `set role`.
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
    // With pg_signal_backend each login can cancel a run of another login.
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

/** SQLSTATEs of a grant that this administrator may not make, and of a grant in a circle. */
const notAllowed = ['42501', '0LP01']

/** The roles that own views: those whose views Viewkeeper works on, and the others. */
export interface ViewOwners {
  owners: string[]
  /**
   * Superusers and this administrator: Viewkeeper acts as them only if somebody names them. And members of `viewkeeper`,
   * because `viewkeeper` cannot be a member of its own member.
   */
  leftOut: string[]
}

/** The roles that own a view of this database, without the roles of Viewkeeper. */
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

/** Leaves half of the server's connections to others, however many functions run at once. Keeps a limit that is set. */
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
