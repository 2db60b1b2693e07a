import { describeAlarm } from '../watch/mails/alarm-words.ts'
import type { Monitored } from '../watch/monitor.ts'
import { silentMonitor } from '../watch/plan/alarms.ts'
import { type Handler, invoke } from '../../serve/http/invoke.ts'

interface Options {
  /** Never calls the monitor, as if it had stopped. */
  isStopped?: boolean | undefined
  everyMs?: number
  /** Tells a person, in lines. */
  tell: (lines: string[]) => void
}

/**
 * Calls the monitor at once, and again every minute, as the schedule of a deployed environment does. If refreshes are due by
 * target lags, starts their batch. If two looks in turn are missing, tells what alarm silent-monitor mails, and tells its
 * end. Returns a function that stops it.
 */
export function startMonitor(
  handler: Handler,
  execute: (event: object) => Promise<unknown>,
  { isStopped = false, everyMs = 60_000, tell }: Options,
): () => Promise<void> {
  const event = { trigger: 'schedule', schedule: 'monitor' }
  const look = async () => {
    const { due } = (await invoke('monitor', handler, event)) as Monitored
    if (due > 0) await execute({ trigger: 'schedule', due: true })
  }
  let missed = 0
  const call = async () => {
    try {
      if (!isStopped) await look()
    } catch (error) {
      console.error(error)
      return miss()
    }
    if (isStopped) return miss()
    if (missed > 1) tell(mailOf('OK'))
    missed = 0
  }
  const miss = () => {
    missed++
    if (missed === 2) tell(mailOf('ALARM'))
  }
  let current = call()
  const timer = setInterval(() => {
    current = current.then(call)
  }, everyMs)
  return async () => {
    clearInterval(timer)
    await current
  }
}

/** The subject and the description of the mail, as CloudWatch writes it: `notify` has no part in it. */
function mailOf(state: 'ALARM' | 'OK'): string[] {
  const { happened, first } = silentMonitor('local')
  return [
    `deployed, CloudWatch would mail now: ${state}: "viewkeeper-local-silent-monitor"`,
    ...(state === 'OK' ? [] : [`  ${describeAlarm(happened, first, 'silent-monitor')}`]),
  ]
}
