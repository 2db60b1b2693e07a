import type { Sql } from '../../server/database.ts'

/** A token as people see it. */
export interface KnownToken {
  name: string
  may: string
  createdAt: Date
  createdBy: string
  /** Null: it has no end. */
  expiresAt: Date | null
  expired: boolean
  lastUsedAt: Date | null
}

/** Notes a new token. False: there is one of this name that nobody has revoked. */
export async function insertToken(
  sql: Sql,
  token: { id: string; name: string; may: string; digest: Buffer; by: string; days: number | null },
): Promise<boolean> {
  const { id, name, may, digest, by, days } = token
  const { count } = await sql`
    insert into viewkeeper.tokens (id, name, may, digest, created_by, expires_at)
    values (${id}, ${name}, ${may}, ${digest}, ${by}, clock_timestamp() + make_interval(days => ${days}))
    on conflict (name) where revoked_at is null do nothing`
  return count > 0
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
interface StoredToken<May extends string> {
  name: string
  may: May
  digest: Uint8Array
  /** By the clock of the database. */
  expired: boolean
  /** Whether the last use was noted less than a minute ago. */
  noted: boolean
}

/** The token with this id, unless it is revoked. */
export async function findToken<May extends string>(
  sql: Sql,
  id: string,
): Promise<StoredToken<May> | undefined> {
  const [row] = await sql<StoredToken<May>[]>`
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
