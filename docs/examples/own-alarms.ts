import type { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch'
import type { Viewkeeper } from 'viewkeeper/cdk'

/** Leaves an alarm out, and moves a threshold. */
export function changeAlarms({ alarms }: Viewkeeper): void {
  alarms['dead-letters']?.node.scope?.node.tryRemoveChild('dead-letters')

  const apiErrors = alarms['api-errors']?.node.defaultChild as CfnAlarm
  apiErrors.threshold = 5
}
