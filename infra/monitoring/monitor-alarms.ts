import { ComparisonOperator, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import type { Construct } from 'constructs'
import { metricNames } from '../../src/edge/metrics/names.ts'
import { command } from '../../src/sql/commands.ts'
import { silentMonitor } from '../../src/watch/plan/alarms.ts'
import type { MonitorTimes } from '../environment/monitor-times.ts'
import { type AlarmOptions, type AlarmPlace, addAlarm } from './alarm.ts'
import { ownMetric } from './own-metric.ts'

type Texts = Pick<AlarmOptions, 'name' | 'happened' | 'first'>

/** The alarms about what the monitor publishes, and about a monitor that is silent. */
export function addMonitorAlarms(scope: Construct, place: AlarmPlace, times: MonitorTimes): void {
  const { environmentName } = place
  const type = (...words: string[]) => command(words, environmentName)
  const metric = (name: string, statistic: string, period = times.interval) =>
    ownMetric(environmentName, name, statistic, { period })

  /** Something that happened at one moment. The number falls back to zero at the next look, so the alarm is over by itself. */
  const addEvent = (metricName: string, texts: Texts) =>
    addAlarm(scope, place, {
      ...texts,
      metric: metric(metricName, Stats.SUM),
      periods: times.newsPeriods,
    })

  /**
   * A trouble that lasts: the alarm lasts as long as one view has it. The function `notify`, called by the clock, tells
   * people of the next views. While the monitor is silent, nobody knows whether the trouble is over, so missing numbers
   * change nothing.
   */
  const addTrouble = (metricName: string, texts: Texts) =>
    addAlarm(scope, place, {
      ...texts,
      metric: metric(metricName, Stats.MAXIMUM),
      missing: TreatMissingData.IGNORE,
      mails: ['begin', 'end'],
    })

  addTrouble(metricNames.viewsFailed, {
    name: 'failed-runs',
    happened:
      'At least one view fails: since a run failed or was lost, none has made its data fresh. Readers still see the data of the last success.',
    first: `${type('ls', '--failed')} names the views; ${type('why', '<view>')} has the error.`,
  })
  addEvent(metricNames.runsSlow, {
    name: 'slow-runs',
    happened: 'A refresh took more than twice as long as its view usually does.',
    first: `${type('runs')} shows the durations; the dashboard's panel Slow refreshes has the usual ones.`,
  })
  addEvent(metricNames.batchesLost, {
    name: 'lost-batches',
    happened: 'Nobody advanced a batch for 20 minutes, and the monitor closed it (BatchLost).',
    first: `${type('batches')} names the batch. Start a new one: ${type('refresh', '--all')}.`,
  })
  addTrouble(metricNames.viewsStale, {
    name: 'stale-views',
    happened: 'The data of at least one view are older than they may be.',
    first: `${type('ls', '--stale')} names the views.`,
  })
  addTrouble(metricNames.viewsMissing, {
    name: 'missing-views',
    happened: 'At least one authored view is not in the database: somebody dropped it.',
    first: `${type('ls', '--missing')} names the views; ${type('migrate', 'up', '--repair')} makes them again.`,
  })
  addTrouble(metricNames.viewsLagMissed, {
    name: 'lag-missed',
    happened:
      'The target lag of at least one view cannot be kept: its refreshes usually take longer, or all refreshes are more than fit into the time.',
    first: `${type('ls')} names the views and the target lags that work; ${type('why', '<view>')} says why.`,
  })
  addTrouble(metricNames.viewsSuspended, {
    name: 'suspended-views',
    happened:
      'At least one view is suspended: so many of its scheduled refreshes failed in a row that it is tried at growing distances.',
    first: `${type('ls')} names the views and when they are tried next; ${type('why', '<view>')} has the error.`,
  })
  addTrouble(metricNames.viewsSetAside, {
    name: 'set-aside-views',
    happened: 'Views have been set aside for more than an hour: their readers get an error.',
    first:
      'npx viewkeeper put-back --dry-run, on the DATABASE_URL of this environment, names the views; npx viewkeeper put-back makes them again.',
  })
  addAlarm(scope, place, {
    name: 'silent-monitor',
    ...silentMonitor(environmentName),
    // The number that a look publishes last. It is there or missing, and never below 1.
    metric: metric(metricNames.viewsSetAside, Stats.SAMPLE_COUNT, times.silence),
    comparison: ComparisonOperator.LESS_THAN_THRESHOLD,
    missing: TreatMissingData.BREACHING,
    periods: 2,
    lasting: true,
    mails: ['begin', 'end'],
    lastResort: true,
  })
}
