import type { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { Viewkeeper } from 'viewkeeper/cdk'

/** Leaves an alarm out, moves a threshold, and tells a pager of each trouble, when it begins and when it ends. */
export function changeAlarms({ alarms }: Viewkeeper, pager: ITopic): void {
  alarms['slow-runs']?.node.scope?.node.tryRemoveChild('slow-runs')

  const apiErrors = alarms['api-errors']?.node.defaultChild as CfnAlarm
  apiErrors.threshold = 5

  for (const [name, alarm] of Object.entries(alarms)) {
    // dead-letters lasts as long as letters wait: the news of each one would open a second incident.
    if (name === 'new-dead-letters') continue
    alarm.addAlarmAction(new SnsAction(pager))
    alarm.addOkAction(new SnsAction(pager))
  }
}
