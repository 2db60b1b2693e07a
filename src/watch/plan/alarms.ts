import { command } from '../../words/commands.ts'
import type { MeasuredKind } from '../../words/event.ts'
import { runbookOf } from '../../words/problem.ts'

/** The names of the alarms of an environment, without the environment. */
export const alarmNames = [
  'api-errors',
  'dead-letters',
  'failed-batches',
  'incidents',
  'new-dead-letters',
  'silent-monitor',
  'unsent-messages',
] as const
export type AlarmName = (typeof alarmNames)[number]

/** The description of our own alarms: what happened, what to do first, and the section of the runbook. */
export const describeAlarm = (happened: string, first: string, runbook: string): string =>
  `${happened} First: ${first} More: ${runbookOf(runbook)}.`

/** An alarm of Prometheus about what the monitor finds. */
export interface MonitorAlarm {
  /** Its heading in the runbook. */
  name: string
  /** The kind of incidents that sets the alarm off for as long as one is open, or what happens at one moment. */
  of: MeasuredKind | 'slow' | 'lost'
  /** What happened, one sentence. */
  happened: string
  /** What to do first, one sentence. */
  first: string
}

const type = (...words: string[]) => command(words, null)

/** One for each kind of incident, by which Prometheus routes and silences. On AWS, `incidents` is one for all. */
export const monitorAlarms: MonitorAlarm[] = [
  {
    name: 'failed-runs',
    of: 'failing',
    happened:
      'At least one view fails: since a run failed or was lost, none has made its data fresh. Readers still see the data of the last success.',
    first: `${type('ls', '--failed')} names the views; ${type('why', '<view>')} has the error.`,
  },
  {
    name: 'slow-runs',
    of: 'slow',
    happened: 'A refresh took more than twice as long as its view usually does.',
    first: `${type('runs')} shows the durations; ${type('metrics')} what each view usually takes.`,
  },
  {
    name: 'lost-batches',
    of: 'lost',
    happened: 'Nobody advanced a batch for 20 minutes, and the monitor closed it (BatchLost).',
    first: `${type('batches')} names the batch. Start a new one: ${type('refresh', '--all')}.`,
  },
  {
    name: 'stale-views',
    of: 'stale',
    happened: 'The data of at least one view are older than they may be.',
    first: `${type('ls', '--stale')} names the views.`,
  },
  {
    name: 'missing-views',
    of: 'missing',
    happened: 'At least one authored view is not in the database: somebody dropped it.',
    first: `${type('ls', '--missing')} names the views; ${type('migrate', 'up', '--repair')} makes them again.`,
  },
  {
    name: 'lag-missed',
    of: 'lag',
    happened:
      'The target lag of at least one view cannot be kept: its refreshes usually take longer, or all refreshes are more than fit into the time.',
    first: `${type('ls')} names the views and the target lags that work; ${type('why', '<view>')} says why.`,
  },
  {
    name: 'suspended-views',
    of: 'suspended',
    happened:
      'At least one view is suspended: so many of its scheduled refreshes failed in a row that it is tried at growing distances.',
    first: `${type('ls')} names the views and when they are tried next; ${type('why', '<view>')} has the error.`,
  },
  {
    name: 'set-aside-views',
    of: 'aside',
    happened: 'Views have been set aside for more than an hour: their readers get an error.',
    first:
      'npx viewkeeper put-back --dry-run, on the DATABASE_URL of this environment, names the views; npx viewkeeper put-back makes them again.',
  },
]

/** What alarm incidents of an environment says: the mails have the causes. */
export const incidentsOpen = (environment: string) => ({
  happened: 'At least one incident is open: the mail of the monitor has its cause.',
  first: `${command(['ls'], environment)} names the views and what to type.`,
})

/** What alarm silent-monitor of an environment says. */
export const silentMonitor = (environment: string) => ({
  happened:
    'The monitor has published nothing, twice: it failed, or it was not called. Until it looks again, nobody is told of runs and views.',
  first: `aws logs tail /viewkeeper/${environment}/monitor --since 1h shows its errors.`,
})

/** What alarm unsent-messages of an environment says. */
export const unsent = (environment: string) => ({
  happened: 'Messages and events have waited for ten minutes and are not sent: nobody hears of anything.',
  first: `aws logs tail /viewkeeper/${environment}/send --since 1h shows what was refused.`,
})
