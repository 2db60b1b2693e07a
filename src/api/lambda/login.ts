import { existsSync, readFileSync } from 'node:fs'
import * as z from 'zod/mini'
import type { ConnectionSource } from '../../server/connect.ts'
import type { ConnectionOptions } from '../../server/connection.ts'
import { Problem } from '../../words/problem.ts'

// Where the database of a function is, and how the function logs in: with a token of IAM, or with a secret.

type ServerAddress = Pick<ConnectionOptions, 'host' | 'port' | 'database' | 'tls'>

/**
 * The server and database that environment variables name, with TLS that the roots of RDS vouch for, or the authorities in
 * `DATABASE_CA` or the file `DATABASE_CA_FILE`.
 */
const placeOf = async (env: NodeJS.ProcessEnv, fresh: boolean): Promise<ServerAddress> => ({
  host: env.DATABASE_HOST ?? '',
  port: Number(env.DATABASE_PORT ?? 5432),
  database: env.DATABASE_NAME ?? 'postgres',
  tls: { verify: true, roots: ownRoots(env) ?? (await rootsOfRds(fresh)) },
})

function ownRoots({ DATABASE_CA: text, DATABASE_CA_FILE: file }: NodeJS.ProcessEnv): string[] | undefined {
  if (text) return [text]
  return file ? [readFileSync(file, 'utf8')] : undefined
}

/**
 * The root certificates of RDS. Lambda keeps them in this file, current for every region, and does not load them by itself since
 * Node 20. The file is AWS's to change, so those that were built in count, too: without the file, and if the server refused us
 * with it, because to read both at each start takes three times as long.
 */
export async function rootsOfRds(fresh: boolean, file = '/var/runtime/ca-cert.pem'): Promise<string[]> {
  const found = existsSync(file) ? [readFileSync(file, 'utf8')] : []
  if (found.length > 0 && !fresh) return found
  return [...found, ...(await import('../../keeper/rds-roots.ts')).rdsRoots]
}

/**
 * Connection options with a token of IAM database authentication as the password. Each connection has a token
 * of its own. The function signs the token with the credentials of its role, without a call to AWS. The server
 * must be named by the host name that RDS gave it, because RDS compares this name with the signed one.
 */
export const fromToken =
  (user: string, env: NodeJS.ProcessEnv): ConnectionSource =>
  async ({ fresh }) => {
    const place = await placeOf(env, fresh)
    // Only a function that logs in with a token loads what signs it.
    const { signToken } = await import('./sign-token.ts')
    return { ...place, user, password: await signToken({ ...place, user }, env) }
  }

/**
 * The longest that a secret is kept. If the server refuses the credentials, the secret is fetched again at
 * once.
 */
const secretMaxAgeSeconds = 3600

/** The client is as large as the rest of a function, so only a function that reads a secret loads it. */
const loadClient = async () => (await import('./secrets-client.ts')).secrets

/** A secret that RDS makes has only the first two fields. Others may have all of them. */
const secretShape = z.object({
  username: z.string().check(z.minLength(1)),
  password: z.string().check(z.minLength(1)),
  host: z.optional(z.string()),
  port: z.optional(z.coerce.number()),
  dbname: z.optional(z.string()),
})

/**
 * Connection options from a secret in AWS Secrets Manager. Environment variables say where the database is; the secret
 * gives what they leave out, because it may be the secret of a server with several databases. If the server refused the
 * present password, a rotation is half-way: then the pending version is given, or the one that has become present meanwhile.
 */
export const fromSecret =
  (arn: string, env: NodeJS.ProcessEnv): ConnectionSource =>
  async ({ fresh, refused }) => {
    const present = await connectionOf(await fetchSecret(arn, fresh), env, fresh)
    if (refused === undefined || present.password !== refused) return present
    return connectionOf((await fetchPending(arn)) ?? (await fetchSecret(arn, true)), env, fresh)
  }

/** Connection options from the text of a secret. */
export async function connectionOf(
  text: string,
  env: NodeJS.ProcessEnv,
  fresh = false,
): Promise<ConnectionOptions> {
  const { username: user, password, host, port, dbname } = parseSecret(text)
  const told = { DATABASE_HOST: host, DATABASE_PORT: port?.toString(), DATABASE_NAME: dbname }
  return { ...(await placeOf({ ...told, ...env }, fresh)), user, password }
}

async function fetchSecret(arn: string, forceFetch: boolean): Promise<string> {
  const secrets = await loadClient()
  try {
    return String(await secrets.get(arn, { maxAge: secretMaxAgeSeconds, forceFetch }))
  } catch (cause) {
    throw unreadable(cause)
  }
}

/** The version that a rotation has made but not finished. Null if there is none. */
async function fetchPending(arn: string): Promise<string | null> {
  const secrets = await loadClient()
  const sdkOptions = { VersionStage: 'AWSPENDING' }
  // Not kept, because the rotation may never finish.
  const text = await secrets.get(arn, { maxAge: 0, forceFetch: true, sdkOptions }).catch(() => null)
  return text === null ? null : String(text)
}

/** What a secret that cannot be read means, and what to check. */
export const unreadable = (cause: unknown): Problem =>
  new Problem(
    'DatabaseUnavailable',
    'The secret with the database credentials cannot be read. Check that it exists, that the function or your login may read it ' +
      '(and its KMS key), and that Secrets Manager can be reached from here.',
    { cause },
  )

/** A refusal names the fields that are wrong, and never shows their content. */
export function parseSecret(text: string) {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Problem('CredentialsRefused', 'The secret with the database credentials is not JSON.')
  }
  const secret = secretShape.safeParse(value)
  if (secret.success) return secret.data
  const fields = secret.error.issues.map(({ path }) => path.join('.'))
  throw new Problem(
    'CredentialsRefused',
    fields.includes('')
      ? 'The secret with the database credentials is not a JSON object.'
      : `In the secret with the database credentials these fields are missing or wrong: ${fields.join(', ')}.`,
  )
}
