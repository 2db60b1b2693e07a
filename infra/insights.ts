/** A question to the log of the monitor, whose lines tell of every run that has ended. */
export interface Insight {
  title: string
  /** In the language of CloudWatch Logs Insights, a stage each. */
  query: string[]
}

const ended = 'filter message = "run ended"'

/** What people ask of the log: each is a saved query, and most are panels of the dashboard. */
export const insights = {
  durations: {
    title: 'Duration of each view, milliseconds',
    query: [`${ended} and status = "success"`, 'stats max(durationMs) by bin(1h), view'],
  },
  lastStatus: {
    title: 'Last status of each view',
    query: [
      ended,
      'stats latest(status) as lastStatus, latest(@timestamp) as at, latest(strategy) as lastStrategy, latest(runId) as lastRun by view',
      'sort at asc',
    ],
  },
  staleness: {
    title: 'Last success of each view, the longest ago first',
    query: [
      `${ended} and status = "success"`,
      'stats latest(@timestamp) as lastSuccess by view',
      'sort lastSuccess asc',
    ],
  },
  rowCounts: {
    title: 'Rows of each view',
    query: [`${ended} and ispresent(rowCountAfter)`, 'stats latest(rowCountAfter) by bin(1h), view'],
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
      `${ended} and slow = 1`,
      'fields @timestamp, view, durationMs, usualMs, runId',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
  stale: {
    title: 'Stale views',
    query: [
      'filter message = "views are stale"',
      'fields @timestamp, count, views.0.view, views.0.ageSeconds',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
} as const satisfies Record<string, Insight>
