import { readFileSync } from 'node:fs'
import {
  App,
  CfnOutput,
  CliCredentialsStackSynthesizer,
  CrossStackReferences,
  ReferenceStrength,
  Stack,
} from 'aws-cdk-lib'
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import { DatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { DatabaseStack } from '../../../../examples/created-database/lib/database-stack.ts'
import { DatabaseServer, Viewkeeper } from '../../../../infra/index.ts'
import type { AppOptions } from './cdk.ts'
import { fitForEmulator, synthesizeForEmulator } from './for-emulator.ts'
import { addPrograms } from './programs.ts'

// The app of the deploy test: an environment on the server of the test, which is there, or stands for one that the app makes.
const { name, environment, adminSecret, loginSecret, server, ...folders } = JSON.parse(
  readFileSync(process.argv[2]!, 'utf8'),
) as AppOptions
// The emulator does not let the roles of the bootstrap publish files: the deployer's own credentials do.
const app = new App({ defaultStackSynthesizer: new CliCredentialsStackSynthesizer() })
const stack = new Stack(app, `viewkeeper-${name}`)
// The emulator reads no output of another stack but an export.
CrossStackReferences.of(stack).consume(ReferenceStrength.STRONG)
const secret = (id: string, arn: string | undefined) =>
  arn === undefined ? undefined : Secret.fromSecretCompleteArn(stack, id, arn)
const made = adminSecret === undefined ? undefined : new DatabaseStack(app, `${name}-database`)
const viewkeeper = new Viewkeeper(stack, 'Viewkeeper', {
  environmentName: name,
  certificateAuthority: server.authority,
  adminSecret: secret('Admin', adminSecret),
  loginSecret: secret('Login', loginSecret),
  ...(made ? { vpc: made.vpc, database: DatabaseServer.fromInstance(made.database) } : found()),
  databaseName: server.databaseName,
  ...environment,
  ...folders,
})
if (made) standInFor(made)
else addPrograms(stack, viewkeeper)
addOutputs()
fitForEmulator(app)
synthesizeForEmulator(app)

/** The server of the test as one that is there. */
function found() {
  return {
    vpc: Vpc.fromVpcAttributes(stack, 'Vpc', {
      vpcId: 'vpc-0123456789abcdef0',
      availabilityZones: ['us-east-1a'],
      privateSubnetIds: ['subnet-0123456789abcdef0'],
      privateSubnetRouteTableIds: ['rtb-0123456789abcdef0'],
    }),
    database: DatabaseServer.fromInstance(
      DatabaseInstance.fromDatabaseInstanceAttributes(stack, 'Database', {
        instanceIdentifier: 'app',
        // By its name, not its address: the certificate is for the name.
        instanceEndpointAddress: server.host,
        port: server.port,
        securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-0123456789abcdef0')],
        instanceResourceId: 'db-ABCDEFGHIJKL01234',
      }),
    ),
  }
}

/** The emulator keeps a record of a created server, but makes none: so the stack exports the address of another one. */
function standInFor({ database, node }: DatabaseStack): void {
  const { hostname, port } = database.instanceEndpoint
  for (const value of [hostname, String(port)]) Stack.of(database).exportValue(value)
  for (const output of node.findAll().filter((each) => each instanceof CfnOutput)) {
    const value = JSON.stringify(stack.resolve(output.value))
    if (value.includes('Endpoint.Address')) output.value = server.host
    if (value.includes('Endpoint.Port')) output.value = String(server.port)
  }
}

function addOutputs(): void {
  const { functions, stateMachine, topics, apiUrl } = viewkeeper
  const outputs = {
    ApiUrl: apiUrl,
    StateMachineArn: stateMachine.stateMachineArn,
    ...Object.fromEntries(
      Object.entries(functions).map(([each, { functionName }]) => [
        `${each.replace('-', '')}Function`,
        functionName,
      ]),
    ),
    MailTopicArn: topics.mail.topicArn,
    NoticesTopicArn: topics.notices.topicArn,
  }
  for (const [id, value] of Object.entries(outputs)) new CfnOutput(stack, id, { value })
}
