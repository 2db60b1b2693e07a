import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { SecretsProvider } from '@aws-lambda-powertools/parameters/secrets'
import * as z from 'zod'
import type { Retention } from '../../db/monitoring/prune.ts'
import {
  type ConnectionOptions,
  type ConnectionSource,
  connectTo,
  type Database,
} from '../../db/server/connect.ts'
import type { Schedules } from '../../operations/monitoring/schedules.ts'
import { Problem } from '../../problem.ts'

/** A rotated secret is fetched again when the server refuses the old one; this only bounds how long it is kept. */
const secretMaxAgeSeconds = 3600

/** Without time-outs of its own, a missing endpoint or rule would show as a function that hangs, and say nothing. */
const secrets = new SecretsProvider({
  clientConfig: { maxAttempts: 2, requestHandler: { connectionTimeout: 2000, requestTimeout: 4000 } },
})

/** What a secret may carry: RDS's own has only the first two, CDK's all. What it says wins over the environment. */
const secretShape = z.object({
  username: z.string().min(1),
  password: z.string().min(1),
  host: z.string().optional(),
  port: z.coerce.number().optional(),
  dbname: z.string().optional(),
})

/**
 * The database that the environment variables name: `DATABASE_URL`, or `DATABASE_SECRET_ARN` and its companions, whose login must
 * not be a superuser.
 */
export function databaseFromEnvironment(env: NodeJS.ProcessEnv = process.env): Database {
  return env.DATABASE_URL === undefined
    ? connectTo(fromSecret(env, env.DATABASE_SECRET_ARN), { superuser: 'refused' })
    : connectTo(fromUrl(env.DATABASE_URL))
}

/** The administrator's way in, on the database that the stack made; undefined on any other. */
export const adminDatabaseFromEnvironment = (env: NodeJS.ProcessEnv = process.env): Database | undefined =>
  env.DATABASE_ADMIN_SECRET_ARN === undefined
    ? undefined
    : connectTo(fromSecret(env, env.DATABASE_ADMIN_SECRET_ARN))

/** The login that Viewkeeper works with, as the secret has it: for the one who creates that role. */
export async function workingLogin(
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ login: string; password: string }> {
  const { user, password } = await fromSecret(env, env.DATABASE_SECRET_ARN)({ fresh: true })
  return { login: user, password }
}

/** What refreshes views by the clock in this environment: by `NIGHTLY_SCHEDULE` and `NIGHTLY_TIME_ZONE` all, by `VIEW_SCHEDULES=true` each at its own time. */
export const schedulesFromEnvironment = (env: NodeJS.ProcessEnv = process.env): Schedules => ({
  nightly:
    env.NIGHTLY_SCHEDULE === undefined || env.NIGHTLY_TIME_ZONE === undefined
      ? null
      : { schedule: env.NIGHTLY_SCHEDULE, timeZone: env.NIGHTLY_TIME_ZONE },
  views: env.VIEW_SCHEDULES === 'true',
})

/** What of the history is kept: `RETAIN_SUCCESSES` of each view (empty: by age alone), the rest for `RETAIN_DAYS`. */
export const retentionFromEnvironment = (env: NodeJS.ProcessEnv = process.env): Retention => ({
  successes: env.RETAIN_SUCCESSES === '' ? null : Number(env.RETAIN_SUCCESSES ?? 500),
  days: Number(env.RETAIN_DAYS ?? 90),
})

function fromSecret(env: NodeJS.ProcessEnv, arn: string | undefined): ConnectionSource {
  return async ({ fresh }) => {
    if (arn === undefined)
      throw new Problem('InternalError', 'Neither DATABASE_URL nor DATABASE_SECRET_ARN is set.')
    const secret = readSecret(await fetchSecret(arn, fresh))
    return {
      host: secret.host ?? env.DATABASE_HOST ?? '',
      port: secret.port ?? Number(env.DATABASE_PORT ?? 5432),
      database: secret.dbname ?? env.DATABASE_NAME ?? 'postgres',
      user: secret.username,
      password: secret.password,
      tls: { verify: true, roots: [env.DATABASE_CA ?? rdsRoots()] },
    }
  }
}

/**
 * The roots of RDS. Since Node 20 Lambda keeps them in this file, up to date for every region, without loading them;
 * the file is documented for NODE_EXTRA_CA_CERTS in the Lambda developer guide, under the Node.js runtimes.
 */
function rdsRoots(file = '/var/runtime/ca-cert.pem'): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Problem(
      'DatabaseUnavailable',
      `The roots of RDS are not at ${file}, where Lambda keeps them. Outside Lambda, or for a database with a ` +
        'certificate of its own, give the roots (PEM) in DATABASE_CA.',
      { cause },
    )
  }
}

async function fetchSecret(arn: string, forceFetch: boolean): Promise<string> {
  try {
    return String(await secrets.get(arn, { maxAge: secretMaxAgeSeconds, forceFetch }))
  } catch (error) {
    throw new Problem(
      'DatabaseUnavailable',
      'The secret with the database credentials cannot be read. Check that it exists, that the function may read it ' +
        '(and its KMS key), and that Secrets Manager can be reached from its network.',
      { cause: error },
    )
  }
}

/** Says which field is wrong, and never what stands in it. */
function readSecret(text: string) {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Problem('CredentialsRefused', 'The secret with the database credentials is not JSON.')
  }
  const secret = secretShape.safeParse(value)
  if (secret.success) return secret.data
  const fields = secret.error.issues.map(({ path }) => path.join('.') || 'the whole').join(', ')
  throw new Problem(
    'CredentialsRefused',
    `The secret with the database credentials lacks or misspells: ${fields}.`,
  )
}

/**
 * Settings from `postgres://user:password@host:port/database`. As `sslmode` there is `verify-full` and `disable`; left
 * out, a server on this machine is spoken to in the clear and any other is verified. `sslrootcert` names a file of
 * roots (PEM), such as the one RDS offers for download; without it Node's own count.
 */
export function fromUrl(text: string): ConnectionSource {
  const settings = parseUrl(text)
  return async () => settings
}

function parseUrl(text: string): ConnectionOptions {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw badUrl('it is not a URL')
  }
  if (!['postgres:', 'postgresql:'].includes(url.protocol)) throw badUrl('it does not start with postgres://')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const sslmode = url.searchParams.get('sslmode') ?? (isLoopback(host) ? 'disable' : 'verify-full')
  if (sslmode !== 'disable' && sslmode !== 'verify-full') {
    throw badUrl(
      `sslmode=${sslmode} is neither verify-full nor disable; nothing in between protects the password`,
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
      `the file ${file} of its sslrootcert cannot be read (${(error as NodeJS.ErrnoException).code})`,
    )
  }
}

/** A stray `%` is refused: nobody knows what was meant. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw badUrl('a % in it does not begin a percent-encoded character; write %25 for %')
  }
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

/** Never shows the URL: a password stands in it. */
const badUrl = (why: string): Problem =>
  new Problem(
    'InvalidRequest',
    `DATABASE_URL cannot be used: ${why}. Write postgres://user:password@host:5432/database.`,
    {
      field: 'DATABASE_URL',
    },
  )
