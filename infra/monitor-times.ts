import { Duration } from 'aws-cdk-lib'

/** Everything that follows from how often the monitor looks. */
export interface MonitorTimes {
  /** The time between two looks. In each such period of a metric is one look, seldom none or two. */
  interval: Duration
  /** Two such periods in a row without a look are an alarm. */
  silence: Duration
  /** How often Lambda repeats a look that failed: after one minute, and after two more. */
  retries: number
}

/** EventBridge Scheduler calls the monitor up to a minute late. */
const lateMinutes = 1

/**
 * The times of a monitor that looks every 1 to 60 minutes. Null if nothing calls the monitor.
 *
 * CloudWatch evaluates an alarm every minute, on the time before, and mails only if the alarm was quiet in between. An alarm
 * looks at three minutes or more, because a number may reach CloudWatch a minute or two late. After this time the alarm is
 * quiet. The next telling comes at least half an interval later, and never sooner than after five minutes.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html
 */
export function monitorTimes(everyMinutes: number | false): MonitorTimes | null {
  if (everyMinutes === false) return null
  return {
    interval: Duration.minutes(everyMinutes),
    silence: Duration.minutes(Math.max(5, everyMinutes + lateMinutes)),
    // A look that failed is repeated if the next one is far: a database that has paused for days may take longer to wake than a look waits.
    retries: everyMinutes < 5 ? 0 : 2,
  }
}
