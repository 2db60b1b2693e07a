import type { ViewIncidentKind } from '../../src/words/event.ts'

/** What `GET /metrics` tells Prometheus: each metric with its help, its kind and its labels, besides `environment`, which all have. */
export const promMetrics = {
  viewkeeper_build_info: ['gauge', 'Always 1; the label has the version of this process.', ['version']],
  viewkeeper_leader: [
    'gauge',
    '1 if this process leads: schedules, target lags, the monitor and the news run here.',
    [],
  ],
  viewkeeper_sleeping: [
    'gauge',
    '1 if this process has no connection, because nothing is due: the database is not read for this answer.',
    [],
  ],
  viewkeeper_database_up: ['gauge', '1 if this process could read the database for this answer.', []],
  viewkeeper_database_connections: ['gauge', 'Connections that this process has open.', []],
  viewkeeper_monitor_last_look_timestamp_seconds: [
    'gauge',
    'When the monitor of the leader last looked.',
    [],
  ],
  viewkeeper_monitor_step_timestamp_seconds: [
    'gauge',
    'When a look of the monitor last did the step.',
    ['step'],
  ],
  viewkeeper_view_data_age_seconds: ['gauge', 'How old the data of the view are.', ['view']],
  viewkeeper_view_data_age_limit_seconds: [
    'gauge',
    'The age from which the data of the view are stale.',
    ['view'],
  ],
  viewkeeper_view_target_lag_seconds: [
    'gauge',
    'How old the data of the view may become by its target lag.',
    ['view'],
  ],
  viewkeeper_view_last_success_timestamp_seconds: [
    'gauge',
    'When a run last made the data of the view fresh.',
    ['view'],
  ],
  viewkeeper_view_last_run_duration_seconds: ['gauge', 'How long the last run of the view took.', ['view']],
  viewkeeper_view_log_rows: [
    'gauge',
    'About how many rows the change log of the view has, which no refresh has read.',
    ['view'],
  ],
  viewkeeper_view_slices: ['gauge', 'About how many slices the view has.', ['view']],
  viewkeeper_view_slices_computed: ['gauge', 'How many slices its last refresh computed.', ['view']],
  viewkeeper_view_paused: ['gauge', '1 if the view is paused.', ['view']],
  viewkeeper_view_incident: ['gauge', '1 as long as an incident of the view is open.', ['view', 'kind']],
  viewkeeper_views: ['gauge', 'How many views there are.', []],
  viewkeeper_outbox_waiting_seconds: [
    'gauge',
    'For how long the oldest message or event has waited to be handed to its channels; 0: nothing waits.',
    [],
  ],
  viewkeeper_channel_waiting: ['gauge', 'Messages that wait for the channel.', ['channel']],
  viewkeeper_channel_failing: [
    'gauge',
    '1 if the channel has refused the message that waits longest.',
    ['channel'],
  ],
  viewkeeper_runs_total: [
    'counter',
    'Runs that the monitor of this process has seen end.',
    ['operation', 'status'],
  ],
  viewkeeper_slow_runs_total: ['counter', 'Refreshes that took more than twice as long as usual.', []],
  viewkeeper_batches_total: ['counter', 'Batches that the monitor of this process has seen end.', ['status']],
  viewkeeper_lost_batches_total: ['counter', 'Batches that nobody advanced.', []],
  viewkeeper_run_duration_seconds: ['histogram', 'How long runs took.', ['operation']],
} as const satisfies Record<string, readonly ['gauge' | 'counter' | 'histogram', string, readonly string[]]>

export type PromMetric = keyof typeof promMetrics

/** The expression of PromQL that finds views with an incident of a kind, however many copies tell of them. */
export const incidentExpression = (kind: ViewIncidentKind): string =>
  `max by (environment, view) (viewkeeper_view_incident{kind="${kind}"}) > 0`
