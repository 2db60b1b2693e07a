import { ComparisonOperator, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import type { Construct } from 'constructs'
import { metricNames } from '../../src/edge/metrics/names.ts'
import { command } from '../../src/plan/commands.ts'
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

  /**
   * Tells what is new. The number falls back to zero at the next look, so the alarm is over by itself, and its end is
   * no news.
   */
  const addNews = (metricName: string, texts: Texts) =>
    addAlarm(scope, place, {
      ...texts,
      metric: metric(metricName, Stats.SUM),
      periods: times.newsPeriods,
      datapoints: 1,
    })

  /**
   * Tells only that no view has the trouble any more; the alarm of the news tells that the trouble has begun. While the
   * monitor is silent, nobody knows whether the trouble is over, so missing numbers change nothing.
   */
  const addOver = (metricName: string, { name, ...texts }: Texts) =>
    addAlarm(scope, place, {
      ...texts,
      name: `${name}-over`,
      runbook: name,
      metric: metric(metricName, Stats.MAXIMUM),
      missing: TreatMissingData.IGNORE,
      mails: ['end'],
    })

  addNews(metricNames.runsFailed, {
    name: 'failed-runs',
    happened: 'At least one run failed or was lost; readers still see the data of the last success.',
    first: `${type('runs', '--status', 'failed')} names the view and its error.`,
  })
  addNews(metricNames.runsSlow, {
    name: 'slow-runs',
    happened: 'A refresh took more than twice as long as its view usually does.',
    first: `${type('runs')} shows the durations; the dashboard's panel Slow refreshes has the usual ones.`,
  })
  addNews(metricNames.batchesLost, {
    name: 'lost-batches',
    happened: 'Nobody advanced a batch for 20 minutes, and the monitor closed it (BatchLost).',
    first: `${type('batches')} names the batch. Start a new one: ${type('refresh', '--all')}.`,
  })
  addNews(metricNames.viewsStaleTold, {
    name: 'stale-views',
    happened: 'The data of at least one more view are older than they may be, or still are.',
    first: `${type('ls', '--stale')} names the views.`,
  })
  addOver(metricNames.viewsStale, {
    name: 'stale-views',
    happened: 'No view is stale any more, if this says OK. State ALARM is not mailed.',
    first: `Nothing is left to do: ${type('ls', '--stale')} names no view.`,
  })
  addNews(metricNames.viewsMissingTold, {
    name: 'missing-views',
    happened: 'At least one more authored view is not in the database, or still is not: somebody dropped it.',
    first: `${type('ls', '--missing')} names the views; ${type('migrate', 'up', '--repair')} makes them again.`,
  })
  addOver(metricNames.viewsMissing, {
    name: 'missing-views',
    happened: 'No authored view is missing any more, if this says OK. State ALARM is not mailed.',
    first: `Nothing is left to do: ${type('ls', '--missing')} names no view.`,
  })
  addNews(metricNames.viewsSetAsideTold, {
    name: 'set-aside-views',
    happened:
      'Views have been set aside for more than an hour, or still are: whoever reads one of them gets an error.',
    first:
      'npx viewkeeper put-back --dry-run, on the DATABASE_URL of this environment, names the views; npx viewkeeper put-back makes them again.',
  })
  addOver(metricNames.viewsSetAside, {
    name: 'set-aside-views',
    happened: 'No view has been set aside for long any more, if this says OK. State ALARM is not mailed.',
    first: 'Nothing is left to do: npx viewkeeper put-back --dry-run names no view.',
  })
  addAlarm(scope, place, {
    name: 'silent-monitor',
    happened:
      'The monitor has published nothing, twice: it failed, or it was not called. No other alarm about runs and views goes off.',
    first: `aws lambda invoke --function-name viewkeeper-${environmentName}-monitor /dev/stdout calls it and shows its error.`,
    // The number that a look publishes last. It is there or missing, and never below 1.
    metric: metric(metricNames.viewsSetAside, Stats.SAMPLE_COUNT, times.silence),
    comparison: ComparisonOperator.LESS_THAN_THRESHOLD,
    missing: TreatMissingData.BREACHING,
    periods: 2,
    mails: ['begin', 'end'],
    lastResort: true,
  })
}
