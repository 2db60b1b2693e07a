import { afterEach, expect, test, vi } from 'vitest'
import { graphLines } from '../../../cli/commands/operate/graph.ts'
import { plotPairs } from '../../../cli/output/view-lines.ts'
import { plain } from '../../../src/terminal/report.ts'
import { startApi } from '../../support/api/fake-api.ts'
import { caught } from '../../support/cli/printed.ts'
import { typed } from '../../support/cli/typed.ts'
import { now, viewOf } from '../../support/cli/view.ts'

afterEach(() => vi.restoreAllMocks())

test('durations and rows of refreshes are drawn oldest first, from 0 on or from the smallest if all are large; without a terminal they are figures', () => {
  const runs = [7000, 2000, 1000, 0].map((durationMs, at) => ({
    durationMs,
    rowCountAfter: [null, 107, 101, 100][at]!,
    finishedAt: new Date(now.getTime() - (at + 1) * 3_600_000).toISOString(),
  }))
  const of = (drawn: boolean) => plotPairs(runs, { now, width: 80, drawn })
  expect(of(true)).toEqual([
    ['took', '▁▂▃█  0.00 s to 7.0 s, the last 4 refreshes, since 4 h ago'],
    ['rows then', '▁▂█  100 to 107'],
  ])
  expect(of(false)[0]).toEqual(['took', '0.00 s to 7.0 s, the last 4 refreshes, since 4 h ago'])
  expect(plotPairs(runs.slice(0, 1), { now, width: 80, drawn: true })).toEqual([])
  const same = plotPairs([runs[1]!, runs[1]!], { now, width: 80, drawn: true })
  expect(same[1]).toEqual(['rows then', '▁▁  107'])
})

test('the graph stands as trees with states; a view that reads several is expanded once', () => {
  const retry = { runId: 1, at: '2026-11-21T12:04:00Z', message: 'division by zero' }
  const reads = (name: string, ...read: string[]) => ({
    name,
    staleMs: 300_000,
    dependsOn: read.map((each) => `public.${each}`),
  })
  const views = [
    viewOf(reads('sales')),
    viewOf({ ...reads('by_region', 'sales'), state: 'stale', stale: true }),
    viewOf({ ...reads('top', 'sales', 'by_region'), retry }),
    viewOf(reads('report', 'top')),
    viewOf(reads('alone')),
  ]
  for (const view of views)
    view.neededBy = views.filter(({ dependsOn }) => dependsOn.includes(view.view)).map((each) => each.view)
  const lines = (drawn: boolean, from?: string) =>
    graphLines(views, { width: 100, paint: plain, now, drawn, from })
  expect(lines(true)).toEqual([
    'sales             fresh   5 min old',
    '├─ by_region      stale   5 min old',
    '│  └─ top         retries at 12:04 UTC after: division by zero   5 min old',
    '│     └─ report   fresh   5 min old',
    '└─ top            retries at 12:04 UTC after: division by zero   5 min old   (its readers: above)',
    'alone             fresh   5 min old',
  ])
  expect(lines(false, 'public.top')).toEqual([
    'top        retries at 12:04 UTC after: division by zero   5 min old',
    '  report   fresh   5 min old',
  ])
})

test('the graph of one view as JSON is of this view and what reads it', async () => {
  const reads = { a: [], b: ['a'], c: ['b'], other: [] } as Record<string, string[]>
  const views = Object.entries(reads).map(([view, dependsOn]) => ({
    view,
    dependsOn,
    neededBy: Object.keys(reads).filter((each) => reads[each]?.includes(view)),
  }))
  const { url } = await startApi(({ url }) => ({
    body: url.startsWith('/views/') ? views[1] : { views, next: null },
  }))
  const printed = caught(process.stdout)
  await typed('graph', 'b', '--json', '--url', url)
  expect(JSON.parse(printed.text).map(({ view }: { view: string }) => view)).toEqual(['b', 'c'])
})
