import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { ViewStateFacts } from '../../src/catalog/plan/state.ts'
import { readLogSizes } from '../../src/record/definitions/behind-logs.ts'
import { readFacts } from '../../src/record/definitions/state-facts.ts'
import { type ChannelState, readChannels, readWaitingSeconds } from '../../src/record/events/outbox.ts'
import { isSlow } from '../../src/record/plan/batch.ts'
import { readViewIncidents } from '../../src/record/watch/incidents.ts'
import { readLastLook, readSteps } from '../../src/record/watch/looks.ts'
import { openSockets } from '../../src/server/connection.ts'
import type { Database } from '../../src/server/database.ts'
import { version } from '../../src/version.ts'
import type { Publisher } from '../../src/watch/monitor.ts'
import type { ViewIncidentKind } from '../../src/words/event.ts'
import { Problem, type ProblemCode } from '../../src/words/problem.ts'
import { operations, runStatuses } from '../../src/words/run.ts'
import { type PromMetric, promMetrics } from './names.ts'

/** The metrics of a process. */
export interface Metrics {
  /** Counts what the monitor publishes. */
  publisher: Publisher
  /** The answer for Prometheus. */
  exposition(): Promise<{ contentType: string; body: string }>
}

/** From a hundredth of a second to six hours. */
const buckets = [0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 21_600]

/** Metrics of a process and of its database. If the database cannot be read, it tells no number of views that may be old. */
export function makeMetrics(
  database: Database,
  { environment, channels }: { environment: string; channels: string[] },
  isLeader: () => boolean,
  isAsleep = () => false,
): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ environment })
  collectDefaultMetrics({ register: registry })
  // Gauges, which by their names would be counters: the sums of others.
  for (const what of ['handles', 'requests', 'resources'])
    registry.removeSingleMetric(`nodejs_active_${what}_total`)
  const all = Object.fromEntries(
    Object.entries(promMetrics).map(([name, [kind, help, labelNames]]) => {
      const made = { name, help, labelNames, registers: [registry] }
      if (kind === 'histogram') return [name, new Histogram({ ...made, buckets })]
      return [name, kind === 'gauge' ? new Gauge(made) : new Counter(made)]
    }),
  ) as Record<PromMetric, Gauge | Counter | Histogram>
  const gauge = (name: PromMetric) => all[name] as Gauge
  const count = (name: PromMetric, labels: Record<string, string> = {}, by = 1) =>
    (all[name] as Counter).inc(labels, by)
  // A rate needs a first number: every outcome begins with zero.
  for (const operation of operations)
    for (const status of runStatuses) count('viewkeeper_runs_total', { operation, status }, 0)
  for (const status of ['success', 'failed', 'canceled', 'skipped'])
    count('viewkeeper_batches_total', { status }, 0)
  gauge('viewkeeper_build_info').set({ version }, 1)

  const show = ({
    views,
    logs,
    incidents,
    lookedAt,
    steps,
    channels: states,
    waitingSeconds,
  }: MeasuredDatabase) => {
    const set = (name: PromMetric, labels: Record<string, string>, value: number | null) => {
      if (value !== null) gauge(name).set(labels, value)
    }
    set('viewkeeper_monitor_last_look_timestamp_seconds', {}, seconds(lookedAt?.getTime()))
    for (const { step, at } of steps)
      set('viewkeeper_monitor_step_timestamp_seconds', { step }, seconds(at.getTime()))
    set('viewkeeper_views', {}, views.length)
    set('viewkeeper_outbox_waiting_seconds', {}, waitingSeconds)
    for (const { view, rows, slices, computed } of logs) {
      set('viewkeeper_view_log_rows', { view }, rows)
      set('viewkeeper_view_slices', { view }, slices)
      set('viewkeeper_view_slices_computed', { view }, computed)
    }
    for (const {
      view,
      staleMs,
      maxStaleMs,
      targetLagSeconds,
      lastSuccessAt,
      lastRun,
      pausedSince,
    } of views) {
      set('viewkeeper_view_data_age_seconds', { view }, seconds(staleMs))
      set('viewkeeper_view_data_age_limit_seconds', { view }, seconds(maxStaleMs))
      set('viewkeeper_view_target_lag_seconds', { view }, targetLagSeconds)
      set('viewkeeper_view_last_success_timestamp_seconds', { view }, seconds(lastSuccessAt?.getTime()))
      set('viewkeeper_view_last_run_duration_seconds', { view }, seconds(lastRun?.durationMs))
      set('viewkeeper_view_paused', { view }, Number(pausedSince !== null))
    }
    for (const { view, kind } of incidents) set('viewkeeper_view_incident', { view, kind }, 1)
    for (const { channel, waiting, failing } of states) {
      set('viewkeeper_channel_waiting', { channel }, waiting)
      set('viewkeeper_channel_failing', { channel }, Number(failing))
    }
  }
  const ofDatabase = Object.keys(promMetrics).filter((name) =>
    /^viewkeeper_(view|views|channel|monitor|outbox)_?/.test(name),
  ) as PromMetric[]
  const read = atMostOften(async () => {
    const asleep = isAsleep()
    const measured = asleep ? null : await readMeasured(database, channels).catch(() => null)
    // A gauge that has labels forgets them; one that has none would be 0.
    for (const name of ofDatabase)
      if (promMetrics[name][2].length > 0) gauge(name).reset()
      else gauge(name).remove()
    if (measured !== null) show(measured)
    if (asleep) gauge('viewkeeper_database_up').remove()
    else gauge('viewkeeper_database_up').set(Number(measured !== null))
  })
  return {
    publisher: {
      runs(ended) {
        for (const { operation, status, durationMs, usualMs } of ended) {
          count('viewkeeper_runs_total', { operation, status })
          if (isSlow(durationMs, usualMs)) count('viewkeeper_slow_runs_total')
          if (durationMs !== null)
            (all.viewkeeper_run_duration_seconds as Histogram).observe({ operation }, durationMs / 1000)
        }
      },
      batches(ended) {
        for (const { status, error } of ended) {
          count('viewkeeper_batches_total', { status })
          if (error?.class === 'BatchLost') count('viewkeeper_lost_batches_total')
        }
      },
      incidents() {},
    },
    async exposition() {
      await read()
      gauge('viewkeeper_leader').set(Number(isLeader()))
      gauge('viewkeeper_sleeping').set(Number(isAsleep()))
      gauge('viewkeeper_database_connections').set(openSockets())
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}

const seconds = (ms: number | null | undefined): number | null => (ms == null ? null : ms / 1000)

/** What is measured of a database. */
interface MeasuredDatabase {
  views: ViewStateFacts[]
  logs: Awaited<ReturnType<typeof readLogSizes>>
  incidents: { view: string; kind: ViewIncidentKind }[]
  /** When the monitor last looked; null: never. */
  lookedAt: Date | null
  steps: { step: string; at: Date }[]
  channels: ChannelState[]
  waitingSeconds: number
}

/** Reads what is measured, on one connection. Never waits for a refresh. */
const readMeasured = (database: Database, channels: string[]): Promise<MeasuredDatabase> =>
  database.withConnection(async (sql) => ({
    views: (await readFacts(sql)).views,
    logs: await readLogSizes(sql),
    incidents: await readViewIncidents(sql),
    lookedAt: await readLastLook(sql),
    steps: await readSteps(sql),
    channels: await readChannels(sql, channels),
    waitingSeconds: (await readWaitingSeconds(sql)) ?? 0,
  }))

/** So long an answer is good: however many ask, the database is asked once. */
const freshMs = 5000

/** Calls `read`, unless its last answer is fresh. The clock of the machine may be set back meanwhile. */
export function atMostOften<T>(read: () => Promise<T>): () => Promise<T> {
  let last: { at: number; answer: Promise<T> } | undefined
  return () => {
    const now = performance.now()
    if (last === undefined || now - last.at > freshMs) last = { at: now, answer: read() }
    return last.answer
  }
}

/**
 * Why this process is not ready; null: it is. The code alone: its message may name the login and the server. `steps`: how many
 * schema steps it needs; more are those of a newer version.
 */
export async function whyNotReady(database: Database, steps: number): Promise<ProblemCode | null> {
  try {
    const [row] = await database.withConnection(
      (sql) => sql<[{ steps: number }]>`select count(*)::integer as steps from viewkeeper.schema_steps`,
    )
    return row.steps >= steps ? null : 'NotMigrated'
  } catch (error) {
    return error instanceof Problem ? error.code : 'InternalError'
  }
}

/** A leader that ends is followed within 15 s. */
const longestWithoutLeaderMs = 60_000

/** Why a copy is not ready that has not led and has seen nobody lead for so long; null: it is. */
export const whyLeaderless = (ms: number): ProblemCode | null =>
  ms > longestWithoutLeaderMs ? 'DatabaseUnavailable' : null
