import { randomBytes } from 'node:crypto'
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import * as z from 'zod/mini'
import { changeOwnPassword } from '../../own-schema/db/role.ts'
import { Problem } from '../../problem.ts'
import { connectTo } from '../../server/connect.ts'
import type { Database } from '../../server/database.ts'
import { text, validate } from '../fields.ts'
import { clientSettings } from './aws-client.ts'
import { logger, waiting } from './lifetime.ts'
import { connectionOf, unreadable } from './login.ts'

/** What Secrets Manager sends, once for each step. It repeats a step that failed, with the same token. */
const rotation = z.object({
  Step: z.enum(['createSecret', 'setSecret', 'testSecret', 'finishSecret']),
  SecretId: text(2048),
  ClientRequestToken: text(64),
})

/**
 * One step of a rotation of the secret with the login that Viewkeeper works with. The login changes its own password.
 * Every step may be repeated, and at every moment the password of the role is in the current or in the pending version;
 * a function whose password was refused tries both.
 */
export async function rotateSecret(event: unknown, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const {
    Step,
    SecretId,
    ClientRequestToken: token,
  } = validate(rotation, event, 'the event of Secrets Manager')
  await steps[Step](versionsOf(SecretId), token, env)
  logger.info('rotation', { step: Step, version: token })
}

type Step = (versions: SecretVersions, token: string, env: NodeJS.ProcessEnv) => Promise<void>

const steps: Record<z.output<typeof rotation>['Step'], Step> = {
  async createSecret(versions, token) {
    if ((await versions.pending(token)) !== null) return
    const { text } = await versions.current()
    const password = randomBytes(30).toString('base64url')
    await versions.makePending(token, JSON.stringify({ ...JSON.parse(text), password }))
  },
  async setSecret(versions, token, env) {
    const { text } = await pendingOf(versions, token)
    if (await letsIn(databaseOf(text, env))) return
    const current = databaseOf((await versions.current()).text, env)
    await current.withConnection(async (sql) =>
      changeOwnPassword(sql, (await connectionOf(text, env)).password),
    )
  },
  async testSecret(versions, token, env) {
    await databaseOf((await pendingOf(versions, token)).text, env).withConnection((sql) => sql`select 1`)
  },
  async finishSecret(versions, token, env) {
    const current = await versions.current()
    if (current.id === token) return
    // A deploy may have given the old password to the role since the test.
    await steps.testSecret(versions, token, env)
    await versions.makeCurrent(token, current)
  },
}

async function pendingOf(versions: SecretVersions, token: string) {
  const pending = await versions.pending(token)
  if (pending !== null) return pending
  throw new Problem(
    'InternalError',
    `The secret has no pending version ${token}. Rotate it again: aws secretsmanager rotate-secret.`,
  )
}

const databaseOf = (text: string, env: NodeJS.ProcessEnv): Database =>
  connectTo(async () => connectionOf(text, env), { superuser: 'refused', waiting })

/** Whether the server takes the credentials. Any other failure is thrown. */
async function letsIn(database: Database): Promise<boolean> {
  try {
    await database.withConnection((sql) => sql`select 1`)
    return true
  } catch (error) {
    if (error instanceof Problem && error.code === 'CredentialsRefused') return false
    throw error
  }
}

const client = new SecretsManagerClient(clientSettings({ requestMs: 4000, attempts: 2 }))

/** One version of a secret. */
interface SecretVersion {
  id: string
  text: string
}

/** The versions of a secret while it is rotated. `current` is the one that everybody reads. */
interface SecretVersions {
  current(): Promise<SecretVersion>
  /** The version that the rotation with this token has made. Null if it has made none yet. */
  pending(token: string): Promise<SecretVersion | null>
  makePending(token: string, text: string): Promise<void>
  /** Makes the version of the rotation current instead of `from`, which stays as the previous one. */
  makeCurrent(token: string, from: SecretVersion): Promise<void>
}

/** The versions of the secret with this ARN, in AWS Secrets Manager. */
export function versionsOf(arn: string): SecretVersions {
  const read = async (which: { VersionStage: string; VersionId?: string }): Promise<SecretVersion> => {
    const found = await client.send(new GetSecretValueCommand({ SecretId: arn, ...which }))
    return { id: found.VersionId ?? '', text: found.SecretString ?? '' }
  }
  return {
    current: () =>
      read({ VersionStage: 'AWSCURRENT' }).catch((error) => {
        throw unreadable(error)
      }),
    pending: (token) =>
      read({ VersionStage: 'AWSPENDING', VersionId: token }).catch((error) => {
        if (error instanceof ResourceNotFoundException) return null
        throw unreadable(error)
      }),
    async makePending(token, text) {
      await client.send(
        new PutSecretValueCommand({
          SecretId: arn,
          ClientRequestToken: token,
          SecretString: text,
          VersionStages: ['AWSPENDING'],
        }),
      )
    },
    async makeCurrent(token, from) {
      await client.send(
        new UpdateSecretVersionStageCommand({
          SecretId: arn,
          VersionStage: 'AWSCURRENT',
          MoveToVersionId: token,
          RemoveFromVersionId: from.id,
        }),
      )
    },
  }
}
