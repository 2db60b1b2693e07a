import { CloudWatchClient, SetAlarmStateCommand } from '@aws-sdk/client-cloudwatch'
import { Problem } from '../../src/problem.ts'
import { report } from '../report.ts'

/**
 * Sets an alarm off for a moment, to see its mail arrive: CloudWatch puts it back to what its metric says with the next
 * look. Nothing else is touched.
 */
export async function testAlarm({ env, alarm }: { env: string; alarm: string }): Promise<void> {
  const name = `viewkeeper-${env}-${alarm}`
  try {
    await new CloudWatchClient({}).send(
      new SetAlarmStateCommand({
        AlarmName: name,
        StateValue: 'ALARM',
        StateReason: 'A test: somebody wanted to see whether the mail arrives. Nothing is wrong.',
      }),
    )
  } catch (cause) {
    throw new Problem(
      'InvalidRequest',
      `${name} cannot be set off: ${(cause as Error).message} (${(cause as Error).name}).`,
      { cause },
    )
  }
  report.success(`${name} is in alarm for a moment; its mail goes to whoever has confirmed the subscription`)
}
