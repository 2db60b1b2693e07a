import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

// A token is `vk_<id>_<secret>`. The id finds its row; only the digest of the whole token is kept.

const form = /^vk_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/

/** A new token, with 256 random bits. */
export function makeToken(): { id: string; token: string; digest: Buffer } {
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
