import type { Template } from 'aws-cdk-lib/assertions'
import { insights } from '../../../infra/monitoring/dashboard.ts'
import { metricNames } from '../../../src/api/lambda/aws-names.ts'
import { type Panel, panelsOf } from './panels.ts'

// The panels and their places come from the template. The numbers are an example: a week in which one view failed.

/** The numbers of seven days; zeros where nothing is said. */
const days: Record<string, number[]> = {
  [metricNames.runsSucceeded]: [12, 12, 12, 9, 9, 12, 12],
  [metricNames.runsFailed]: [0, 0, 0, 2, 2, 0, 0],
  [metricNames.runsSlow]: [0, 1, 0, 0, 0, 0, 0],
  [metricNames.viewsStale]: [0, 0, 0, 0, 3, 0, 0],
  [metricNames.viewsFailed]: [0, 0, 0, 1, 1, 0, 0],
  ExecutionsSucceeded: [1, 1, 1, 0, 0, 1, 1],
  ExecutionsFailed: [0, 0, 0, 1, 1, 0, 0],
  'app.sales': [41_300, 95_120, 42_300, 0, 0, 43_900, 44_100],
  'app.top_customers': [9_200, 9_100, 10_400, 0, 0, 10_100, 9_300],
}

const at = (time: string) => `11-${time}`
const failure = 'division by zero'

/** The rows of the panels that read the log. */
const rows: Record<string, string[][]> = {
  [insights.rowCounts.title]: [
    ['app.sales', '182,940', '183,377', at('20 09:02')],
    ['app.top_customers', '500', '500', at('20 09:02')],
  ],
  [insights.lastStatus.title]: [
    ['app.sales', 'success', at('20 09:02'), 'swap', '2204'],
    ['app.top_customers', 'success', at('20 09:02'), 'concurrent', '2205'],
  ],
  [insights.staleness.title]: [
    ['app.sales', at('20 09:02')],
    ['app.top_customers', at('20 09:02')],
  ],
  [insights.failures.title]: [
    [at('18 09:01'), 'app.sales', 'ViewSqlFailed', failure, '22012', '2190'],
    [at('17 09:01'), 'app.sales', 'ViewSqlFailed', failure, '22012', '2172'],
  ],
  [insights.slow.title]: [[at('15 09:03'), 'app.sales', '95,120', '41,900', '2144']],
  [insights.stale.title]: [[at('18 11:00'), '3', 'app.sales', '93,640', 'app.top_customers']],
  [insights.batches.title]: [
    [at('20 09:02'), 'success', 'schedule', '98,411'],
    [at('18 09:06'), 'failed', 'schedule', '310,020', 'ViewsFailed'],
  ],
}

const column = 40
const row = 26
const head = 26

/** The dashboard of a template as an SVG, with example numbers. */
export function dashboardPicture(template: Template): string {
  const panels = panelsOf(template)
  const top = Math.min(...panels.map(({ place }) => place.y))
  const bottom = Math.max(...panels.map(({ place }) => place.y + place.height))
  const height = (bottom - top) * row + 8
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${24 * column} ${height}" font-family="system-ui, sans-serif" font-size="10" role="img" aria-labelledby="title">`,
    '<title id="title">The dashboard with the numbers of an example week, in which one view failed for two days</title>',
    `<rect width="${24 * column}" height="${height}" fill="#f2f3f3"/>`,
    ...panels.map((panel) => {
      const { x, y, width } = panel.place
      const box = { width: width * column - 8, height: panel.place.height * row - 8 }
      return `<g transform="translate(${x * column + 4} ${(y - top) * row + 4})">
<rect width="${box.width}" height="${box.height}" rx="3" fill="#fff" stroke="#d5dbdb"/>
<text x="10" y="17" font-size="12" font-weight="600" fill="#16191f">${escaped(panel.title)}</text>
${panel.kind === 'table from the log' ? table(panel, box.width) : chart(panel, box)}
</g>`
    }),
    '</svg>\n',
  ].join('\n')
}

/** The columns that a query gives, in CloudWatch's order: what it groups by comes first. */
function columnsOf({ properties }: Panel): string[] {
  const query = String(properties.query)
  const [, fields] = /fields (.+)/.exec(query) ?? []
  if (fields) return fields.split(', ')
  const names = [...query.matchAll(/ as (\w+)/g)].map(([, name]) => String(name))
  return [String(/ by (\w+)/.exec(query)?.[1]), ...names]
}

function table(panel: Panel, width: number): string {
  const columns = columnsOf(panel)
  const lines = [columns, ...(rows[panel.title] ?? [])]
  // A column is as wide as its longest text; what is left over is shared.
  const longest = columns.map((_, i) => 2 + Math.max(...lines.map((texts) => texts[i]?.length ?? 0)))
  const unit = (width - 20) / longest.reduce((sum, length) => sum + length, 0)
  const place = (i: number) => 10 + unit * longest.slice(0, i).reduce((sum, length) => sum + length, 0)
  const line = (texts: string[], y: number, fill: string) =>
    texts
      .map((text, i) => `<text x="${Math.round(place(i))}" y="${y}" fill="${fill}">${escaped(text)}</text>`)
      .join('')
  return [
    line(columns, 40, '#545b64'),
    `<path d="M10 46H${width - 10}" stroke="#d5dbdb"/>`,
    ...lines.slice(1).map((texts, i) => line(texts, 62 + i * 18, '#16191f')),
  ].join('\n')
}

interface Series {
  label: string
  color: string
  values: number[]
}

const palette = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd', '#8c564b']

/** What a graph of metrics shows. CloudWatch gives a metric without a colour the next one of its palette. */
function seriesOf({ kind, properties }: Panel): Series[] {
  const zeros = days[metricNames.batchesLost] ?? Array(7).fill(0)
  if (kind !== 'metrics')
    return ['app.sales', 'app.top_customers'].map((label, i) => ({
      label,
      color: String(palette[i]),
      values: days[label] ?? zeros,
    }))
  return (properties.metrics as unknown[][]).map((metric, i) => {
    const name = String(metric[1])
    const options = metric.at(-1) as { color?: string; label?: string }
    return {
      label: options.label ?? name,
      color: options.color ?? String(palette[i % palette.length]),
      values: days[name] ?? zeros,
    }
  })
}

function chart(panel: Panel, box: { width: number; height: number }): string {
  const series = seriesOf(panel)
  const bottom = box.height - 34
  const most = Math.max(1, ...series.flatMap(({ values }) => values))
  const x = (day: number) => Math.round(34 + (day * (box.width - 60)) / 6)
  const y = (value: number) => Math.round(bottom - (value / most) * (bottom - head - 12))
  const labels = mostLabels(series, box.width)
  return [
    `<path d="M34 ${y(most)}H${box.width - 20}M34 ${bottom}H${box.width - 20}" stroke="#eaeded"/>`,
    `<text x="28" y="${y(most) + 3}" text-anchor="end" fill="#545b64">${most < 1000 ? most : `${Math.round(most / 1000)}k`}</text>`,
    `<text x="28" y="${bottom + 3}" text-anchor="end" fill="#545b64">0</text>`,
    ...Array.from(
      { length: 7 },
      (_, day) =>
        `<text x="${x(day)}" y="${bottom + 13}" text-anchor="middle" fill="#545b64">11/${14 + day}</text>`,
    ),
    ...series.map(({ color, values }, i) =>
      panel.kind === 'metrics'
        ? `<polyline points="${values.map((value, day) => `${x(day)},${y(value)}`).join(' ')}" fill="none" stroke="${color}" stroke-width="1.5"/>`
        : values
            .map(
              (value, day) =>
                `<rect x="${x(day) - 8 + i * 8}" y="${y(value)}" width="7" height="${bottom - y(value)}" fill="${color}"/>`,
            )
            .join(''),
    ),
    ...labels.map(
      ({ label, color, left }) =>
        `<rect x="${left}" y="${box.height - 15}" width="8" height="8" fill="${color}"/><text x="${left + 12}" y="${box.height - 8}" fill="#545b64">${escaped(label)}</text>`,
    ),
  ].join('\n')
}

/** The legend: as many labels as fit in one line. */
function mostLabels(series: Series[], width: number): { label: string; color: string; left: number }[] {
  const labels: { label: string; color: string; left: number }[] = []
  let left = 34
  for (const { label, color } of series) {
    if (left + 12 + label.length * 6 > width - 20) return [...labels, { label: '…', color: '#fff', left }]
    labels.push({ label, color, left })
    left += 30 + label.length * 5.5
  }
  return labels
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
