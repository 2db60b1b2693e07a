import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { adminsOf, type Fix, roleOf, viewsSuffix } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { withSavepoint } from '../../server/transactions.ts'
import { literal } from '../../sql/names.ts'
import { Problem } from '../../words/problem.ts'

/** The role that owns schema `viewkeeper`, and no view. It cannot log in; logins are its members, and can be replaced. */
export const ownerRole = 'viewkeeper'

/**
 * The role that owns the views that Viewkeeper makes. It has no right on schema `viewkeeper`, because others
 * can run code as this role: the policy of a table runs as the owner of the view that reads the table.
 */
export const viewsRole = `${ownerRole}${viewsSuffix}`

/** The login to make. The server receives the verifier of the password, not the password. */
export interface Login {
  login: string
  /** Null: a login that exists keeps its password. */
  password: string | null
  /** How many connections the login may open. `half`: of the server's. Undefined: half, but a limit that is set stays. */
  connectionLimit?: number | 'half' | undefined
  /** Whether the login has no password and logs in with a token of IAM. Default false. */
  iam?: boolean
}

/**
 * Roles without which everything works: with pg_signal_backend each login can cancel a run of another login; with pg_read_all_stats it sees
 * since when somebody holds a lock, and whether another login still works on a run.
 */
export const besides = ['pg_signal_backend', 'pg_read_all_stats']

/**
 * Makes the roles of Viewkeeper, or brings them up to date: `viewkeeper`, which owns the schema; `viewkeeper_views`,
 * which owns the views that Viewkeeper makes; and a login that is a member of both and may open some of the server's
 * connections. Needs an administrator, but no superuser. Safe to repeat.
 */
export async function makeRoles(
  sql: Sql,
  work: AdministratorWork,
  { login, password, iam, connectionLimit }: Login,
): Promise<void> {
  const [row] = await sql<{ database: string; owner: string; half: number }[]>`
    select quote_ident(datname) as database, datdba::regrole::text as owner, current_setting('max_connections')::integer / 2 as half
      from pg_catalog.pg_database where datname = current_database()`
  const { database, owner, half } = row as NonNullable<typeof row>
  const user = await work.quoted(login)
  for (const role of [ownerRole, viewsRole]) {
    if (!(await roleExists(sql, role))) await work.perform(`create role ${role} nologin`)
  }
  if (!(await roleExists(sql, login))) await work.perform(`create role ${user} login`)
  if (iam) await authenticateByIam(sql, work, { login, user })
  else if (password !== null) await authenticateByPassword(work, { login, user, password })
  // Leaves connections to others, however many functions run at once.
  const limit = typeof connectionLimit === 'number' ? connectionLimit : half
  const isRight = connectionLimit === undefined ? 'rolconnlimit <> -1' : `rolconnlimit = ${limit}`
  await work.ensure({
    sql: `alter role ${user} connection limit ${limit}`,
    holds: `exists (select from pg_catalog.pg_roles where rolname = ${literal(login)} and ${isRight})`,
  })
  await work.member(ownerRole, login)
  await work.member(viewsRole, ownerRole)
  for (const role of besides) await work.member(role, ownerRole)
  for (const [role, privilege] of [
    [ownerRole, 'connect'],
    [ownerRole, 'create'],
    [ownerRole, 'temporary'],
    [viewsRole, 'temporary'],
  ] as const) {
    await work.ensure({
      sql: `grant ${privilege} on database ${database} to ${role}`,
      // Not has_database_privilege: what everybody has by default may be revoked some day.
      holds: `exists (select from pg_catalog.pg_database d, aclexplode(d.datacl) a where d.datname = current_database()
                         and a.grantee = '${role}'::regrole and a.privilege_type = ${literal(privilege.toUpperCase())})`,
      by: [owner],
    })
  }
}

/**
 * Makes `viewkeeper` a member of view owners, but not of a member of its own, and so never of a superuser, who is a member of every role.
 * Returns those of whom it was none, as SQL writes them.
 */
export async function joinOwners(sql: Sql, work: AdministratorWork, owners: string[]): Promise<string[]> {
  const rows = await sql<{ owner: string; written: string }[]>`
    select r.rolname as owner, quote_ident(r.rolname) as written from pg_catalog.pg_roles r
     where r.rolname in (select jsonb_array_elements_text(${sql.json(owners)}))
       and r.rolname <> ${viewsRole} and not pg_has_role(r.oid, ${ownerRole}, 'MEMBER')`
  for (const { owner } of rows) await work.member(owner, ownerRole)
  return rows.map(({ written }) => written)
}

/** Whether a role is there. */
export async function roleExists(sql: Sql, role: string): Promise<boolean> {
  const [found] = await sql`select from pg_catalog.pg_roles where rolname = ${role}`
  return found !== undefined
}

/** Whether a login is a member of role `viewkeeper`; null if there is no such login. */
export async function isOurLogin(sql: Sql, login: string): Promise<boolean | null> {
  const [found] = await sql<{ isOurs: boolean }[]>`
    select exists (select from pg_catalog.pg_auth_members m join pg_catalog.pg_roles k on k.oid = m.roleid
                    where k.rolname = ${ownerRole} and m.member = r.oid) as "isOurs"
      from pg_catalog.pg_roles r where r.rolname = ${login}`
  return found?.isOurs ?? null
}

const iterations = 4096

/**
 * The verifier of a password, as the server itself would make and store it (RFC 5803). A statement with
 * the verifier holds no password, which matters because the server logs a failed statement whole. For
 * passwords in ASCII.
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16)): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${hmac('Server Key').toString('base64')}`
}

/** RDS lets members of this role in with a token of IAM, and with nothing else: their password no longer counts. */
const iamRole = 'rds_iam'

const isMember = (login: string) =>
  `exists (select from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.roleid
            where r.rolname = '${iamRole}' and m.member = (select oid from pg_catalog.pg_roles where rolname = ${literal(login)}))`

/** Gives a login a password, and lets it in with this password even if IAM let it in before. `user` is quoted. */
async function authenticateByPassword(
  work: AdministratorWork,
  { login, user, password }: { login: string; user: string; password: string },
): Promise<void> {
  const alter = (secret: string) => `alter role ${user} login password ${secret}`
  await work.perform(alter(literal(scramVerifier(password))), alter("'...'"))
  await work.ensure({ sql: `revoke ${iamRole} from ${user}`, holds: `not ${isMember(login)}` })
}

/** Lets a login in with a token of IAM, and takes its password away. `user` is quoted. */
async function authenticateByIam(
  sql: Sql,
  work: AdministratorWork,
  { login, user }: { login: string; user: string },
): Promise<void> {
  const [server] = await sql`select from pg_catalog.pg_roles where rolname = ${iamRole}`
  if (server === undefined) {
    throw new Problem(
      'InvalidRequest',
      `The server has no role ${iamRole}: IAM database authentication is switched off, or the server is not on RDS. ` +
        'Nothing was changed. Switch it on (aws rds modify-db-instance --enable-iam-database-authentication), and try again.',
      { field: '--iam' },
    )
  }
  if (await isLetInByIam(sql, login)) return
  await work.member(iamRole, login)
  if (await isLetInByIam(sql, login)) await work.perform(`alter role ${user} password null`)
}

/** Whether RDS lets a login in with a token of IAM, and with nothing else. */
export async function isLetInByIam(sql: Sql, login: string): Promise<boolean> {
  const [row] = await sql.unsafe<[{ holds: boolean }]>(`select ${isMember(login)} as holds`)
  return row.holds
}

/**
 * Whether the current role is a member of rds_iam, directly or through another role. From PostgreSQL 16 on, the
 * creator of a role is a member of it.
 */
export async function hasIam(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ has: boolean }[]>`
    select not rolsuper and exists (select from pg_catalog.pg_roles i where i.rolname = ${iamRole} and pg_has_role(r.oid, i.oid, 'MEMBER')) as has
      from pg_catalog.pg_roles r where rolname = current_user`
  return row?.has ?? false
}

/** A statement, and an SQL condition that is true if the statement is not needed. */
interface Wanted {
  sql: string
  holds: string
  /** The roles that may execute the statement, if we may not. */
  by?: string[]
  /** The role of which the statement makes somebody a member. */
  membership?: string
  /** The owner of what the statement grants, who alone decides. */
  owner?: string
}

/** What an administrator does in a transaction: only what is needed, and only what the server allows. */
export class AdministratorWork {
  private readonly sql: Sql
  readonly hasMembershipOptions: boolean
  /** The roles whose objects this administrator may grant: itself and ours, as SQL writes them. */
  readonly own: string[]
  /** The statements that changed something, in order. */
  readonly done: string[] = []
  /** The statements that this administrator may not execute. */
  readonly refused: Fix[] = []

  private constructor(sql: Sql, hasMembershipOptions: boolean, me: string) {
    this.sql = sql
    this.hasMembershipOptions = hasMembershipOptions
    this.own = [me, ownerRole, viewsRole]
  }

  static async in(sql: Sql): Promise<AdministratorWork> {
    const [server] = await sql<[{ hasOptions: boolean; me: string }]>`
      select current_setting('server_version_num')::integer >= 160000 as "hasOptions", quote_ident(current_user) as me`
    return new AdministratorWork(sql, server.hasOptions, server.me)
  }

  /** Executes a statement that has to succeed. `shown` is the statement without its secret. */
  async perform(sql: string, shown = sql): Promise<void> {
    await this.sql.unsafe(sql)
    this.done.push(shown)
  }

  /** Executes a statement if it is needed. If the server does not allow it, or others decide, the statement is refused. */
  async ensure({ sql, holds, by = [], owner, ...ofWhom }: Wanted): Promise<void> {
    if (await this.is(holds)) return
    const decides = owner === undefined || this.own.includes(owner)
    // A grant by somebody who may not grant can be a mere warning.
    if (decides && (await this.try([sql])) && (await this.is(holds))) this.done.push(sql)
    else this.refused.push({ sql: `${sql};`, grants: true, by, ...ofWhom })
  }

  /** Makes `to` a member of `role`, with all that a membership can allow. */
  async member(role: string, to: string): Promise<void> {
    const quoted = await this.quoted(role)
    const [row] = await this.sql.unsafe<{ by: string[] }[]>(
      `select to_jsonb(${adminsOf(roleOf(quoted))}) as by`,
    )
    const sql = this.membershipGrant(quoted, await this.quoted(to))
    return this.ensure({ sql, holds: this.isMember(role, literal(to)), membership: quoted, ...row })
  }

  /** Writes a name as the server does: quoted only if it must be. */
  async quoted(name: string): Promise<string> {
    const [row] = await this.sql<[{ quoted: string }]>`select quote_ident(${name}) as quoted`
    return row.quoted
  }

  /** Acts with the rights of a role. If we are no member of the role, we are one only for the time of the work. */
  async actingAs(role: string, work: () => Promise<void>): Promise<void> {
    const isMember = await this.is(this.isMember(role, 'current_user'))
    const quoted = await this.quoted(role)
    const becameMember = !isMember && (await this.try([this.membershipGrant(quoted, 'current_user')]))
    await work()
    if (becameMember) await this.sql.unsafe(`revoke ${quoted} from current_user`)
  }

  /** Executes statements, all or none. False if the server does not allow one of them. */
  async try(statements: string[]): Promise<boolean> {
    try {
      await withSavepoint(this.sql, (part) => part.unsafe(statements.join('; ')))
      return true
    } catch (error) {
      if (!refusal.test(sqlstateOf(error) ?? '')) throw error
      return false
    }
  }

  private async is(condition: string): Promise<boolean> {
    const [row] = await this.sql.unsafe<{ holds: boolean }[]>(`select ${condition} as holds`)
    return row?.holds ?? false
  }

  private membershipGrant(role: string, grantee: string): string {
    return `grant ${role} to ${grantee}${this.hasMembershipOptions ? ' with inherit true, set true' : ''}`
  }

  private isMember(role: string, who: string): string {
    const has = (privilege: string) => `pg_has_role(${who}, ${literal(role)}, '${privilege}')`
    return this.hasMembershipOptions ? `${has('USAGE')} and ${has('SET')}` : has('USAGE')
  }
}

/**
 * SQLSTATEs of a statement that the server refuses for what it says: a right is missing (42501), a grant goes in a circle
 * (0LP01), an object is gone or takes no such grant. A lock that is waited for, or a lost connection, is no refusal.
 */
const refusal = /^(0A|0L|42)/
