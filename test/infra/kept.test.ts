import { Stack } from 'aws-cdk-lib'
import { expect, test } from 'vitest'
import { instanceIn, ownApp, ownVpc, viewkeeperOn } from './support/own-app.ts'
import { databases, kinds, Synthesized } from './support/synth.ts'

/**
 * What holds data, passwords or confirmed addresses, by its type, and the properties for which CloudFormation replaces it. A
 * secret is not replaced for `GenerateSecretString`, but gets another password.
 */
const replacing: Record<string, string[]> = {
  'AWS::EC2::Subnet': [
    'AvailabilityZone',
    'AvailabilityZoneId',
    'CidrBlock',
    'Ipv6Native',
    'OutpostArn',
    'VpcId',
  ],
  'AWS::EC2::VPC': ['CidrBlock', 'InstanceTenancy', 'Ipv4IpamPoolId'],
  'AWS::RDS::DBInstance': [
    'AvailabilityZone',
    'BackupTarget',
    'CharacterSetName',
    'CustomIAMInstanceProfile',
    'DBClusterIdentifier',
    'DBInstanceIdentifier',
    'DBName',
    'DBSnapshotIdentifier',
    'DBSubnetGroupName',
    'Engine',
    'KmsKeyId',
    'MasterUsername',
    'NcharCharacterSetName',
    'Port',
    'SourceDBInstanceIdentifier',
    'StorageEncrypted',
    'Timezone',
  ],
  'AWS::RDS::DBSubnetGroup': ['DBSubnetGroupName', 'SubnetIds'],
  'AWS::SNS::Subscription': ['Endpoint', 'Protocol', 'TopicArn'],
  'AWS::SNS::Topic': ['FifoTopic', 'TopicName'],
  'AWS::SQS::Queue': ['FifoQueue', 'QueueName'],
  'AWS::SecretsManager::Secret': ['GenerateSecretString', 'Name'],
}

/** These resources of a stack, by their logical ids, each with these properties. The subscriptions of functions lose nothing. */
const keptOf = ({ template }: Synthesized): Record<string, object> =>
  Object.fromEntries(
    Object.entries(template.toJSON().Resources as Record<string, { Type: string; Properties: object }>)
      .filter(
        ([, { Type, Properties }]) =>
          Type in replacing && !('RedrivePolicy' in Properties && Type === 'AWS::SNS::Subscription'),
      )
      .map(([id, { Type, Properties }]) => [
        id,
        Object.fromEntries(Object.entries(Properties).filter(([name]) => replacing[Type]?.includes(name))),
      ]),
  )

const passwordOf = (username: string) => ({
  GenerateSecretString: {
    ExcludePunctuation: true,
    GenerateStringKey: 'password',
    PasswordLength: 40,
    SecretStringTemplate: JSON.stringify({ username }),
  },
})
const zone = (index: number) => ({ 'Fn::Select': [index, { 'Fn::GetAZs': '' }] })
const mailed = (address: string, topic: string) => ({
  Endpoint: address,
  Protocol: 'email',
  TopicArn: { Ref: topic },
})

/** On a server of another stack. */
function construct(): Synthesized {
  const app = ownApp()
  const first = new Stack(app, 'First')
  const vpc = ownVpc(first)
  const second = new Stack(app, 'Second')
  viewkeeperOn(second, { database: instanceIn(first, vpc), vpc }, { alarmEmails: ['one@example.com'] })
  return new Synthesized(second)
}

// A change of this list is a change of what deployed environments keep: CHANGELOG.md has to say how to upgrade.
test.each<[string, Synthesized, Record<string, object>]>([
  [
    'an environment',
    kinds.created,
    {
      SecretViewkeeperTestRoleDD23BF36: passwordOf('viewkeeper_app'),
      QueueViewkeeperTestDeadLettersA597D725: { QueueName: 'viewkeeper-test-dead-letters' },
      TopicViewkeeperTestMail0F979383: { TopicName: 'viewkeeper-test-mail' },
      Subscription4F1CEA7C: mailed('one@example.com', 'TopicViewkeeperTestMail0F979383'),
      Subscription438374C4: mailed('two@example.com', 'TopicViewkeeperTestMail0F979383'),
      TopicViewkeeperTestNoticesE673FBAC: { TopicName: 'viewkeeper-test-notices' },
    },
  ],
  [
    'its created database',
    databases.created,
    {
      DatabaseNetworkVpcFEC1D438: { CidrBlock: '10.0.0.0/16', InstanceTenancy: 'default' },
      DatabaseNetworkVpcisolatedSubnet1Subnet77634757: {
        AvailabilityZone: zone(0),
        CidrBlock: '10.0.0.0/24',
        VpcId: { Ref: 'DatabaseNetworkVpcFEC1D438' },
      },
      DatabaseNetworkVpcisolatedSubnet2Subnet50D4F401: {
        AvailabilityZone: zone(1),
        CidrBlock: '10.0.1.0/24',
        VpcId: { Ref: 'DatabaseNetworkVpcFEC1D438' },
      },
      DatabasePostgresInstanceSubnetGroup5C98ED8D: {
        SubnetIds: [
          { Ref: 'DatabaseNetworkVpcisolatedSubnet1Subnet77634757' },
          { Ref: 'DatabaseNetworkVpcisolatedSubnet2Subnet50D4F401' },
        ],
      },
      DBInstanceViewkeeperTest13812679: {
        DBInstanceIdentifier: 'viewkeeper-test',
        DBName: 'app',
        DBSubnetGroupName: { Ref: 'DatabasePostgresInstanceSubnetGroup5C98ED8D' },
        Engine: 'postgres',
        MasterUsername: 'viewkeeper_admin',
        Port: '5432',
        StorageEncrypted: true,
      },
    },
  ],
  [
    'a construct, whatever its id',
    construct(),
    {
      SecretViewkeeperTestRoleDD23BF36: passwordOf('viewkeeper_app_test'),
      QueueViewkeeperTestDeadLettersA597D725: { QueueName: 'viewkeeper-test-dead-letters' },
      TopicViewkeeperTestMail0F979383: { TopicName: 'viewkeeper-test-mail' },
      Subscription4F1CEA7C: mailed('one@example.com', 'TopicViewkeeperTestMail0F979383'),
      TopicViewkeeperTestNoticesE673FBAC: { TopicName: 'viewkeeper-test-notices' },
    },
  ],
])('an upgrade of %s keeps its data, passwords and confirmed addresses', (_, stack, kept) => {
  expect(keptOf(stack)).toEqual(kept)
})

/**
 * What has a fixed name, and what belongs to it. Under another id CloudFormation would make it anew before it removes the old one,
 * and fail: the name is taken.
 */
const fixed = [
  'AlarmViewkeeperTestApiErrors6B6D19FA',
  'AlarmViewkeeperTestDatabaseConnections5ADCA710',
  'AlarmViewkeeperTestDatabaseStorageA3A1C294',
  'AlarmViewkeeperTestDeadLettersA597D725',
  'AlarmViewkeeperTestNewDeadLetters574F8ABA',
  'AlarmViewkeeperTestSilentMonitor603F49B5',
  'DashboardViewkeeperTest13812679',
  'LogGroupAwsVendedlogsViewkeeperTestApi71E545D9',
  'LogGroupAwsVendedlogsViewkeeperTestBatches85696523',
  'LogGroupViewkeeperTestApi0DC663C0',
  'LogGroupViewkeeperTestBatchE825B88B',
  'LogGroupViewkeeperTestCreateCBE32426',
  'LogGroupViewkeeperTestDeploy8AE555F3',
  'LogGroupViewkeeperTestDrop8A15EA0F',
  'LogGroupViewkeeperTestMigrateD414B869',
  'LogGroupViewkeeperTestMonitor7C772DB3',
  'LogGroupViewkeeperTestPruneA5C62B70',
  'LogGroupViewkeeperTestRefresh4CEFB736',
  'LogGroupViewkeeperTestStartBatch04C39C72',
  'ManagedPolicyViewkeeperTestOperate7B8BCA6F',
  'ManagedPolicyViewkeeperTestRead51E9077D',
  'ManagedPolicyViewkeeperTestRefreshCC7FC48E',
  'ParameterViewkeeperTest20BCF0B9',
  'QueuePolicy4019DC90',
  'ScheduleGroupViewkeeperTest13812679',
  'ScheduleTest06XX15EuropeBerlin2b6ccb0fccBC0FCB08',
  'ScheduleTestNightlyA80F3E96',
  'ScheduleTestPrune7455A891',
  'ScheduleTestSend85E0B453',
  'ScheduleTestX15XXXXEtcUTC465be62e4fAD739B99',
  'TopicPolicy295400E2',
  'TopicPolicy3C97E7DC',
  'LogGroupAwsRdsInstanceViewkeeperTestPostgresql91AE5D0C',
  'LogGroupAwsRdsInstanceViewkeeperTestUpgrade53062789',
]

test('an upgrade of an environment keeps the logical id of everything that has a fixed name', () => {
  const ids = [kinds.created, databases.created].flatMap(({ template }) =>
    Object.keys(template.toJSON().Resources),
  )
  expect(fixed.filter((id) => !ids.includes(id))).toEqual([])
})
