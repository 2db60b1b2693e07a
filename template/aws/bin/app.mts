import { App, Stack } from 'aws-cdk-lib'
import { Vpc } from 'aws-cdk-lib/aws-ec2'
import { DatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { DatabaseServer, Viewkeeper } from 'viewkeeper/cdk'

const app = new App()
const environments: Record<string, () => void> = {
  production() {
    const env = { account: '123456789012', region: 'eu-central-1' }
    const stack = new Stack(app, 'viewkeeper-production', { env })
    new Viewkeeper(stack, 'Viewkeeper', {
      environmentName: 'production',
      vpc: Vpc.fromLookup(stack, 'Vpc', { vpcId: 'vpc-0123456789abcdef0' }),
      database: DatabaseServer.fromInstance(
        DatabaseInstance.fromLookup(stack, 'Database', { instanceIdentifier: 'shop-db' }),
      ),
      databaseName: 'shop',
      // The login of a role of its own: npx viewkeeper create-role --create-secret viewkeeper/production makes both.
      loginSecret: Secret.fromSecretNameV2(stack, 'Login', 'viewkeeper/production'),
      alarmEmails: ['data-team@example.com'],
    })
  },
}

const name = app.node.tryGetContext('env')
if (!Object.hasOwn(environments, String(name)))
  throw new Error(`write -c env=<name> with one of: ${Object.keys(environments).join(', ')}`)
environments[name]?.()
