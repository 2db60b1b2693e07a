import { docsOf, runbookOf } from '../../sql/runbook.ts'
import { newsKindOf } from '../plan/alarms.ts'
import type { Alarm } from '../plan/notice-facts.ts'

/** The reason that the runbook gives to CloudWatch, to set an alarm off for a test. */
export const testReason = 'A test of the mail'

/** The description of our own alarms: what happened, what to do first, and the section of the runbook. */
export const describeAlarm = (happened: string, first: string, runbook: string): string =>
  `${happened} First: ${first} More: ${runbookOf(runbook)}.`

const described = new RegExp(`^(.+) First: (.+) More: ${docsOf('runbook.md')}#([a-z-]+)\\.$`, 's')

/** A number may reach CloudWatch late, and CloudWatch may evaluate late. */
const lateMs = 15 * 60_000
/** Our own descriptions are shorter. */
const longestDescription = 4000
/** If CloudWatch does not say how far an alarm looks back. */
const usualWindowMs = 60 * 60_000

/**
 * Reads what CloudWatch publishes when the state of an alarm changes. Null if the text is anything else. Fields that
 * CloudWatch leaves out do not matter.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
 */
export function readAlarm(text: string, environment: string, now: Date): Alarm | null {
  const message = parsed(text)
  const { AlarmName, AlarmDescription, NewStateValue, NewStateReason, StateChangeTime, Trigger } = message
  if (typeof AlarmName !== 'string' || typeof NewStateValue !== 'string') return null
  const prefix = `viewkeeper-${environment}-`
  const name = AlarmName.startsWith(prefix) ? AlarmName.slice(prefix.length) : AlarmName
  const description =
    typeof AlarmDescription === 'string' ? AlarmDescription.slice(0, longestDescription) : ''
  const [, happened, first, section] = described.exec(description) ?? []
  const reason = typeof NewStateReason === 'string' ? NewStateReason : ''
  const changed = timeOf(StateChangeTime)
  const { Period, EvaluationPeriods } = (Trigger ?? {}) as Record<string, unknown>
  const windowMs = Number(Period) * Number(EvaluationPeriods) * 1000 || usualWindowMs
  return {
    words: {
      name,
      state: NewStateValue,
      happened: happened ?? (description || `Alarm ${AlarmName} is in state ${NewStateValue}.`),
      first: first ?? null,
      runbook: section ?? null,
      reason,
      at: changed,
      test: reason === testReason,
    },
    kind: AlarmName.startsWith(prefix) ? newsKindOf(name) : null,
    since: new Date((changed ?? now).getTime() - windowMs - lateMs),
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** CloudWatch writes `2026-11-20T09:03:12.345+0000`, which is not quite ISO 8601. */
function timeOf(value: unknown): Date | null {
  const time = new Date(String(value).replace(/([+-]\d\d)(\d\d)$/, '$1:$2'))
  return Number.isNaN(time.getTime()) ? null : time
}
