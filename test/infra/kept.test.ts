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
      DeadLettersQueue631681B1: { QueueName: 'viewkeeper-test-dead-letters' },
      TopicsalarmsFDBF4EBA: { TopicName: 'viewkeeper-test-alarms' },
      Topicsmail19F15CA7: { TopicName: 'viewkeeper-test-mail' },
      Topicsmailoneexamplecom870F3489: mailed('one@example.com', 'Topicsmail19F15CA7'),
      TopicsmailtwoexamplecomAC56B6CC: mailed('two@example.com', 'Topicsmail19F15CA7'),
      Topicsnotices67C8FE4E: { TopicName: 'viewkeeper-test-notices' },
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
      DatabaseRoleSecret0F61BE48: passwordOf('viewkeeper_app'),
      DatabasePostgresInstanceSubnetGroup5C98ED8D: {
        SubnetIds: [
          { Ref: 'DatabaseNetworkVpcisolatedSubnet1Subnet77634757' },
          { Ref: 'DatabaseNetworkVpcisolatedSubnet2Subnet50D4F401' },
        ],
      },
      DatabasePostgresInstance42E93D6F: {
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
      TopicViewkeeperTestAlarms22A20CB6: { TopicName: 'viewkeeper-test-alarms' },
      TopicViewkeeperTestMail0F979383: { TopicName: 'viewkeeper-test-mail' },
      Subscription4F1CEA7C: mailed('one@example.com', 'TopicViewkeeperTestMail0F979383'),
      TopicViewkeeperTestNoticesE673FBAC: { TopicName: 'viewkeeper-test-notices' },
    },
  ],
])('an upgrade of %s keeps its data, passwords and confirmed addresses', (_, stack, kept) => {
  expect(keptOf(stack)).toEqual(kept)
})
