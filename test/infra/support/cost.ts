import { metricNames, perViewMetricNames } from '../../../src/edge/metrics/names.ts'
import { panelsOf } from './panels.ts'
import type { Synthesized } from './synth.ts'

/** List prices of us-east-1 at the end of 2026, USD, without free tiers and taxes. */
const prices = {
  alarm: 0.1,
  metric: 0.3,
  dashboard: 3,
  secret: 0.4,
  endpointZone: 7.3,
  gbSecond: 0.0000133334,
  invocation: 0.2e-6,
  transition: 25e-6,
  scheduled: 1e-6,
  request: 1e-6,
  loggedGb: 0.5,
  searchedGb: 0.005,
}

/** What the page says that it counts with, of a month. */
const days = 30.4
const byHandOfEachView = days / 7
const refreshSeconds = 30
const viewsAtOnce = 2
const monitorSeconds = 0.2
const callSeconds = 0.5

interface Part {
  name: string
  by: string
  cost(views: number): number
}

/** The parts of a month's bill, counted in a stack's template. */
function partsOf(stack: Synthesized, database: Synthesized): Part[] {
  const count = (type: string) => stack.resources(type).length
  const gb = (name: string) => stack.fn(name)[1].Properties.MemorySize / 1024
  const lambda = (name: string, calls: number, seconds: number) =>
    calls * (seconds * gb(name) * prices.gbSecond + prices.invocation)
  const minutes = Number(/^rate\((\d+) minute/.exec(expressionOf(stack, 'monitor'))?.[1])
  const looks = (days * 24 * 60) / minutes
  const batchSeconds = (views: number) => (views * refreshSeconds) / viewsAtOnce
  const loops = (views: number) => Math.ceil(batchSeconds(views) / (14 * 60))
  const byHand = (views: number) => views * byHandOfEachView
  const runs = (views: number) => views * days + byHand(views)
  const loggedGb = (views: number) => (runs(views) + looks) / 1e6
  const zones = stack
    .resources('AWS::EC2::VPCEndpoint')
    .reduce((sum, [, { Properties }]) => sum + (Properties.SubnetIds?.length ?? 0), 0)
  const logPanels = panelsOf(stack.template).filter(({ kind }) => kind !== 'metrics').length
  const secrets =
    database.resources('AWS::SecretsManager::Secret').length +
    database
      .resources('AWS::RDS::DBInstance')
      .filter(([, { Properties }]) => Properties.ManageMasterUserPassword).length
  const fixed = (name: string, number: number, price: number, note = ''): Part => ({
    name,
    by: `${number} at ${price.toFixed(2)}${note}`,
    cost: () => number * price,
  })
  return [
    fixed('alarms', count('AWS::CloudWatch::Alarm'), prices.alarm, ', whatever the number of views'),
    fixed('metrics', Object.keys(metricNames).length, prices.metric, ', whatever the number of views'),
    {
      name: 'Lambda: batches',
      by: `${prices.gbSecond.toFixed(7)} per GB-second, ${gb('advance') * 1024} MB; a batch refreshes ${viewsAtOnce} views at once, and one function waits`,
      cost: (views) => days * lambda('advance', loops(views), batchSeconds(views) / loops(views)),
    },
    {
      name: 'Lambda: refreshes by hand',
      by: `the caller does not wait, the function does`,
      cost: (views) => lambda('refresh', byHand(views), refreshSeconds),
    },
    {
      name: 'Lambda: monitor',
      by: `every ${minutes === 1 ? 'minute' : `${minutes} minutes`}, ${monitorSeconds} s`,
      cost: () => lambda('monitor', looks, monitorSeconds),
    },
    {
      name: 'Lambda: the rest',
      by: `${callSeconds} s a call`,
      cost: (views) =>
        lambda('query', 4 * byHand(views), callSeconds) +
        lambda('start-batch', days, callSeconds) +
        lambda('open-batch', days, callSeconds) +
        lambda('prune', days, 60),
    },
    {
      name: 'Step Functions',
      by: '0.025 per 1,000 transitions, 4 for each batch, and 2 more for each 14 minutes that it lasts',
      cost: (views) => days * (4 + 2 * loops(views)) * prices.transition,
    },
    {
      name: 'EventBridge Scheduler',
      by: '1.00 per million',
      cost: () => (looks + 2 * days) * prices.scheduled,
    },
    {
      name: 'API Gateway',
      by: '1.00 per million requests, 5 for each refresh by hand',
      cost: (views) => 5 * byHand(views) * prices.request,
    },
    {
      name: 'logs',
      by: '0.50 per GB taken in; 1 kB for each run and for each call of the monitor',
      cost: (views) => loggedGb(views) * prices.loggedGb,
    },
    {
      name: 'Logs Insights',
      by: '0.005 per GB read, the dashboard once a day',
      cost: (views) => days * logPanels * (loggedGb(views) / days) * prices.searchedGb,
    },
    fixed(
      'dashboard',
      count('AWS::CloudWatch::Dashboard'),
      prices.dashboard,
      " beyond the account's first three",
    ),
    fixed('secrets', secrets, prices.secret, ', on a database that the stack makes'),
    fixed(
      'endpoint of Secrets Manager',
      zones,
      prices.endpointZone,
      ', one for each zone, in a network without NAT',
    ),
  ]
}

const expressionOf = (stack: Synthesized, name: string): string =>
  stack.one('AWS::Scheduler::Schedule', ({ Name }) => Name === name)[1].Properties.ScheduleExpression

const sizes = [10, 100, 1000]

/**
 * The parts of the bill as a table, for environments of several sizes; what metrics of single views would
 * add, below the sum.
 */
export function costTable(stack: Synthesized, database: Synthesized): string {
  const parts = partsOf(stack, database)
  const row = (name: string, by: string, cost: (views: number) => number, mark = '') =>
    `| ${mark}${name}${mark} | ${by} | ${sizes.map((views) => `${mark}${cost(views).toFixed(2)}${mark}`).join(' | ')} |\n`
  const whole = (views: number) => parts.reduce((sum, { cost }) => sum + cost(views), 0)
  return [
    `| part | by | ${sizes.map((views) => `${views.toLocaleString('en')} views`).join(' | ')} |\n`,
    `|---|---|${sizes.map(() => '---:|').join('')}\n`,
    ...parts.map(({ name, by, cost }) => row(name, by, cost)),
    row('in all', '', whole, '**'),
    row(
      'besides, with `metricsPerView`',
      `${perViewMetrics} for each view, in hours in which its run ends`,
      perViewCost,
    ),
  ].join('')
}

const perViewMetrics = Object.keys(perViewMetricNames).length

/** A metric is charged for each hour in which it gets a number, a whole month of them being its price. */
const perViewCost = (views: number): number =>
  views * perViewMetrics * prices.metric * ((days + byHandOfEachView) / (days * 24))
