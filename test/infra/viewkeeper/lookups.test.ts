import { readFileSync } from 'node:fs'
import { App, Stack } from 'aws-cdk-lib'
import { Vpc } from 'aws-cdk-lib/aws-ec2'
import { DatabaseCluster, DatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { expect, test } from 'vitest'
import type { ViewkeeperProps } from '../../../infra/props.ts'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'
import { serverOf } from '../support/own-app.ts'

// In its first pass CDK gives values of its own making for what it has to look up: the app has to end as if they were true.

const env = { account: '123456789012', region: 'eu-central-1' }

const instance = (stack: Stack) => DatabaseInstance.fromLookup(stack, 'Db', { instanceIdentifier: 'shop-db' })
const cluster = (stack: Stack) => DatabaseCluster.fromLookup(stack, 'Db', { clusterIdentifier: 'shop' })

/** What an app asks CDK for, and the errors that its synthesis would end with. */
function firstPass(database: typeof instance | typeof cluster, props: Partial<ViewkeeperProps> = {}) {
  const app = new App({ context: { 'aws:cdk:disable-asset-staging': true, 'aws:cdk:bundling-stacks': [] } })
  const stack = new Stack(app, 'viewkeeper-production', { env })
  new Viewkeeper(stack, 'Viewkeeper', {
    environmentName: 'production',
    databaseName: 'shop',
    vpc: Vpc.fromLookup(stack, 'Vpc', { vpcId: 'vpc-0123456789abcdef0' }),
    database: serverOf(database(stack)),
    loginSecret: Secret.fromSecretNameV2(stack, 'Login', 'viewkeeper/production'),
    ...props,
  })
  const assembly = app.synth()
  const { messages } = assembly.getStackByName('viewkeeper-production')
  return {
    missing: assembly.manifest.missing?.map(({ key }) =>
      /^[^:]+|typeName=.+$/g[Symbol.match](key)!.join(' '),
    ),
    errors: messages.filter(({ level }) => level === 'error').map(({ entry }) => entry.data),
  }
}

test.each([
  ['an instance', instance, {}, 'DBInstance'],
  ['a cluster', cluster, {}, 'DBCluster'],
  ['IAM', instance, { iamAuthentication: true, loginUser: 'views', loginSecret: undefined }, 'DBInstance'],
  [
    'an endpoint, and all functions inside',
    cluster,
    { addSecretsManagerEndpoint: true, allFunctionsInVpc: true },
    'DBCluster',
  ],
  ['no API, and an app without schedules', instance, { api: false, schedules: false }, 'DBInstance'],
] as const)(
  '%s: the first pass asks for network and server, and nothing is refused',
  (_, database, props, type) => {
    expect(firstPass(database, props)).toEqual({
      missing: ['vpc-provider', `cc-api-provider typeName=AWS$:$:RDS$:$:${type}`],
      errors: [],
    })
  },
)

test('what this repository deploys is what `init` writes', () => {
  const [own, written] = ['infra/app.ts', 'template/aws/bin/app.mts'].map((file) =>
    readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8'),
  )
  expect(own?.replace("'./index.ts'", "'viewkeeper/cdk'")).toBe(written)
})
