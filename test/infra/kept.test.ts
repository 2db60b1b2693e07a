import { expect, test } from 'vitest'
import { kinds } from './support/synth.ts'

/** What has a fixed name, by its type and the property that has the name. */
const named: Record<string, string> = {
  'AWS::CloudWatch::Alarm': 'AlarmName',
  'AWS::CloudWatch::Dashboard': 'DashboardName',
  'AWS::IAM::ManagedPolicy': 'ManagedPolicyName',
  'AWS::Logs::LogGroup': 'LogGroupName',
  'AWS::SNS::Topic': 'TopicName',
  'AWS::SQS::Queue': 'QueueName',
  'AWS::SSM::Parameter': 'Name',
  'AWS::Scheduler::Schedule': 'Name',
  'AWS::Scheduler::ScheduleGroup': 'Name',
}

// Under another id CloudFormation would make it anew before it removes the old one, and fail: the name is taken. So a change of
// this list is one that a deployed environment does not survive.
test('an upgrade of an environment keeps the logical id of everything that has a fixed name, and of the secret', () => {
  const ids = Object.entries(named).flatMap(([type, field]) =>
    kinds.created.resources(type).flatMap(([id, { Properties }]) => (field in Properties ? [id] : [])),
  )
  const [secret] = kinds.created.one('AWS::SecretsManager::Secret')
  expect([...ids, secret].sort()).toEqual(fixed)
})

const fixed: string[] = [
  'ViewkeeperAlarmsapierrorsE50E886C',
  'ViewkeeperAlarmsdeadletters6040C433',
  'ViewkeeperAlarmsnewdeadletters68ADF984',
  'ViewkeeperAlarmssilentmonitorA09FA6D6',
  'ViewkeeperAlarmsunsentmessages83D705A1',
  'ViewkeeperApiAccessLog39D8D8B6',
  'ViewkeeperBatchesLogs17D4944C',
  'ViewkeeperDashboard1C38E8D5',
  'ViewkeeperDatabaseRoleSecret04AFAB73',
  'ViewkeeperDeadLettersE21BE08A',
  'ViewkeeperFunctionsapiLogs6E6610A2',
  'ViewkeeperFunctionsbatchLogsDC3B9252',
  'ViewkeeperFunctionscreateLogs2A858656',
  'ViewkeeperFunctionsdropLogs05753FF8',
  'ViewkeeperFunctionsmigrateLogs044E8001',
  'ViewkeeperFunctionsmonitorLogs1A787C56',
  'ViewkeeperFunctionspruneLogs485A5542',
  'ViewkeeperFunctionsrefreshLogs0E96D7E7',
  'ViewkeeperFunctionssendLogs5B77A092',
  'ViewkeeperFunctionsstartbatchLogs6B3B813D',
  'ViewkeeperMigrationdeployLogsF7685228',
  'ViewkeeperParametertest',
  'ViewkeeperPoliciesdefine66B9B0C3',
  'ViewkeeperPoliciesoperate7E12DD20',
  'ViewkeeperPoliciesread30E92222',
  'ViewkeeperPoliciesrefreshE44D71D7',
  'ViewkeeperSchedules06xx15EuropeBerlin2b6ccb0fcc15D47122',
  'ViewkeeperSchedulesGroup5BDAA332',
  'ViewkeeperSchedulesnightlyF6F99039',
  'ViewkeeperSchedulespruneB5D048A6',
  'ViewkeeperSchedulessendBBEE355C',
  'ViewkeeperSchedulesx15xxxxEtcUTC465be62e4f04FC6321',
  'ViewkeeperTopicsmail6CFD7331',
  'ViewkeeperTopicsnotices1E94A4C3',
]
