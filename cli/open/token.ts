import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A token that nobody can guess, for one run of the proxy. */
export interface Token {
  readonly text: string
  /** Whether this is the token. Takes equally long for every other text. */
  fits(given: unknown): boolean
}

export function createToken(): Token {
  const text = randomBytes(32).toString('base64url')
  const digest = digestOf(text)
  return { text, fits: (given) => typeof given === 'string' && timingSafeEqual(digestOf(given), digest) }
}

/** Digests have one length, which a comparison in constant time needs. */
const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()
