import { SecretsProvider } from '@aws-lambda-powertools/parameters/secrets'
import * as z from 'zod'
import type { ConnectionSource } from '../../db/server/connect.ts'
import { Problem } from '../../problem.ts'
import { rdsRoots } from './roots.ts'

/**
 * The longest that a secret is kept. If the server refuses the credentials, the secret is fetched again at
 * once.
 */
const secretMaxAgeSeconds = 3600

/**
 * With time-outs, a missing endpoint or network rule is an error with a message instead of a function that
 * hangs.
 */
const secrets = new SecretsProvider({
  clientConfig: { maxAttempts: 2, requestHandler: { connectionTimeout: 2000, requestTimeout: 4000 } },
})

/** A secret that RDS makes has only the first two fields. Others may have all of them. */
const secretShape = z.object({
  username: z.string().min(1),
  password: z.string().min(1),
  host: z.string().optional(),
  port: z.coerce.number().optional(),
  dbname: z.string().optional(),
})

/**
 * Connection options from a secret in AWS Secrets Manager. Environment variables give the fields that the
 * secret lacks.
 */
export const fromSecret =
  (arn: string, env: NodeJS.ProcessEnv): ConnectionSource =>
  async ({ fresh }) => {
    const secret = parseSecret(await fetchSecret(arn, fresh))
    return {
      host: secret.host ?? env.DATABASE_HOST ?? '',
      port: secret.port ?? Number(env.DATABASE_PORT ?? 5432),
      database: secret.dbname ?? env.DATABASE_NAME ?? 'postgres',
      user: secret.username,
      password: secret.password,
      tls: { verify: true, roots: [env.DATABASE_CA ?? rdsRoots()] },
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

/** A refusal names the fields that are wrong, and never shows their content. */
function parseSecret(text: string) {
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
