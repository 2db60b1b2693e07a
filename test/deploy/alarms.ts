import assert from 'node:assert/strict'
import { metricDimensions, metricNames, metricNamespace } from '../../src/edge/metrics/names.ts'
import type { Deployed } from './support/deployed.ts'
import { poll, stage } from './support/transcript.ts'
import { alarmPolicy, refreshPolicy } from './test-environment.ts'

const dimensions = metricDimensions('deploy-test')

/** Sets two alarms off, one by the command line and one by its metric, and waits for what they send. */
export async function soundAlarms({ aws, api, project, topicArn }: Deployed): Promise<void> {
  const queue = await aws.subscribeQueue('alarms-of-deploy-test', topicArn)
  const hear = (alarm: string, metric: string) =>
    poll(30, `the message of ${alarm}`, async () => {
      const messages = (await aws.receive(queue)).map((text): AlarmMessage => JSON.parse(text))
      const message = messages.find(({ AlarmName }) => AlarmName === `viewkeeper-deploy-test-${alarm}`)
      if (message) assertMessage(message, alarm, metric)
      return message
    })
  const reason = ({ NewStateReason }: AlarmMessage) => NewStateReason

  const testAlarm = async () => {
    const operator = await aws.createUser('operator', alarmPolicy)
    const { code, output } = await project.command(operator, 'test-alarm')
    assert.equal(code, 0, output)
    const message = await hear('failed-runs', metricNames.runsFailed)
    assert.match(message.NewStateReason, /^A test of the mail, .+Nothing new is wrong\.$/)
    return message
  }
  await stage('viewkeeper test-alarm --env sends an alarm', testAlarm, reason)
  await stage('… for nobody who may not set it off', async () => {
    const other = await aws.createUser('neighbour', refreshPolicy(api.id))
    const { code, output } = await project.command(other, 'test-alarm')
    assert.equal(code, 1)
    assert.match(output, /viewkeeper-deploy-test-failed-runs cannot be set off: .+AccessDenied/)
  })
  const putMetric = async () => {
    await aws.putMetric(metricNamespace, metricNames.viewsStale, dimensions, 1)
    return hear('stale-views', metricNames.viewsStale)
  }
  await stage('a metric that is too high sends its alarm', putMetric, reason)
}

/**
 * The emulator takes a metric of any dimensions for the alarm's; CloudWatch does not. Hence the alarm's own,
 * as its message tells them, have to be those that the monitor publishes (assertMetrics).
 */
function assertMessage(message: AlarmMessage, alarm: string, metric: string): void {
  assert.equal(message.NewStateValue, 'ALARM')
  assert.ok(message.AlarmDescription.endsWith(` More: docs/runbook.md, ${alarm}.`), message.AlarmDescription)
  const { Namespace, MetricName, Dimensions } = message.Trigger
  assert.deepEqual([Namespace, MetricName], [metricNamespace, metric])
  assert.deepEqual(Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name, Value])), dimensions)
}

interface AlarmMessage {
  AlarmName: string
  AlarmDescription: string
  NewStateValue: string
  NewStateReason: string
  Trigger: { Namespace: string; MetricName: string; Dimensions: { Name: string; Value: string }[] }
}
