import { runbookOf } from '../../sql/runbook.ts'

/** The description of our own alarms: what happened, what to do first, and the section of the runbook. */
export const describeAlarm = (happened: string, first: string, runbook: string): string =>
  `${happened} First: ${first} More: ${runbookOf(runbook)}.`
