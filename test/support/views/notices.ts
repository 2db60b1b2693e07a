import type { ProblemCode } from '../../../src/problem.ts'
import type { Examined, RunFacts } from '../../../src/watch/diagnosis/standing.ts'
import { describeAlarm, readAlarm } from '../../../src/watch/mails/alarm-words.ts'
import type { Alarm, EndedBatch, NoticeFacts, ToldTrouble } from '../../../src/watch/plan/notice-facts.ts'
import { type PlannedNotice, planNotice } from '../../../src/watch/plan/notice-plan.ts'
import { examined } from './examined.ts'

/** Now, in these facts. */
export const now = new Date('2026-11-20T10:00:00Z')
const hourMs = 3600_000
export const hoursAgo = (hours: number) => new Date(now.getTime() - hours * hourMs)

/** Facts about nothing. */
const noFacts = (): NoticeFacts => ({
  now,
  told: [],
  batches: [],
  slow: [],
  views: new Map(),
  reads: new Map(),
  pause: null,
  covered: {},
})

interface ViewOptions extends Partial<Examined> {
  hours?: number
  last?: RunFacts | null
  open?: { status: RunFacts['status']; notBefore: Date | null } | null
}

/** A view with a schedule that succeeded last so many hours ago, and may be 25 hours old. */
export const view = (
  name: string,
  { hours = 1, last = null, open = null, ...more }: ViewOptions = {},
): Examined =>
  examined(name, {
    stale: hours > 25,
    staleMs: hours * hourMs,
    maxStaleMs: 25 * hourMs,
    lastSuccessAt: hoursAgo(hours),
    asOf: hoursAgo(hours),
    nextRun: hoursAgo(-1),
    runs: [
      ...(open === null
        ? []
        : [{ ...ended('success', { id: 900 }), ...open, batchId: null, finishedAt: null }]),
      ...(last === null ? [] : [last]),
    ],
    ...more,
  })

const error = (
  code: ProblemCode,
  message: string,
  sqlstate: string | null = null,
): NonNullable<RunFacts['error']> => ({
  class: code,
  message,
  sqlstate,
})

export const divided = error('ViewSqlFailed', 'division by zero', '22012')

/** The last run of a view. */
export const ended = (
  status: 'success' | 'failed' | 'skipped' | 'canceled',
  {
    id = 812,
    hours = 1,
    batchId = 'night-2' as string | null,
    error = null as RunFacts['error'],
    batchCanceled = false,
  } = {},
): RunFacts => ({
  id,
  operation: 'refresh',
  status,
  batchId,
  requestedAt: hoursAgo(hours),
  notBefore: null,
  finishedAt: hoursAgo(hours),
  strategy: null,
  because: null,
  error,
  batchCanceled,
})

export const upstream = error('UpstreamFailed', 'public.sales was not refreshed')

/** A trouble that the monitor has told of so many hours ago, and no notice yet. */
export const told = (
  name: string,
  { hours = 0.02, ...more }: Partial<ToldTrouble> & { hours?: number } = {},
): ToldTrouble => ({
  trouble: 'stale',
  name,
  toldAt: hoursAgo(hours),
  beganAt: hoursAgo(hours),
  overAt: null,
  stamp: hoursAgo(hours).toISOString(),
  known: false,
  isNews: true,
  ...more,
})

/** Views that fail, of which the monitor has told just now, and no notice yet. */
export const failing = (
  names: string[],
  { error = divided, ...more }: Partial<Examined> & { error?: RunFacts['error'] } = {},
): Pick<NoticeFacts, 'told' | 'views'> => ({
  told: names.map((name) => told(name, { trouble: 'failing' })),
  views: byName(
    ...names.map((name, at) =>
      view(name, { hours: 3, last: ended('failed', { id: 812 + at, error }), ...more }),
    ),
  ),
})

export const failedBatch = (more: Partial<EndedBatch> = {}): EndedBatch => ({
  id: 'night-2',
  status: 'failed',
  finishedAt: hoursAgo(0.04),
  error: error('ViewsFailed', '1 view was not refreshed: public.sales'),
  hasFailingView: true,
  ...more,
})

export const byName = (...views: Examined[]) => new Map(views.map((each) => [each.view, each]))

/** What CloudWatch publishes when an alarm changes its state. */
export const alarmText = (
  name: string,
  {
    state = 'ALARM',
    reason = 'Threshold Crossed: 1 datapoint [1.0] was greater than or equal to 1.0.',
    environment = 'production',
    at = now,
  } = {},
): string =>
  JSON.stringify({
    AlarmName: `viewkeeper-${environment}-${name}`,
    AlarmDescription: describeAlarm(
      'Something happened.',
      'viewkeeper ls shows it.',
      name.replace(/-over$/, ''),
    ),
    AWSAccountId: '123456789012',
    NewStateValue: state,
    NewStateReason: reason,
    StateChangeTime: at.toISOString().replace('Z', '+0000'),
    OldStateValue: state === 'OK' ? 'ALARM' : 'OK',
    Trigger: { Period: 60, EvaluationPeriods: 3, DatapointsToAlarm: 1, Dimensions: [] },
  })

export const alarm = (...given: Parameters<typeof alarmText>): Alarm =>
  readAlarm(alarmText(...given), given[1]?.environment ?? 'production', now)!

/** What is told in environment `production`. */
export const plan = (facts: Partial<NoticeFacts>, ...alarms: Alarm[]): PlannedNotice =>
  planNotice({ ...noFacts(), ...facts }, { environment: 'production', alarms })

/** `public.sales` failed last night, and two views that read it, one through the other, were skipped. */
export function salesFailed(hours = 30): Pick<NoticeFacts, 'views' | 'reads'> {
  const late = { hours }
  return {
    views: byName(
      view('public.sales', { ...late, last: ended('failed', { error: divided }) }),
      view('public.sales_by_region', {
        ...late,
        last: ended('skipped', { error: upstream }),
      }),
      view('public.top_customers', {
        ...late,
        last: ended('skipped', { error: upstream }),
      }),
      view('public.flights'),
    ),
    reads: new Map([
      ['public.sales', []],
      ['public.sales_by_region', ['public.sales']],
      ['public.top_customers', ['public.sales_by_region']],
      ['public.flights', []],
    ]),
  }
}

const three = ['public.sales', 'public.sales_by_region', 'public.top_customers']

/** The examples of docs/monitoring.md. */
export const examples = (): PlannedNotice[] => [
  plan({ ...salesFailed(), told: three.map((name) => told(name)) }, alarm('stale-views')),
  plan(
    { ...salesFailed(54), told: three.map((name) => told(name, { known: true, beganAt: hoursAgo(24) })) },
    alarm('stale-views'),
  ),
  plan(
    {
      views: byName(...three.map((name) => view(name, { hours: 0.1 }))),
      told: three.map((name) =>
        told(name, { known: true, beganAt: hoursAgo(26), toldAt: hoursAgo(2), overAt: hoursAgo(0.05) }),
      ),
    },
    alarm('stale-views-over', { state: 'OK' }),
  ),
]
