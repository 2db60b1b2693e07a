import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { Problem } from '../problem.ts'
import type { ConnectionOptions, ConnectionSource } from '../server/connect.ts'
import { readSecret } from './secret.ts'

/**
 * Connection options from `postgres://user:password@host:port/database`. `sslmode` is `verify-full` or
 * `disable`; the default is `disable` for a server on this machine, and `verify-full` for any other.
 * `sslrootcert` names a file of root certificates (PEM), such as the one that RDS offers for download; the
 * default is Node's own root certificates.
 */
export function fromUrl(text: string): ConnectionSource {
  const options = parseUrl(text)
  return async () => options
}

/** The server in DATABASE_URL, or in the file that DATABASE_URL_FILE names; undefined if neither is set. */
export function fromEnvironment(env: NodeJS.ProcessEnv): ConnectionSource | undefined {
  if (env.DATABASE_URL) return fromUrl(env.DATABASE_URL)
  // Read at each connection: a mounted secret may be exchanged at any time.
  return env.DATABASE_URL_FILE ? async () => parseUrl(readSecret('DATABASE_URL', env) ?? '') : undefined
}

function parseUrl(text: string): ConnectionOptions {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw badUrl('it is not a URL')
  }
  if (!['postgres:', 'postgresql:'].includes(url.protocol)) throw badUrl('it does not start with postgres://')
  const twice = [...url.searchParams.keys()].find((name, at, all) => all.indexOf(name) < at)
  if (twice !== undefined) throw badUrl(`it has ${twice} twice, and which one counts is not certain`)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const sslmode = url.searchParams.get('sslmode') ?? (isLoopback(host) ? 'disable' : 'verify-full')
  if (sslmode !== 'disable' && sslmode !== 'verify-full') {
    throw badUrl(
      `sslmode=${sslmode} is neither verify-full nor disable, and no other mode protects the password`,
    )
  }
  const roots = url.searchParams.get('sslrootcert')
  return {
    host,
    port: Number(url.port || 5432),
    database: decoded(url.pathname.slice(1)) || 'postgres',
    user: decoded(url.username) || 'postgres',
    password: decoded(url.password),
    tls:
      sslmode === 'disable'
        ? { verify: false }
        : { verify: true, roots: roots === null ? null : [readRoots(roots)] },
  }
}

function readRoots(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw badUrl(
      `the file ${file}, which sslrootcert names, cannot be read (${(error as NodeJS.ErrnoException).code})`,
    )
  }
}

/** Refuses a stray `%` instead of guessing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw badUrl('a % in it does not begin a percent-encoded character; write %25 for %')
  }
}

/** Whether only this machine can reach the address. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

/** The message does not show the URL, because the URL holds the password. */
const badUrl = (why: string): Problem =>
  new Problem(
    'InvalidRequest',
    `DATABASE_URL cannot be used: ${why}. Write postgres://user:password@host:5432/database.`,
    { field: 'DATABASE_URL' },
  )
