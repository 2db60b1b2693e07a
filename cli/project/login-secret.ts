import { clientSettings } from '../../src/api/lambda/aws-client.ts'
import type { ConnectionOptions } from '../../src/server/connection.ts'
import { Problem } from '../../src/words/problem.ts'

/** A secret of AWS Secrets Manager for a login. */
export interface SecretOptions {
  name: string
  /** The customer key that encrypts it: id, ARN or alias. */
  kmsKey?: string
  tags?: Record<string, string>
}

/** The login, in the fields that the rotations of AWS read. https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html */
export const secretText = (
  { host, port, database }: Pick<ConnectionOptions, 'host' | 'port' | 'database'>,
  login: { username: string; password: string },
  present: object = {},
): string => JSON.stringify({ engine: 'postgres', host, port, dbname: database, ...present, ...login })

/** The fields of a secret; null if there is no such secret. Read before the role is made: who may not read it learns that first. */
export async function readLoginSecret(name: string): Promise<object | null> {
  const { GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager')
  try {
    const { SecretString = '' } = await (await open()).send(new GetSecretValueCommand({ SecretId: name }))
    const fields: unknown = JSON.parse(SecretString)
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return fields
    throw new SyntaxError('it is no JSON object')
  } catch (cause) {
    const { name: kind, message } = cause as Error
    if (kind === 'ResourceNotFoundException') return null
    throw new Problem(
      'InvalidRequest',
      `--create-secret: secret ${name} cannot be read (${cause instanceof SyntaxError ? 'it is no JSON object' : message}). Nothing was changed. Name another ` +
        'secret, or one whose fields your AWS credentials may read: those that others added are kept.',
      { field: '--create-secret', cause },
    )
  }
}

/** Writes a secret, as a new version of one that `exists`; returns its ARN. */
export async function writeLoginSecret(
  { name, kmsKey, tags = {} }: SecretOptions,
  exists: boolean,
  SecretString: string,
): Promise<string> {
  const { CreateSecretCommand, PutSecretValueCommand } = await import('@aws-sdk/client-secrets-manager')
  const client = await open()
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  try {
    const { ARN } = exists
      ? await client.send(new PutSecretValueCommand({ SecretId: name, SecretString }))
      : await client.send(new CreateSecretCommand({ Name: name, KmsKeyId: kmsKey, Tags, SecretString }))
    return `${ARN}\n`
  } catch (cause) {
    throw new Problem(
      'InternalError',
      `The role is made, and its password is lost: secret ${name} was not written (${(cause as Error).message}). ` +
        'Once your AWS credentials may write it, run the command again with --rotate.',
      { cause },
    )
  }
}

async function open() {
  const { SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager')
  return new SecretsManagerClient(clientSettings({ requestMs: 10_000, attempts: 2 }))
}
