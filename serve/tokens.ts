import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { includes, type PolicyName } from '../src/api/route.ts'
import { findToken, insertToken, noteUse } from '../src/record/tokens/tokens.ts'
import type { Database, Sql } from '../src/server/database.ts'
import { Problem } from '../src/words/problem.ts'

/** Whose token a request has, and what it may. */
interface TokenHolder {
  name: string
  may: PolicyName
}

/** Lets requests in by their tokens. */
export interface Doorkeeper {
  /**
   * The caller of a request with these `Authorization` headers (`request.headersDistinct.authorization`). Refuses one without a
   * token that is valid now (Unauthenticated), one whose token allows less than is needed (NotAllowed), and one from an address
   * that sends too many bad tokens (TooManyRefusals). With `orBefore`, a token that was valid when the database last answered lets
   * in while it is away.
   */
  authorize(
    headers: readonly string[] | undefined,
    needed: PolicyName,
    address: string,
    orBefore?: boolean,
  ): Promise<TokenHolder>
}

/** So long a token that was found valid is not looked up again: after it is revoked, it is let in no longer than this. */
const freshMs = 5000
/** So many bad tokens of one address are looked up in a minute. */
const mostRefusals = 20
const windowMs = 60_000
const mostRemembered = 1000

interface Remembered {
  at: number
  answer: Promise<TokenHolder | null>
}

/**
 * A doorkeeper that looks tokens up in the database: one connection for as many requests with the same token as come within
 * some seconds. A token that was valid a moment ago is not refused for the sake of bad ones from its address, which may be
 * that of a proxy. What is remembered has a limit, and the clock of the machine no part in it: somebody may set it back.
 */
export function makeDoorkeeper(database: Database, now = () => performance.now()): Doorkeeper {
  const known = new Map<string, Remembered>()
  const refusals = new Map<string, { since: number; count: number }>()

  const lookUp = (id: string, digest: Buffer) =>
    database.withConnection(async (sql): Promise<TokenHolder | null> => {
      const found = await findToken<PolicyName>(sql, id)
      if (!isSame(digest, found?.digest) || found === undefined || found.expired) return null
      if (!found.noted) await noteUse(sql, id)
      return { name: found.name, may: found.may }
    })

  const callerOf = async (
    token: string,
    id: string,
    address: string,
    orBefore: boolean,
  ): Promise<TokenHolder | null> => {
    const digest = digestOf(token)
    const key = digest.toString('base64')
    const before = known.get(key)
    if (before !== undefined && now() - before.at < freshMs) return before.answer
    // Counted before it is looked up: many at one moment are many, too.
    if (before === undefined) count(address, 1)
    const answer = lookUp(id, digest)
    remember(known, key, { at: now(), answer })
    let isRefused = false
    try {
      const caller = await answer
      isRefused = caller === null
      if (isRefused) known.delete(key)
      return caller
    } catch (error) {
      // The database is away: the next request asks it again.
      if (before === undefined) known.delete(key)
      else {
        known.set(key, { at: Number.NEGATIVE_INFINITY, answer: before.answer })
        if (orBefore) return before.answer
      }
      // Its message may name the login and the server, and nobody knows yet who asks.
      throw new Problem(
        error instanceof Problem ? error.code : 'InternalError',
        'The token cannot be looked up in the database now. Try again in some seconds; viewkeeper doctor says what is wrong.',
      )
    } finally {
      if (before === undefined && !isRefused) count(address, -1)
    }
  }

  const count = (address: string, by: 1 | -1) => {
    const before = refusals.get(address)
    const current =
      before !== undefined && now() - before.since < windowMs ? before : { since: now(), count: 0 }
    if (by > 0 && current.count >= mostRefusals)
      throw new Problem(
        'TooManyRefusals',
        `This address has sent ${mostRefusals} tokens within a minute that are not valid. Check the token of your program, and wait a minute.`,
      )
    remember(refusals, address, { ...current, count: Math.max(0, current.count + by) })
  }

  return {
    async authorize(headers = [], needed, address, orBefore = false) {
      const token = bearerOf(headers)
      if (token === null)
        throw new Problem(
          'Unauthenticated',
          `A token is needed: send one header "Authorization: Bearer <token>". Make a token with: ${makes(needed)}`,
        )
      const id = idOf(token)
      if (id === null) count(address, 1)
      const caller = id === null ? null : await callerOf(token, id, address, orBefore)
      if (caller === null)
        throw new Problem(
          'Unauthenticated',
          'The token is not valid: it is mistyped, expired or revoked. List the tokens with: viewkeeper token ls',
        )
      if (includes(caller.may, needed)) return caller
      throw new Problem(
        'NotAllowed',
        `Token ${caller.name} may ${caller.may}, and this needs ${needed}. Make another with: ${makes(needed)}`,
      )
    },
  }
}

/** The command that makes a token that may do this. */
const makes = (may: PolicyName): string => `viewkeeper token create --name '<name>' --may ${may}`

/** Remembers a value as the newest, and forgets the oldest above the limit. */
function remember<Value>(values: Map<string, Value>, key: string, value: Value): void {
  values.delete(key)
  values.set(key, value)
  if (values.size > mostRemembered) values.delete(values.keys().next().value as string)
}

// A token is `vk_<id>_<secret>`. The id finds its row; only the digest of the whole token is kept.

const form = /^vk_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/

/** A new token, with 256 random bits. */
function makeToken(): { id: string; token: string; digest: Buffer } {
  const id = randomBytes(8).toString('hex')
  const token = `vk_${id}_${randomBytes(32).toString('base64url')}`
  return { id, token, digest: digestOf(token) }
}

/** The SHA-256 of a token. */
const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** The id of what looks like a token; null for anything else. */
const idOf = (token: string): string | null => form.exec(token)?.[1] ?? null

/** Compares digests in constant time. A token that nobody knows takes as long as a wrong one. */
const isSame = (digest: Buffer, known: Uint8Array | undefined): boolean =>
  timingSafeEqual(digest, known ?? Buffer.alloc(digest.length)) && known !== undefined

/** The token of the one header `Authorization: Bearer <token>`; null if there is none, another, or a second one. */
const bearerOf = ([header, ...more]: readonly string[]): string | null =>
  more.length > 0 ? null : (/^Bearer +(\S{1,200})$/i.exec(header ?? '')?.[1] ?? null)

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
  if (await insertToken(sql, { id, name, may, digest, by, days })) return token
  throw new Problem(
    'InvalidRequest',
    `There is a token ${name} already. Choose another name, or end that token: viewkeeper token revoke ${JSON.stringify(name)}`,
    { field: '--name' },
  )
}
