import { Validations } from 'aws-cdk-lib'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'

export interface RoleSecretProps {
  /** The role that Viewkeeper works with, which `migrate` makes with this password. */
  role: string
  rotateSecretDays: number | undefined
}

/** A new secret, with the name and a new password of the role that Viewkeeper works with. */
export function roleSecret(scope: Construct, { role, rotateSecretDays }: RoleSecretProps): Secret {
  const secret = new Secret(scope, 'RoleSecret', {
    description: 'Login and password of the role that Viewkeeper works with',
    generateSecretString: {
      secretStringTemplate: JSON.stringify({ username: role }),
      generateStringKey: 'password',
      passwordLength: 40,
      excludePunctuation: true,
    },
  })
  Validations.of(secret).acknowledge({
    id: 'AwsSolutions-SMG4',
    reason:
      rotateSecretDays === undefined
        ? 'rotateSecretDays is not set. A new password takes a call of the function migrate.'
        : 'The rotation stands beside the function that rotates the secret.',
  })
  return secret
}
