import { ComparisonOperator, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import type { Construct } from 'constructs'
import { metricNames, viewsMetrics } from '../../src/api/lambda/metrics/names.ts'
import { monitorAlarms, silentMonitor } from '../../src/watch/plan/alarms.ts'
import type { MonitorTimes } from '../environment/monitor-times.ts'
import { type AlarmPlace, addAlarm } from './alarm.ts'
import { ownMetric } from './own-metric.ts'

/** What happens at one moment, by its metric. */
const moments = { slow: metricNames.runsSlow, lost: metricNames.batchesLost }

/** The alarms about what the monitor publishes, and about a monitor that is silent. */
export function addMonitorAlarms(scope: Construct, place: AlarmPlace, times: MonitorTimes): void {
  const { environmentName } = place
  const metric = (name: string, statistic: string, period = times.interval) =>
    ownMetric(environmentName, name, statistic, { period })
  for (const { of, ...texts } of monitorAlarms(environmentName))
    if (of === 'slow' || of === 'lost')
      // The number falls back to zero at the next look, so the alarm is over by itself.
      addAlarm(scope, place, {
        ...texts,
        metric: metric(moments[of], Stats.SUM),
        periods: times.newsPeriods,
        mails: [],
      })
    // The alarm lasts as long as one view has the incident. While the monitor is silent, nobody knows whether it is over, so
    // missing numbers change nothing.
    else
      addAlarm(scope, place, {
        ...texts,
        metric: metric(viewsMetrics[of], Stats.MAXIMUM),
        missing: TreatMissingData.IGNORE,
        mails: [],
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
  })
}
