import { adminsOf, type Fix, roleOf } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { withSavepoint } from '../../server/transactions.ts'
import { literal } from '../../sql/names.ts'

/** A statement, and an SQL condition that is true if the statement is not needed. */
interface Wanted {
  sql: string
  holds: string
  /** The roles that may execute the statement, if we may not. */
  by?: string[]
  /** The role of which the statement makes somebody a member. */
  membership?: string
}

/** What an administrator does in a transaction: only what is needed, and only what the server allows. */
export class Work {
  private readonly sql: Sql
  readonly hasMembershipOptions: boolean
  /** The statements that changed something, in order. */
  readonly done: string[] = []
  /** The statements that this administrator may not execute. */
  readonly refused: Fix[] = []

  private constructor(sql: Sql, hasMembershipOptions: boolean) {
    this.sql = sql
    this.hasMembershipOptions = hasMembershipOptions
  }

  static async in(sql: Sql): Promise<Work> {
    const [server] =
      await sql`select current_setting('server_version_num')::integer >= 160000 as "hasOptions"`
    return new Work(sql, server?.hasOptions)
  }

  /** Executes a statement that has to succeed. `shown` is the statement without its secret. */
  async perform(sql: string, shown = sql): Promise<void> {
    await this.sql.unsafe(sql)
    this.done.push(shown)
  }

  /**
   * Creates a role, unless another set-up does so at the same moment: roles are the server's, and the lock of a set-up is a
   * database's.
   */
  async createRole(role: string): Promise<void> {
    try {
      await withSavepoint(this.sql, (part) => part.unsafe(`create role ${role}`))
      this.done.push(`create role ${role}`)
    } catch (error) {
      if (!existsByNow.includes(sqlstateOf(error) ?? '')) throw error
    }
  }

  /** Executes a statement if it is needed. If the server does not allow it, the statement is refused. */
  async ensure({ sql, holds, by = [], ...ofWhom }: Wanted): Promise<void> {
    if (await this.is(holds)) return
    // A grant by somebody who may not grant can be a mere warning.
    if ((await this.try([sql])) && (await this.is(holds))) this.done.push(sql)
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

/** SQLSTATEs of `create role` for a role that somebody has just created. */
const existsByNow = ['42710', '23505']

/**
 * SQLSTATEs of a statement that the server refuses for what it says: a right is missing (42501), a grant goes in a circle
 * (0LP01), an object is gone or takes no such grant. A lock that is waited for, or a lost connection, is no refusal.
 */
const refusal = /^(0A|0L|42)/
