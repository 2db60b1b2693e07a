import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { clientSettings } from './aws-client.ts'
import { unreadable } from './secret.ts'

const client = new SecretsManagerClient(clientSettings({ requestMs: 4000, attempts: 2 }))

/** One version of a secret. */
interface SecretVersion {
  id: string
  text: string
}

/** The versions of a secret while it is rotated. `current` is the one that everybody reads. */
export interface SecretVersions {
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
