import type { StateValue } from '@aws-sdk/client-cloudwatch'
import { type Command, Option } from 'commander'
import { clientSettings } from '../../../src/edge/lambda/aws-client.ts'
import { testReason } from '../../../src/mails/alarm-words.ts'
import { Problem } from '../../../src/problem.ts'
import { report } from '../../../src/terminal/report.ts'
import { awsProblem } from '../../api/aws.ts'
import { regionOf } from '../../project/config.ts'

/** Declares `test-alarm`. */
export function addTo(program: Command): void {
  program
    .command('test-alarm')
    .argument('[alarm]', 'the alarm, as the runbook names it', 'failed-runs')
    .description('set an alarm off for a moment, to see its mail')
    .addOption(
      new Option('--env <name>', 'the deployed environment').env('VIEWKEEPER_ENV').makeOptionMandatory(),
    )
    .action((alarm, { env }) => testAlarm({ env, alarm }))
}

/**
 * Sets an alarm off for a moment, also if the alarm is on already, so that somebody can see its mail arrive.
 * CloudWatch sets the alarm to the state of its metric at the alarm's next evaluation. Nothing else is
 * changed.
 */
export async function testAlarm({ env, alarm }: { env: string; alarm: string }): Promise<void> {
  const { CloudWatchClient, SetAlarmStateCommand } = await import('@aws-sdk/client-cloudwatch')
  const name = `viewkeeper-${env}-${alarm}`
  const cloudWatch = new CloudWatchClient({
    region: await regionOf(env),
    ...clientSettings({ requestMs: 10_000, attempts: 2 }),
  })
  const set = (state: StateValue) =>
    cloudWatch.send(new SetAlarmStateCommand({ AlarmName: name, StateValue: state, StateReason: testReason }))
  try {
    // Only a change of state to ALARM sends a mail.
    await set('OK')
    await set('ALARM')
  } catch (thrown) {
    const cause = thrown as Error
    if (cause.message.includes('Region is missing')) throw awsProblem(cause)
    const code = cause.name === 'ResourceNotFound' ? 'InvalidRequest' : 'FunctionUnavailable'
    throw new Problem(code, `${name} cannot be set off: ${cause.message} (${cause.name}).`, { cause })
  }
  report.success(
    `${name} is in alarm for a moment; its mail goes to every address that has confirmed the subscription`,
  )
}
