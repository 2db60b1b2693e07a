import { writeFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { incidentExpression, type PromMetric } from '../serve/metrics/names.ts'
import { monitorAlarms } from '../src/watch/plan/alarms.ts'
import { mayWaitSeconds } from '../src/words/event.ts'
import { runbookOf } from '../src/words/problem.ts'

// Makes the alert rules and the dashboard of `viewkeeper serve` from the table of alarms.

interface Rule {
  name: string
  expr: string
  /** How long the expression has to hold. */
  for?: string
  happened: string
  first: string
  severity?: 'critical'
}

/** What happens at one moment, by the alarm's subject: counted by the leader. */
const moments = {
  slow: 'sum by (environment) (increase(viewkeeper_slow_runs_total[10m])) > 0',
  lost: 'sum by (environment) (increase(viewkeeper_lost_batches_total[10m])) > 0',
}

const lookedAt: PromMetric = 'viewkeeper_monitor_last_look_timestamp_seconds'

/** What only a process beside the database can tell of itself. */
const own: Rule[] = [
  {
    name: 'failed-batches',
    expr: 'sum by (environment) (increase(viewkeeper_batches_total{status="failed"}[10m])) > 0',
    happened: 'A batch failed.',
    first: 'viewkeeper batches names the batch.',
  },
  {
    name: 'failing-channel',
    expr: 'max by (environment, channel) (viewkeeper_channel_failing) > 0',
    for: '5m',
    happened: 'A channel does not take its messages, which wait for a day: not everybody is told.',
    first: 'viewkeeper ls names the channel and says why; the log of the leading process has each try.',
  },
  {
    name: 'failing-step',
    expr: `time() - max by (environment, step) (viewkeeper_monitor_step_timestamp_seconds) > 600 unless on (environment) time() - max by (environment) (${lookedAt}) > 300`,
    for: '2m',
    happened: 'A step of the monitor has failed for ten minutes: what it finds is not told.',
    first: 'The mails say why; the log of the server has the error.',
  },
  {
    name: 'unsent-messages',
    expr: `max by (environment) (viewkeeper_outbox_waiting_seconds) > ${mayWaitSeconds}`,
    for: '1m',
    happened: 'Messages and events have waited for ten minutes and are not sent: nobody hears of anything.',
    first: 'The log of the leading process says why.',
  },
  {
    name: 'database-away',
    expr: 'max by (environment) (viewkeeper_database_up) == 0',
    for: '2m',
    severity: 'critical',
    happened: 'No process of Viewkeeper can read the database.',
    first: 'viewkeeper doctor, with the DATABASE_URL of the process, says why.',
  },
  {
    name: 'silent-monitor',
    expr:
      `time() - max by (environment) (${lookedAt}) > 300 or ` +
      // Of an environment that tells nothing any more, the last day knows.
      `(group by (environment) (max_over_time(viewkeeper_build_info[1d])) unless group by (environment) (${lookedAt})) or ` +
      'absent(present_over_time(viewkeeper_build_info[1d]))',
    for: '2m',
    severity: 'critical',
    happened:
      'The monitor has not looked for five minutes, or no process answers. No other alarm about views goes off.',
    first:
      'Look whether a process of viewkeeper serve runs and leads (viewkeeper_leader); its log says why it does not.',
  },
]

/** Which view or channel an alert is about, and where. */
const whereOf = (expr: string): string => {
  const [label] = expr.match(/(?<=by \(environment, )\w+/) ?? []
  return label === undefined
    ? '{{ with $labels.environment }} In {{ . }}.{{ end }}'
    : ` It is {{ $labels.${label} }} in {{ $labels.environment }}.`
}

/** The alert rules, as Prometheus reads them. */
export function alertRules(): string {
  const rules = [
    ...monitorAlarms.map(
      ({ of, ...texts }): Rule => ({
        ...texts,
        expr: of === 'slow' || of === 'lost' ? moments[of] : incidentExpression(of),
      }),
    ),
    ...own,
  ]
  const groups = [
    {
      name: 'viewkeeper',
      rules: rules.map(({ name, expr, for: lasting, happened, first, severity = 'warning' }) => ({
        alert: `Viewkeeper${name.replace(/(?:^|-)(.)/g, (_, letter: string) => letter.toUpperCase())}`,
        expr,
        ...(lasting && { for: lasting }),
        labels: { severity },
        annotations: {
          summary: `${happened}${whereOf(expr)}`,
          description: first,
          runbook_url: runbookOf(name),
        },
      })),
    },
  ]
  return `# Made by \`npm run docs\`.\n${stringify({ groups }, { lineWidth: 0 })}`
}

type Panel = [title: string, unit: string, targets: [expr: string, legend: string][]]

const panels: Panel[] = [
  ['Age of the data', 's', [['max by (environment, view) (viewkeeper_view_data_age_seconds)', '{{view}}']]],
  [
    'Age, as a part of its limit',
    'percentunit',
    [
      [
        'max by (environment, view) (viewkeeper_view_data_age_seconds / viewkeeper_view_data_age_limit_seconds)',
        '{{view}}',
      ],
    ],
  ],
  [
    'Incidents',
    'short',
    [['sum by (kind) (max by (environment, view, kind) (viewkeeper_view_incident))', '{{kind}}']],
  ],
  ['Runs by outcome', 'short', [['sum by (status) (increase(viewkeeper_runs_total[5m]))', '{{status}}']]],
  [
    'Duration of refreshes',
    's',
    [
      [
        'histogram_quantile(0.5, sum by (le) (rate(viewkeeper_run_duration_seconds_bucket{operation="refresh"}[1h])))',
        'median',
      ],
      [
        'histogram_quantile(0.95, sum by (le) (rate(viewkeeper_run_duration_seconds_bucket{operation="refresh"}[1h])))',
        '95%',
      ],
    ],
  ],
  [
    'Slow refreshes: the longest last runs',
    's',
    [['topk(10, max by (environment, view) (viewkeeper_view_last_run_duration_seconds))', '{{view}}']],
  ],
  [
    'Processes',
    'short',
    [
      ['sum(viewkeeper_leader)', 'leading'],
      ['count(viewkeeper_build_info)', 'running'],
      ['sum(viewkeeper_database_connections)', 'connections'],
    ],
  ],
  [
    'Messages that wait',
    'short',
    [['max by (environment, channel) (viewkeeper_channel_waiting)', '{{channel}}']],
  ],
]

/** The dashboard, as Grafana imports it. */
export function dashboard(): string {
  const datasource = { type: 'prometheus', uid: '$datasource' }
  const [width, height] = [12, 8]
  const made = {
    title: 'Viewkeeper',
    uid: 'viewkeeper',
    schemaVersion: 39,
    time: { from: 'now-24h', to: 'now' },
    refresh: '1m',
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        {
          name: 'environment',
          type: 'query',
          datasource,
          query: 'label_values(viewkeeper_build_info, environment)',
          includeAll: true,
          multi: true,
        },
      ],
    },
    panels: panels.map(([title, unit, targets], at) => ({
      id: at + 1,
      type: 'timeseries',
      title,
      datasource,
      gridPos: { x: (at % 2) * width, y: Math.floor(at / 2) * height, w: width, h: height },
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: targets.map(([expr, legendFormat], target) => ({
        refId: String.fromCharCode('A'.charCodeAt(0) + target),
        datasource,
        expr: expr.replace(
          /viewkeeper_\w+({)?/g,
          (name, more) => `${name.replace('{', '')}{environment=~"$environment"${more ? ',' : '}'}`,
        ),
        legendFormat,
      })),
    })),
  }
  return `${JSON.stringify(made, null, 2)}\n`
}

/** The files, by their names in docs/data. */
export const monitoringFiles: Record<string, () => string> = {
  'prometheus-rules.yaml': alertRules,
  'grafana-dashboard.json': dashboard,
}

if (import.meta.main)
  for (const [name, text] of Object.entries(monitoringFiles))
    writeFileSync(new URL(`../docs/data/${name}`, import.meta.url), text())
