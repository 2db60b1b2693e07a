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
    assert.equal(code, 3)
    assert.match(output, /viewkeeper-deploy-test-failed-runs cannot be set off: .+AccessDenied/)
  })

  const publish = (metric: string, value: number, secondsAgo = 0) =>
    aws.putMetric(metricNamespace, metric, dimensions, value, secondsAgo)
  /** Publishes zeros, as the monitor does, until the alarm has forgotten what came before. */
  const quiet = (alarm: string, metric: string) =>
    poll(60, `${alarm} is over`, async () => {
      await publish(metric, 0)
      return (await aws.readAlarmState(`viewkeeper-deploy-test-${alarm}`)) === 'OK' || undefined
    })
  const heard = new Set<string>()
  /** Everything that was mailed about stale views, in order. */
  const mailed = (count: number) =>
    poll(30, `${count} messages about stale views`, async () => {
      for (const text of await aws.receive(queue)) heard.add(text)
      const about = [...heard]
        .map((text): AlarmMessage => JSON.parse(text))
        .filter(({ AlarmName }) => AlarmName.includes('stale-views'))
      return about.length >= count ? about : undefined
    })

  const becomeStaleTwice = async () => {
    // The alarm of news looks at three minutes, the other at one: they are over some seconds later.
    await publish(metricNames.viewsStale, 1, 50)
    await publish(metricNames.viewsStaleTold, 1, 170)
    const [first] = await mailed(1)
    assertMessage(first!, 'stale-views', metricNames.viewsStaleTold)
    await quiet('stale-views', metricNames.viewsStaleTold)
    await publish(metricNames.viewsStaleTold, 1)
    await mailed(2)
    await quiet('stale-views-over', metricNames.viewsStale)
    return mailed(3)
  }
  const told = (messages: AlarmMessage[]) =>
    messages.map(({ AlarmName, NewStateValue }) => `${AlarmName.slice(23)} ${NewStateValue}`).join(', ')
  const messages = await stage(
    'two newly stale views are two mails, and one when both are fresh',
    becomeStaleTwice,
    told,
  )
  assert.equal(told(messages), 'stale-views ALARM, stale-views ALARM, stale-views-over OK')
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
