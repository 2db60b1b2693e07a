import { readFileSync } from 'node:fs'
import { App, CliCredentialsStackSynthesizer } from 'aws-cdk-lib'
import { chooseEnvironment, readDeployContext, ViewkeeperStack } from '../../../../infra/viewkeeper-stack.ts'
import type { AppOptions } from './cdk.ts'
import { fitForEmulator, synthesizeForEmulator } from './for-emulator.ts'
import { addPrograms } from './programs.ts'
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
const context = readDeployContext((key) => app.node.tryGetContext(key), { name, environment })
const stack = new ViewkeeperStack(app, { environmentName: name, environment, context, ...folders })
addPrograms(stack)
if (standIn) standInForServer(stack, standIn)
fitForEmulator(app)
synthesizeForEmulator(app, standIn?.masterSecret)
