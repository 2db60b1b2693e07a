import { readFileSync } from 'node:fs'
import { App, CfnOutput, CliCredentialsStackSynthesizer, Stack } from 'aws-cdk-lib'
import { InstanceType, IpAddresses, SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { CfnFunction, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import {
  Credentials,
  DatabaseInstance,
  DatabaseInstanceEngine,
  PostgresEngineVersion,
} from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { DatabaseServer, Viewkeeper } from '../../../../infra/index.ts'
import { addressOfEndpoint, fitForEmulator, synthesizeForEmulator, variablesOf } from './for-emulator.ts'

/** What the test writes into a file for the app. */
export interface OwnAppOptions {
  /** The environments; each has a server and a database, with the name of the environment as SQL writes it. */
  tenants: string[]
  migrationsFolder: string
  /** The server of the test, in the place of those that the emulator only keeps a record of. */
  server: { host: string; port: number; authority: string; adminSecret: string }
  /** The address that stands for the endpoints of Secrets Manager, to which the emulator gives none. */
  endpoint: string
  /** A secret that another program in the same network reads. */
  neighbourSecret: string
}

// The app of somebody who knows nothing of this repository: servers of their own, with Viewkeeper beside each.
const { tenants, migrationsFolder, server, endpoint, neighbourSecret } = JSON.parse(
  readFileSync(process.argv[2]!, 'utf8'),
) as OwnAppOptions
const app = new App({ defaultStackSynthesizer: new CliCredentialsStackSynthesizer() })
const stack = new Stack(app, 'shop')
const vpc = new Vpc(stack, 'Vpc', {
  ipAddresses: IpAddresses.cidr('10.1.0.0/16'),
  availabilityZones: ['us-east-1a', 'us-east-1b'],
  natGateways: 0,
  subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED }],
})
const securityGroup = new SecurityGroup(stack, 'Functions', { vpc })
const pager = new Topic(stack, 'Pager')
const topics = { mail: new Topic(stack, 'Mail'), notices: new Topic(stack, 'Notices') }
topics.mail.addSubscription(new EmailSubscription('ops@example.com'))
for (const environmentName of tenants) {
  const databaseName = environmentName.replaceAll('-', '_')
  const database = new DatabaseInstance(stack, `${environmentName}-db`, {
    engine: DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_17 }),
    instanceType: new InstanceType('t4g.micro'),
    vpc,
    vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
    databaseName,
    credentials: Credentials.fromSecret(
      Secret.fromSecretCompleteArn(stack, `${environmentName}-admin`, server.adminSecret),
    ),
  })
  new Viewkeeper(stack, environmentName, {
    environmentName,
    database: DatabaseServer.fromInstance(database),
    databaseName,
    vpc,
    certificateAuthority: server.authority,
    migrationsFolder,
    securityGroup,
    addSecretsManagerEndpoint: true,
    topics,
    pager,
    dashboard: false,
  })
}
const neighbour = new LambdaFunction(stack, 'Neighbour', {
  runtime: Runtime.NODEJS_24_X,
  handler: 'index.handler',
  code: Code.fromInline(`
    const { GetSecretValueCommand, SecretsManagerClient } = require('@aws-sdk/client-secrets-manager')
    exports.handler = async () =>
      (await new SecretsManagerClient().send(new GetSecretValueCommand({ SecretId: process.env.SECRET }))).SecretString`),
  environment: { SECRET: neighbourSecret },
  vpc,
  vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
})
Secret.fromSecretCompleteArn(stack, 'NeighbourSecret', neighbourSecret).grantRead(neighbour)
new CfnOutput(stack, 'NeighbourFunction', { value: neighbour.functionName })
new CfnOutput(stack, 'PagerTopic', { value: pager.topicArn })

fitForEmulator(app)
for (const lambda of stack.node.findAll().filter((each) => each instanceof CfnFunction)) {
  if (!('DATABASE_HOST' in variablesOf(lambda))) continue
  lambda.addPropertyOverride('Environment.Variables.DATABASE_HOST', server.host)
  lambda.addPropertyOverride('Environment.Variables.DATABASE_PORT', String(server.port))
  lambda.addPropertyOverride(`Environment.Variables.${addressOfEndpoint}`, endpoint)
}

synthesizeForEmulator(app)
