import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { App, CliCredentialsStackSynthesizer } from 'aws-cdk-lib'
import { CfnSecurityGroupEgress, CfnSecurityGroupIngress } from 'aws-cdk-lib/aws-ec2'
import { CfnQueryDefinition } from 'aws-cdk-lib/aws-logs'
import { chooseEnvironment } from '../../../infra/environment/environment.ts'
import { readScheduledViews } from '../../../infra/schedules/scheduled-views.ts'
import { ViewkeeperStack } from '../../../infra/viewkeeper-stack.ts'
import type { AppOptions } from './cdk.ts'

// The app of the deploy test: the real stack, with an environment that no user should see among theirs.
const { environment: options, ...folders } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as AppOptions
const { name, environment } = chooseEnvironment({ 'deploy-test': options }, 'deploy-test')
// The emulator does not let the roles of the bootstrap publish files: the deployer's own credentials do.
const app = new App({ defaultStackSynthesizer: new CliCredentialsStackSynthesizer() })
const scheduledViews = await readScheduledViews(pathToFileURL(`${folders.migrationsFolder}/`))
const stack = new ViewkeeperStack(app, { environmentName: name, environment, scheduledViews, ...folders })

// The emulator knows no rules between security groups and no saved queries; test/infra asserts them.
for (const construct of stack.node.findAll())
  if (
    [CfnSecurityGroupIngress, CfnSecurityGroupEgress, CfnQueryDefinition].some(
      (kind) => construct instanceof kind,
    )
  )
    construct.node.scope?.node.tryRemoveChild(construct.node.id)
