import { troubles } from '../../events/plan/troubles.ts'

/** The names of the alarms of an environment, without the environment. */
export const alarmNames = [
  'announce-errors',
  'api-errors',
  'dead-letters',
  'failed-batches',
  'failed-runs',
  'lag-missed',
  'lost-batches',
  'missing-views',
  'new-dead-letters',
  'rotate-errors',
  'set-aside-views',
  'silent-monitor',
  'slow-runs',
  'stale-views',
  'suspended-views',
] as const
export type AlarmName = (typeof alarmNames)[number]

/** Those of a created database, which no prop changes. */
export const databaseAlarmNames = ['database-connections', 'database-storage'] as const

/** Kinds of news of views, by the alarms that go off for them. */
export const newsKinds = ['slow', 'batches', ...troubles] as const
export type NewsKind = (typeof newsKinds)[number]

/** The kind of news that an alarm is about, by the alarm's name; null if views have nothing to do with it. */
export const newsKindOf = (alarm: string): NewsKind | null => kindsOfAlarms[alarm] ?? null

const kindsOfAlarms: Partial<Record<string, NewsKind>> = {
  'failed-runs': 'failing',
  'slow-runs': 'slow',
  'lost-batches': 'batches',
  'failed-batches': 'batches',
  'stale-views': 'stale',
  'missing-views': 'missing',
  'lag-missed': 'lag',
  'suspended-views': 'suspended',
  'set-aside-views': 'aside',
} satisfies Partial<Record<AlarmName, NewsKind>>

/** What alarm silent-monitor of an environment says. */
export const silentMonitor = (environment: string) => ({
  happened:
    'The monitor has published nothing, twice: it failed, or it was not called. No other alarm about runs and views goes off.',
  first: `aws logs tail /viewkeeper/${environment}/monitor --since 1h shows its errors.`,
})
