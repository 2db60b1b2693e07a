import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { Problem } from '../../problem.ts'
import type { Sql } from '../../server/connect.ts'
import { literal } from '../../sql/names.ts'
import type { Work } from './work.ts'

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
export async function authenticateByPassword(
  work: Work,
  { login, user, password }: { login: string; user: string; password: string },
): Promise<void> {
  const alter = (secret: string) => `alter role ${user} login password ${secret}`
  await work.perform(alter(literal(scramVerifier(password))), alter("'...'"))
  await work.ensure({ sql: `revoke ${iamRole} from ${user}`, holds: `not ${isMember(login)}` })
}

/** Lets a login in with a token of IAM, and takes its password away. `user` is quoted. */
export async function authenticateByIam(
  sql: Sql,
  work: Work,
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

/**
 * Gives the current role a new password. The server receives the verifier of the password. A role may change its own
 * password.
 */
export async function changeOwnPassword(sql: Sql, password: string): Promise<void> {
  await sql.unsafe(`alter role current_user password ${literal(scramVerifier(password))}`)
}
