import { App } from 'aws-cdk-lib'
import { chooseEnvironment, EnvironmentError } from './environment.ts'
import { environments } from './environments.ts'
import { ViewkeeperStack } from './viewkeeper-stack.ts'

const app = new App()
try {
  const { name, environment } = chooseEnvironment(environments, app.node.tryGetContext('env'))
  new ViewkeeperStack(app, { environmentName: name, environment })
} catch (error) {
  // For the person who edits the environments: the message, without a stack trace of ours.
  if (!(error instanceof EnvironmentError)) throw error
  console.error(error.message)
  process.exit(1)
}
