import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { App, CliCredentialsStackSynthesizer } from 'aws-cdk-lib'
import { CfnFlowLog, CfnSecurityGroupEgress, CfnSecurityGroupIngress } from 'aws-cdk-lib/aws-ec2'
import { CfnQueryDefinition } from 'aws-cdk-lib/aws-logs'
import { CfnTopicPolicy } from 'aws-cdk-lib/aws-sns'
import { readDeployContext } from '../../../infra/environment/deploy-context.ts'
import { chooseEnvironment } from '../../../infra/environment/environment.ts'
import { readScheduledViews } from '../../../infra/schedules/scheduled-views.ts'
import { ViewkeeperStack } from '../../../infra/viewkeeper-stack.ts'
import type { AppOptions } from './cdk.ts'
import { standInForServer } from './stand-in.ts'

// The app of the deploy test: the real stack, with an environment that no user should see among theirs.
const {
  name,
  environment: options,
  standIn,
  ...folders
} = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as AppOptions
const { environment } = chooseEnvironment({ [name]: options }, name)
// The emulator does not let the roles of the bootstrap publish files: the deployer's own credentials do.
const app = new App({ defaultStackSynthesizer: new CliCredentialsStackSynthesizer() })
const scheduledViews = await readScheduledViews(pathToFileURL(`${folders.migrationsFolder}/`))
const context = readDeployContext((key) => app.node.tryGetContext(key), { name, environment })
const stack = new ViewkeeperStack(app, {
  environmentName: name,
  environment,
  context,
  scheduledViews,
  ...folders,
})
if (standIn) standInForServer(stack, standIn)

// The emulator knows no rules between security groups, flow logs and saved queries; test/infra asserts them.
for (const construct of app.node.findAll())
  if (
    [CfnSecurityGroupIngress, CfnSecurityGroupEgress, CfnFlowLog, CfnQueryDefinition].some(
      (kind) => construct instanceof kind,
    )
  )
    construct.node.scope?.node.tryRemoveChild(construct.node.id)

// The emulator speaks HTTP, which the topics refuse; test/infra asserts that.
for (const construct of app.node.findAll())
  if (construct instanceof CfnTopicPolicy) {
    const { Statement, ...rest } = stack.resolve(construct.policyDocument)
    construct.policyDocument = {
      ...rest,
      Statement: Statement.filter(({ Effect }: { Effect: string }) => Effect !== 'Deny'),
    }
  }
