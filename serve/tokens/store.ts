import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { PolicyName } from '../../src/api/route.ts'
import { Problem } from '../../src/problem.ts'
import type { Sql } from '../../src/server/database.ts'

// A token is `vk_<id>_<secret>`. The id finds its row; only the digest of the whole token is kept.

const form = /^vk_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/

/** A new token, with 256 random bits. */
function makeToken(): { id: string; token: string; digest: Buffer } {
  const id = randomBytes(8).toString('hex')
  const token = `vk_${id}_${randomBytes(32).toString('base64url')}`
  return { id, token, digest: digestOf(token) }
}

/** The SHA-256 of a token. */
export const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** The id of what looks like a token; null for anything else. */
export const idOf = (token: string): string | null => form.exec(token)?.[1] ?? null

/** Compares digests in constant time. A token that nobody knows takes as long as a wrong one. */
export const isSame = (digest: Buffer, known: Uint8Array | undefined): boolean =>
  timingSafeEqual(digest, known ?? Buffer.alloc(digest.length)) && known !== undefined

/** The token of the one header `Authorization: Bearer <token>`; null if there is none, another, or a second one. */
export const bearerOf = ([header, ...more]: readonly string[]): string | null =>
  more.length > 0 ? null : (/^Bearer +(\S{1,200})$/i.exec(header ?? '')?.[1] ?? null)

/** A token as people see it. */
export interface KnownToken {
  name: string
  may: PolicyName
  createdAt: Date
  createdBy: string
  /** Null: it has no end. */
  expiresAt: Date | null
  expired: boolean
  lastUsedAt: Date | null
}

/** Notes a new token, and returns it: nobody can read it again. Refuses (InvalidRequest) a name that another token has. */
export async function createToken(
  sql: Sql,
  { name, may, days, by }: { name: string; may: PolicyName; days: number | null; by: string },
): Promise<string> {
  if (!/^[\x20-\x7e]{1,100}$/.test(name))
    throw new Problem('InvalidRequest', 'The name of a token must have 1 to 100 ASCII characters.', {
      field: '--name',
    })
  const { id, token, digest } = makeToken()
  const { count } = await sql`
    insert into viewkeeper.tokens (id, name, may, digest, created_by, expires_at)
    values (${id}, ${name}, ${may}, ${digest}, ${by}, clock_timestamp() + make_interval(days => ${days}))
    on conflict (name) where revoked_at is null do nothing`
  if (count > 0) return token
  throw new Problem(
    'InvalidRequest',
    `There is a token ${name} already. Choose another name, or end that token: viewkeeper token revoke ${JSON.stringify(name)}`,
    { field: '--name' },
  )
}

/** The tokens that nobody has revoked, by name. */
export const listTokens = (sql: Sql): Promise<KnownToken[]> => sql<KnownToken[]>`
  select name, may, created_at as "createdAt", created_by as "createdBy", expires_at as "expiresAt",
         coalesce(expires_at <= clock_timestamp(), false) as expired, last_used_at as "lastUsedAt"
    from viewkeeper.tokens where revoked_at is null order by name`

/** Ends a token. False: there is none of this name. */
export async function revokeToken(sql: Sql, name: string): Promise<boolean> {
  const { count } = await sql`
    update viewkeeper.tokens set revoked_at = clock_timestamp() where name = ${name} and revoked_at is null`
  return count > 0
}

/** A row to compare a token with. */
interface StoredToken {
  name: string
  may: PolicyName
  digest: Uint8Array
  /** By the clock of the database. */
  expired: boolean
  /** Whether the last use was noted less than a minute ago. */
  noted: boolean
}

/** The token with this id, unless it is revoked. */
export async function findToken(sql: Sql, id: string): Promise<StoredToken | undefined> {
  const [row] = await sql<StoredToken[]>`
    select name, may, digest, coalesce(expires_at <= clock_timestamp(), false) as expired,
           coalesce(last_used_at > clock_timestamp() - interval '1 minute', false) as noted
      from viewkeeper.tokens where id = ${id} and revoked_at is null`
  return row
}

/** Notes that a token was used, at most once a minute, whichever copies let it in. */
export async function noteUse(sql: Sql, id: string): Promise<void> {
  await sql`
    update viewkeeper.tokens set last_used_at = clock_timestamp()
     where id = ${id} and (last_used_at > clock_timestamp() - interval '1 minute') is not true`
}
