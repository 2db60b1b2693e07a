import { Duration, Stack } from 'aws-cdk-lib'
import { InstanceType, IpAddresses, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import {
  DatabaseInstance,
  DatabaseInstanceEngine,
  ParameterGroup,
  PostgresEngineVersion,
} from 'aws-cdk-lib/aws-rds'
import type { Construct } from 'constructs'

/** A PostgreSQL of RDS in a network without a way to the internet. If the first deploy of Viewkeeper fails, it stays. */
export class DatabaseStack extends Stack {
  readonly vpc: Vpc
  readonly database: DatabaseInstance

  constructor(scope: Construct, id: string) {
    super(scope, id, { terminationProtection: true })
    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.30.0.0/16'),
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED }],
    })
    const engine = DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_17 })
    this.database = new DatabaseInstance(this, 'Database', {
      engine,
      instanceType: new InstanceType('t4g.medium'),
      vpc: this.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      databaseName: 'shop',
      parameterGroup: new ParameterGroup(this, 'Parameters', {
        engine,
        parameters: {
          'rds.force_ssl': '1',
          // A refresh writes its whole view to the write-ahead log: fewer checkpoints write fewer full pages.
          max_wal_size: '4096', // MB
          checkpoint_timeout: '900', // seconds
        },
      }),
      storageEncrypted: true,
      allocatedStorage: 20,
      maxAllocatedStorage: 200,
      multiAz: true,
      backupRetention: Duration.days(14),
      deletionProtection: true,
      cloudwatchLogsExports: ['postgresql', 'upgrade'],
    })
  }
}
