/** A query of the monitor's log, which has a line for every run and every batch that has ended. */
export interface Insight {
  title: string
  /** The stages of the query, in the language of CloudWatch Logs Insights. */
  query: string[]
}

const ended = 'filter message = "run ended"'

/** Each is a saved query and a panel of the dashboard. */
export const insights = {
  durations: {
    title: 'Duration of each view, milliseconds',
    query: [
      `${ended} and status = "success" and operation = "refresh"`,
      'stats max(durationMs) by view, bin(1h)',
    ],
  },
  lastStatus: {
    title: 'Last status of each view',
    query: [
      ended,
      'stats latest(status) as lastStatus, latest(finishedAt) as at, latest(strategy) as lastStrategy, latest(runId) as lastRun by view',
      'sort at asc',
    ],
  },
  staleness: {
    title: 'Last success of each view, oldest first',
    query: [
      `${ended} and ispresent(fresh)`,
      'stats latest(finishedAt) as lastSuccess by view',
      'sort lastSuccess asc',
    ],
  },
  rowCounts: {
    title: 'Rows of each view',
    query: [
      `${ended} and ispresent(rowCountAfter)`,
      'stats latest(rowCountBefore) as before, latest(rowCountAfter) as after, latest(finishedAt) as at by view',
      'sort view asc',
    ],
  },
  failures: {
    title: 'Last failures',
    query: [
      `${ended} and status = "failed"`,
      'fields @timestamp, view, class, problem, sqlstate, runId, batchId',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
  slow: {
    title: 'Slow refreshes',
    query: [
      `${ended} and ispresent(slow)`,
      'fields @timestamp, view, durationMs, usualMs, runId',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
  stale: {
    title: 'Stale views at each call of the monitor',
    query: [
      'filter message = "views are stale"',
      'fields @timestamp, count, views.0.view, views.0.ageSeconds, views.1.view, views.2.view',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
  batches: {
    title: 'Last batches',
    query: [
      'filter message = "batch ended"',
      'fields @timestamp, status, trigger, durationMs, class, problem, batchId',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
} as const satisfies Record<string, Insight>
