import { App, Stack, type StackProps } from 'aws-cdk-lib'
import { InstanceType, IpAddresses, type IVpc, Vpc } from 'aws-cdk-lib/aws-ec2'
import {
  AuroraPostgresEngineVersion,
  ClusterInstance,
  DatabaseCluster,
  DatabaseClusterEngine,
  type DatabaseClusterProps,
  DatabaseInstance,
  DatabaseInstanceEngine,
  type DatabaseInstanceProps,
  PostgresEngineVersion,
} from 'aws-cdk-lib/aws-rds'
import type { Construct } from 'constructs'
import { DatabaseServer, type OfRds } from '../../../infra/database/server.ts'
import type { ViewkeeperProps } from '../../../infra/props.ts'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'

/** An app of somebody else's. Files of functions are not copied into it. */
export const ownApp = (): App =>
  new App({ context: { 'aws:cdk:bundling-stacks': [], 'aws:cdk:disable-asset-staging': true } })

/** A stack of that app, with a network that has a NAT. */
export function ownStack(props: StackProps = {}): { stack: Stack; vpc: Vpc } {
  const stack = new Stack(ownApp(), 'Own', props)
  return { stack, vpc: ownVpc(stack) }
}

export const ownVpc = (scope: Construct, id = 'Vpc'): Vpc =>
  new Vpc(scope, id, { ipAddresses: IpAddresses.cidr('10.1.0.0/16'), maxAzs: 2, natGateways: 1 })

/** A server of RDS that the app makes, with a secret. */
export const instanceIn = (
  scope: Construct,
  vpc: IVpc,
  id = 'Db',
  more: Partial<DatabaseInstanceProps> = {},
): DatabaseInstance =>
  new DatabaseInstance(scope, id, {
    engine: DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_17 }),
    instanceType: new InstanceType('t4g.medium'),
    vpc,
    databaseName: 'shop',
    storageEncrypted: true,
    ...more,
  })

/** A cluster of Aurora that the app makes, with a secret. */
export const clusterIn = (
  scope: Construct,
  vpc: IVpc,
  more: Partial<DatabaseClusterProps> = {},
): DatabaseCluster =>
  new DatabaseCluster(scope, 'Cluster', {
    engine: DatabaseClusterEngine.auroraPostgres({ version: AuroraPostgresEngineVersion.VER_16_6 }),
    writer: ClusterInstance.serverlessV2('writer'),
    vpc,
    defaultDatabaseName: 'shop',
    storageEncrypted: true,
    ...more,
  })

/** A server of RDS as the props name it. */
export function serverOf(database: OfRds | DatabaseServer): DatabaseServer {
  if ('instanceIdentifier' in database) return DatabaseServer.fromInstance(database)
  return 'clusterIdentifier' in database ? DatabaseServer.fromCluster(database) : database
}

/** Viewkeeper on a server of the app, as environment `test`. */
export const viewkeeperOn = (
  scope: Construct,
  { database, vpc }: { database: OfRds | DatabaseServer; vpc: IVpc },
  more: Partial<ViewkeeperProps> = {},
): Viewkeeper =>
  new Viewkeeper(scope, 'Viewkeeper', {
    environmentName: 'test',
    database: serverOf(database),
    databaseName: 'shop',
    vpc,
    scheduledViews: [],
    ...more,
  })
