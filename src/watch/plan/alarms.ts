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
