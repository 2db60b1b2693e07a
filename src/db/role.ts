import { quoteIdentifier } from '../plan/names.ts'
import type { Sql } from './connect.ts'
import { sqlstateOf } from './failures.ts'

/** Owns schema `viewkeeper`, and cannot log in: login roles are its members, and may come and go. */
export const ownerRole = 'viewkeeper'

/**
 * Makes, or brings up to date, the roles that Viewkeeper works with: `viewkeeper`, which owns its schema, and a login
 * that is a member of it. Asks for an administrator's connection (no superuser needed). `viewOwners` are the roles
 * whose materialized views it is to work on: the login becomes a member of each, through `viewkeeper`, because before
 * PostgreSQL 17 only the owner can refresh a view. Owners that
 * this administrator may not grant come back as `notGranted`. Safe to repeat. The password reaches the server as a literal of a
 * statement: it is never logged by us, and the server logs it only if told to log such statements.
 */
export async function createRole(
  sql: Sql,
  { login, password, viewOwners }: { login: string; password: string; viewOwners: string[] },
): Promise<{ notGranted: string[] }> {
  const notGranted: string[] = []
  await sql.begin(async (transaction) => {
    const step = transaction as unknown as Sql
    // Two administrators at once would both find the role missing.
    await step`select pg_advisory_xact_lock(22135, 0)`
    const [server] = await step`
      select current_setting('server_version_num')::integer as version, current_database() as database`
    const role = quoteIdentifier(ownerRole)
    const user = quoteIdentifier(login)
    const database = quoteIdentifier(server?.database)
    // From 16 on, membership says for each grant whether it is inherited and whether `set role` is allowed.
    const options = server?.version >= 160000 ? ' with inherit true, set true' : ''

    await createIfMissing(step, ownerRole, 'nologin')
    await createIfMissing(step, login, 'login')
    await step.unsafe(`alter role ${user} login password ${literal(password)}`)
    await step.unsafe(`grant ${role} to ${user}${options}`)
    await step.unsafe(`grant connect, create, temporary on database ${database} to ${role}`)
    for (const owner of viewOwners) {
      if (owner === ownerRole) continue
      try {
        await transaction.savepoint((attempt) =>
          attempt.unsafe(`grant ${quoteIdentifier(owner)} to ${role}${options}`),
        )
      } catch (error) {
        if (sqlstateOf(error) !== '42501') throw error
        notGranted.push(owner)
      }
    }
  })
  return { notGranted }
}

/**
 * The roles that own a materialized view of this database, except those in whose place nobody should act without being
 * told to: superusers, and the administrator who asks.
 */
export async function readViewOwners(sql: Sql): Promise<string[]> {
  const rows = await sql<{ owner: string }[]>`
    select distinct r.rolname as owner
      from pg_catalog.pg_class c join pg_catalog.pg_roles r on r.oid = c.relowner
     where c.relkind = 'm' and not r.rolsuper and r.rolname <> current_user order by 1`
  return rows.map(({ owner }) => owner)
}

async function createIfMissing(sql: Sql, role: string, how: 'login' | 'nologin'): Promise<void> {
  const [found] = await sql`select from pg_catalog.pg_roles where rolname = ${role}`
  if (found === undefined) await sql.unsafe(`create role ${quoteIdentifier(role)} ${how}`)
}

const literal = (text: string): string =>
  text.includes('\\')
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`
