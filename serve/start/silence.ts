import { describeAlarm, silentMonitor } from '../../src/watch/plan/alarms.ts'

/**
 * Tells, in lines, what alarm silent-monitor mails: if two looks in turn are missing, and when one succeeds again. The answer
 * takes each look, and whether it succeeded.
 */
export function watchSilence(tell: (lines: string[]) => void): (succeeded: boolean) => void {
  let missed = 0
  return (succeeded) => {
    if (succeeded && missed > 1) tell(mailOf('OK'))
    missed = succeeded ? 0 : missed + 1
    if (missed === 2) tell(mailOf('ALARM'))
  }
}

/** The subject and the description of the mail, as CloudWatch writes it. */
function mailOf(state: 'ALARM' | 'OK'): string[] {
  const { happened, first } = silentMonitor('local')
  return [
    `deployed, CloudWatch would mail now: ${state}: "viewkeeper-local-silent-monitor"`,
    ...(state === 'OK' ? [] : [`  ${describeAlarm(happened, first, 'silent-monitor')}`]),
  ]
}
