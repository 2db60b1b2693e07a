import { Duration, Stack } from 'aws-cdk-lib'
import { IpAddresses, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { DatabaseInstance, DatabaseInstanceEngine, PostgresEngineVersion } from 'aws-cdk-lib/aws-rds'
import { Topic } from 'aws-cdk-lib/aws-sns'
import type { Construct } from 'constructs'

/** What the company had before: its network, its server, and the topic that wakes people. */
export class ShopStack extends Stack {
  readonly vpc: Vpc
  readonly database: DatabaseInstance
  readonly pager: Topic

  constructor(scope: Construct, id: string) {
    super(scope, id)
    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.20.0.0/16'),
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED }],
    })
    this.database = new DatabaseInstance(this, 'Database', {
      engine: DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_17 }),
      vpc: this.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      databaseName: 'shop',
      storageEncrypted: true,
      multiAz: true,
      backupRetention: Duration.days(14),
    })
    this.pager = new Topic(this, 'Pager')
  }
}
