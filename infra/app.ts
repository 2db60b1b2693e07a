import { App } from 'aws-cdk-lib'
import { Problem } from '../src/problem.ts'
import { readDeployContext } from './environment/deploy-context.ts'
import { chooseEnvironment, EnvironmentError } from './environment/environment.ts'
import { environments } from './environments.ts'
import { synthesizeWithinLimits } from './limits.ts'
import { readScheduledViews } from './schedules/scheduled-views.ts'
import { ViewkeeperStack } from './viewkeeper-stack.ts'

const app = new App()
try {
  const { name, environment } = chooseEnvironment(environments, app.node.tryGetContext('env'))
  const scheduledViews = await readScheduledViews(new URL('../migrations/', import.meta.url))
  const context = readDeployContext((key) => app.node.tryGetContext(key), { name, environment })
  new ViewkeeperStack(app, { environmentName: name, environment, context, scheduledViews })
  synthesizeWithinLimits(app)
} catch (error) {
  // A mistake in environments.ts or in migrations/: the person who made it needs the message, and no stack
  // trace.
  if (!(error instanceof EnvironmentError || error instanceof Problem)) throw error
  console.error(error.message)
  process.exit(1)
}
