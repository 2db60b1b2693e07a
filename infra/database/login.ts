import { ArnFormat, Stack } from 'aws-cdk-lib'
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'

/** A role of the database whose name and password are in a secret. */
export interface SecretLogin {
  secret: ISecret
  /** The customer key of an imported secret. Default: the key that AWS manages. */
  keyArn?: string | undefined
}

/** A role of the database that logs in with a token of IAM. */
export interface IamLogin {
  user: string
  /** Lets a function log in as this role. */
  grantConnect(grantee: IGrantable): void
}

/** A secret whose password is changed every few days. */
export interface SecretRotationOptions {
  secret: ISecret
  everyDays: number
}

/** What a rotation does with its secret. */
export const rotatingActions = [
  'secretsmanager:GetSecretValue',
  'secretsmanager:PutSecretValue',
  'secretsmanager:UpdateSecretVersionStage',
]

/** How a function logs in. */
export type Login = SecretLogin | IamLogin

/** The login of a role with IAM. `resourceId` names the instance (`db-…`) or the cluster (`cluster-…`). */
export function iamLogin(scope: Construct, user: string, resourceId: string): IamLogin {
  const userArn = Stack.of(scope).formatArn({
    service: 'rds-db',
    resource: 'dbuser',
    resourceName: `${resourceId}/${user}`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  })
  const connect = new PolicyStatement({ actions: ['rds-db:connect'], resources: [userArn] })
  return { user, grantConnect: ({ grantPrincipal }) => grantPrincipal.addToPrincipalPolicy(connect) }
}

/** The environment variable from which a function knows its login. */
export const loginVariables = (
  prefix: 'DATABASE' | 'DATABASE_ADMIN',
  login: Login,
): Record<string, string> =>
  'secret' in login
    ? { [`${prefix}_SECRET_ARN`]: login.secret.secretArn }
    : { [`${prefix}_IAM_USER`]: login.user }

/** Lets a function log in. */
export function grantLogin(login: Login, grantee: IGrantable & Construct): void {
  if ('user' in login) {
    login.grantConnect(grantee)
    return
  }
  login.secret.grantRead(grantee)
  if (login.keyArn === undefined) return
  // CDK's grant would change the key's own policy, which is impossible for an imported key.
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['kms:Decrypt'],
      resources: [login.keyArn],
      conditions: {
        StringEquals: { 'kms:ViaService': secretsManagerHosts(login.keyArn) },
      },
    }),
  )
}

/**
 * The names by which KMS may know Secrets Manager in the region of a key. Addresses in China end
 * in `.cn`; the policy allows both forms there.
 */
function secretsManagerHosts(keyArn: string): string | string[] {
  const [, partition, , region] = keyArn.split(':')
  const host = `secretsmanager.${region}.amazonaws.com`
  return partition === 'aws-cn' ? [host, `${host}.cn`] : host
}
