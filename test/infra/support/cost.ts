import { metricNames, perViewMetricNames } from '../../../src/api/lambda/aws-names.ts'
import { panelsOf } from './panels.ts'
import type { Resource, Synthesized } from './synth.ts'

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
  event: 1e-6,
}

/** What the page says that it counts with, of a month. */
const days = 30.4
const byHandOfEachView = days / 7
const daysBetweenDeploys = 7
const usualSeconds = 30
const often: Pace = { batches: (days * 24 * 60) / 5, refreshSeconds: 5 }
const viewsAtOnce = 2
const monitorSeconds = 0.2
const sendSeconds = 0.05
const callSeconds = 0.5
const runKb = 1
const lookKb = 2
const dashboardDays = 7

interface Part {
  name: string
  /** What one of them costs. */
  by?: string
  /** How many of them there are, if each has a price. */
  count?: number
  cost(views: number): number
}

/** The resources of a type. */
const resourcesOf =
  ({ template }: Synthesized) =>
  (type: string): Resource[] =>
    Object.values(template.findResources(type)) as Resource[]

/** How often a batch refreshes all views in a month, and how long each takes. */
interface Pace {
  batches: number
  refreshSeconds: number
}

/** The parts of a month's bill, counted in the templates. */
function partsOf(
  stack: Synthesized,
  { batches, refreshSeconds }: Pace = { batches: batchesOf(stack), refreshSeconds: usualSeconds },
): Part[] {
  const resources = resourcesOf(stack)
  const count = (type: string) => resources(type).length
  const gb = (name: string) => stack.fn(name)[1].Properties.MemorySize / 1024
  const lambda = (name: string, calls: number, seconds: number) =>
    calls * (seconds * gb(name) * prices.gbSecond + prices.invocation)
  const minutes = minutesOf(stack, 'send')
  const looks = callsEvery(minutes)
  const looking = stack.fn('monitor')[1].Properties.Environment.Variables.MONITOR_EVERY_MINUTES !== 'false'
  const hasEvents = stack.fn('send')[1].Properties.Environment.Variables.EVENT_BUS !== 'false'
  const events = (views: number) => (hasEvents ? runs(views) + batches : 0)
  const batchSeconds = (views: number) => (views * refreshSeconds) / viewsAtOnce
  const loops = (views: number) => Math.ceil(batchSeconds(views) / (14 * 60))
  const byHand = (views: number) => views * byHandOfEachView
  const runs = (views: number) => views * batches + byHand(views)
  const loggedGb = (views: number) => (runs(views) * runKb + looks * lookKb) / 1e6
  const zones = resources('AWS::EC2::VPCEndpoint').reduce(
    (sum, { Properties }) => sum + (Properties.SubnetIds?.length ?? 0),
    0,
  )
  const hasDashboard = count('AWS::CloudWatch::Dashboard') > 0
  const logPanels = hasDashboard
    ? panelsOf(stack.template).filter(({ kind }) => kind !== 'metrics').length
    : 0
  const secrets = count('AWS::SecretsManager::Secret')
  const fixed = (name: string, number: number, price: number, note = ''): Part => ({
    name,
    by: `${number} at ${price.toFixed(2)}${note}`,
    count: number,
    cost: () => number * price,
  })
  return [
    fixed('alarms', count('AWS::CloudWatch::Alarm'), prices.alarm, ', whatever the number of views'),
    fixed(
      'metrics',
      looking ? Object.keys(metricNames).length : Number(minutes !== null),
      prices.metric,
      ', whatever the number of views',
    ),
    {
      name: 'Lambda: batches',
      cost: (views) => batches * lambda('batch', loops(views), batchSeconds(views) / loops(views)),
    },
    {
      name: 'Lambda: refreshes by hand',
      cost: (views) => lambda('refresh', byHand(views), callSeconds),
    },
    {
      name: 'Lambda: monitor',
      // send waits for it.
      cost: () =>
        lambda('monitor', looks, monitorSeconds) + lambda('send', looks, monitorSeconds + sendSeconds),
    },
    {
      name: 'Lambda: events',
      cost: (views) =>
        // Each look sends what has ended since the last one.
        lambda('send', Math.min(events(views), looks), callSeconds) +
        lambda('monitor', 2 * Math.min(events(views), looks), callSeconds),
    },
    {
      name: 'EventBridge: events',
      cost: (views) => events(views) * prices.event,
    },
    {
      name: 'Lambda: the rest',
      cost: (views) =>
        lambda('api', 4 * byHand(views), callSeconds) +
        lambda('batch', batches, callSeconds) +
        lambda('prune', days, 60),
    },
    {
      name: 'Step Functions',
      cost: (views) => batches * (7 + 2 * loops(views)) * prices.transition,
    },
    {
      name: 'EventBridge Scheduler',
      cost: () => (looks + batches + days) * prices.scheduled,
    },
    {
      name: 'API Gateway',
      cost: (views) => 5 * byHand(views) * prices.request,
    },
    {
      name: 'logs',
      cost: (views) => loggedGb(views) * prices.loggedGb,
    },
    {
      name: 'Logs Insights',
      cost: (views) => days * logPanels * ((dashboardDays * loggedGb(views)) / days) * prices.searchedGb,
    },
    fixed(
      'dashboard',
      count('AWS::CloudWatch::Dashboard'),
      prices.dashboard,
      " beyond the account's first three",
    ),
    fixed('secrets', secrets, prices.secret, ', if the deploy makes the role'),
    fixed(
      'endpoint of Secrets Manager',
      zones,
      prices.endpointZone,
      ', one for each zone, in a network without NAT',
    ),
  ]
}

const scheduleOf = (stack: Synthesized, name: string): string | undefined =>
  resourcesOf(stack)('AWS::Scheduler::Schedule').find(({ Properties }) =>
    Properties.Name.endsWith(`-${name}`),
  )?.Properties.ScheduleExpression

/** How often something happens in a month that happens each so many minutes. */
const callsEvery = (minutes: number | null): number => (minutes === null ? 0 : (days * 24 * 60) / minutes)

/** Minutes between two calls by a schedule; null if there are none. */
function minutesOf(stack: Synthesized, schedule: string): number | null {
  const rate = scheduleOf(stack, schedule)
  return rate === undefined ? null : Number(/^rate\((\d+) minute/.exec(rate)?.[1])
}

/** The batches of every view in a month: one each night, or one after each deploy. */
function batchesOf(stack: Synthesized): number {
  if (scheduleOf(stack, 'nightly') !== undefined) return days
  const isRefreshed = resourcesOf(stack)('AWS::Logs::LogGroup').some(({ Properties }) =>
    String(Properties.LogGroupName).endsWith('/refresh-on-deploy'),
  )
  return isRefreshed ? days / daysBetweenDeploys : 0
}

const sizes = [10, 100, 1000]

/**
 * The parts of the bill as a table, for environments of several sizes; what metrics of single views would
 * add, below the sum.
 */
export function costTable(stack: Synthesized): string {
  const parts = summedParts(stack)
  const row = (name: string, by: string, cost: (views: number) => number, mark = '') =>
    `| ${mark}${name}${mark} | ${by} | ${sizes.map((views) => `${mark}${Number.isNaN(cost(views)) ? '' : cost(views).toFixed(2)}${mark}`).join(' | ')} |\n`
  return [
    `| part | by | ${sizes.map((views) => `${views.toLocaleString('en')} views`).join(' | ')} |\n`,
    `|---|---|${sizes.map(() => '---:|').join('')}\n`,
    ...parts.map(({ name, by = '', cost }) => row(name, by, cost)),
    row('in all', '', (views) => sumOf(parts, views), '**'),
    row(
      'besides, with `metricsPerView`',
      `${perViewMetrics} for each view, in hours in which its run ends`,
      perViewCost,
    ),
    row(
      'besides, if each view is refreshed every five minutes',
      `${often.refreshSeconds} seconds each, ${viewsAtOnce} at once`,
      (views) =>
        views > 100 ? Number.NaN : sumOf(partsOf(stack, often), views) - sumOf(partsOf(stack), views),
    ),
  ].join('')
}

const perViewMetrics = Object.keys(perViewMetricNames).length

/** A metric is charged for each hour in which it gets a number, a whole month of them being its price. */
const perViewCost = (views: number): number =>
  views * perViewMetrics * prices.metric * ((days + byHandOfEachView) / (days * 24))

/** The size of each example, in views. */
const exampleViews = 100

/** What each of several environments costs a month, as a table with a column for each. */
export function exampleTable(examples: Record<string, Synthesized>): string {
  const columns = Object.values(examples).map((stack) => summedParts(stack))
  const names = [...new Set(columns.flatMap((parts) => parts.map(({ name }) => name)))]
  const cell = ({ count, cost }: Part) =>
    `${count === undefined ? '' : `${count}: `}${Number.isNaN(cost(exampleViews)) ? 'not known' : cost(exampleViews).toFixed(2)}`
  const row = (name: string, cells: string[]) => `| ${name} | ${cells.join(' | ')} |\n`
  return [
    row(
      'part',
      Object.keys(examples).map((name) => `\`${name}\``),
    ),
    `|---|${columns.map(() => '---:|').join('')}\n`,
    ...names.map((name) =>
      row(
        name,
        columns.map((parts) => parts.filter((part) => part.name === name).map(cell)[0] ?? '0'),
      ),
    ),
    row(
      '**in all**',
      columns.map((parts) => `**${sumOf(parts, exampleViews).toFixed(2)}**`),
    ),
  ].join('')
}

/** What is counted, and the sum of what is called and logged. */
function summedParts(stack: Synthesized): Part[] {
  const parts = partsOf(stack)
  const calls = parts.filter(({ count }) => count === undefined)
  return [
    ...parts.filter(({ count }) => count !== undefined),
    {
      name: 'calls and logs',
      by: 'Lambda, Step Functions, EventBridge, API Gateway, CloudWatch Logs',
      cost: (views) => sumOf(calls, views),
    },
  ]
}

const sumOf = (parts: Part[], views: number): number =>
  parts.reduce((sum, { cost }) => sum + (cost(views) || 0), 0)
