import { readFileSync } from 'node:fs'
import { App, CfnOutput, CliCredentialsStackSynthesizer, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { InstanceType, IpAddresses, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets'
import { CfnFunction } from 'aws-cdk-lib/aws-lambda'
import {
  Credentials,
  DatabaseInstance,
  DatabaseInstanceEngine,
  PostgresEngineVersion,
} from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { DatabaseServer, Viewkeeper } from '../../../../infra/index.ts'
import { addressOfEndpoint, fitForEmulator, synthesizeForEmulator, variablesOf } from './for-emulator.ts'

/** What the first hour writes into a file for its app. */
export interface FirstHourOptions {
  environmentName: string
  migrationsFolder: string
  /** When the nightly batch begins, UTC: some minutes after the deploy. */
  nightlyAt: string
  /** The server in the place of the one that the emulator only keeps a record of. */
  standIn?: { host: string; port: number; authority: string; adminSecret: string; endpoint: string }
}

// An environment on a small server of its own; all of it goes with the stack.
const { environmentName, migrationsFolder, nightlyAt, standIn } = JSON.parse(
  readFileSync(process.argv[2]!, 'utf8'),
) as FirstHourOptions
const app = new App(standIn && { defaultStackSynthesizer: new CliCredentialsStackSynthesizer() })
const stack = new Stack(app, `viewkeeper-${environmentName}`)
const isolated = { subnetType: SubnetType.PRIVATE_ISOLATED }
const vpc = new Vpc(stack, 'Vpc', {
  ipAddresses: IpAddresses.cidr('10.77.0.0/16'),
  ...(standIn ? { availabilityZones: ['us-east-1a', 'us-east-1b'] } : { maxAzs: 2 }),
  natGateways: 0,
  subnetConfiguration: [{ name: 'isolated', ...isolated }],
})
const database = new DatabaseInstance(stack, 'Database', {
  engine: DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_17 }),
  instanceType: new InstanceType('t4g.micro'),
  vpc,
  vpcSubnets: isolated,
  databaseName: 'first_hour',
  storageEncrypted: true,
  removalPolicy: RemovalPolicy.DESTROY,
  ...(standIn && {
    credentials: Credentials.fromSecret(Secret.fromSecretCompleteArn(stack, 'Admin', standIn.adminSecret)),
  }),
})
const views = new Viewkeeper(stack, 'Viewkeeper', {
  environmentName,
  database: DatabaseServer.fromInstance(database),
  databaseName: 'first_hour',
  vpc,
  addSecretsManagerEndpoint: true,
  ...(standIn && { certificateAuthority: standIn.authority }),
  migrationsFolder,
  nightlyAt,
})
const refreshed = new Queue(stack, 'RefreshedEvents', { removalPolicy: RemovalPolicy.DESTROY })
views.onViewRefreshed('Refreshed', { target: new SqsQueue(refreshed) })
const output = (id: string, value: string) => new CfnOutput(stack, id, { value })
output('ApiUrl', views.apiUrl)
output('Mail', views.topics.mail.topicArn)
output('Refreshed', refreshed.queueUrl)
output('DeadLetters', views.deadLetters.queueUrl)
output('Machine', views.stateMachine.stateMachineArn)

if (standIn) {
  fitForEmulator(app)
  for (const lambda of stack.node.findAll().filter((each) => each instanceof CfnFunction)) {
    if (!('DATABASE_HOST' in variablesOf(lambda))) continue
    lambda.addPropertyOverride('Environment.Variables.DATABASE_HOST', standIn.host)
    lambda.addPropertyOverride('Environment.Variables.DATABASE_PORT', String(standIn.port))
    lambda.addPropertyOverride(`Environment.Variables.${addressOfEndpoint}`, standIn.endpoint)
  }
  synthesizeForEmulator(app)
}
