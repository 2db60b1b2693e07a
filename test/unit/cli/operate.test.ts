import { describe, expect, test } from 'vitest'
import { momentOf } from '../../../cli/commands/asking.ts'
import {
  failureLines,
  insteadLines,
  progressText,
  runLines,
  stateText,
  viewLinesOf,
} from '../../../cli/output/run-lines.ts'
import { tableOf } from '../../../cli/output/table.ts'
import { summaryOf, viewLines } from '../../../cli/output/view-lines.ts'
import { parseSelect } from '../../../cli/project/names.ts'
import type { BatchDetails, Run, ToldBatchView, View, ViewDetails } from '../../../src/api/answers.ts'
import { readersOf } from '../../../src/api/ask.ts'
import { filters } from '../../../src/catalog/plan/state.ts'
import { runColumns } from '../../../src/resources/run-facts.ts'
import { firstToFix, inOrder, viewColumns } from '../../../src/resources/views.ts'
import { plain } from '../../../src/terminal/report.ts'
import { minutesAgo, now, viewOf } from '../../support/cli/view.ts'

const wide = { width: 200, paint: plain }
const narrow = { width: 80, paint: plain }
const hour = 3_600_000

const runOf = (changes: Partial<Run>): Run =>
  ({
    id: 812,
    view: 'public.sales',
    schema: 'public',
    name: 'sales',
    operation: 'refresh',
    status: 'success',
    trigger: 'http',
    requestedBy: 'ci',
    batchId: null,
    attempt: 1,
    requestedAt: minutesAgo(3),
    notBefore: null,
    startedAt: minutesAgo(3),
    finishedAt: minutesAgo(2),
    durationMs: 9300,
    rowCountBefore: 4231,
    rowCountAfter: 4309,
    error: null,
    result: { status: 'refreshed', request: {}, response: { strategy: 'swap' } },
    ...changes,
  }) as Run

describe('views', () => {
  const stale = viewOf({ name: 'late', state: 'stale', stale: true, staleMs: 26 * hour })
  const later = viewOf({ name: 'later', state: 'stale', stale: true, staleMs: 40 * hour })
  const failed = viewOf({
    name: 'broken',
    lastRun: {
      id: 8,
      status: 'failed',
      requestedAt: minutesAgo(5),
      finishedAt: minutesAgo(5),
      durationMs: 450,
    },
    state: 'failed',
  })
  const fresh = viewOf({
    name: 'fine',
    nextRun: '2026-11-21T13:00:00Z',
    estimatedRows: null,
    countedRows: null,
  })
  const missing = viewOf({ name: 'gone', state: 'missing', missing: true, lastRun: null, staleMs: null })
  const all = [fresh, failed, stale, missing, later]
  const named = (views: View[]) => views.map(({ name }) => name)

  test('are sorted by what is asked for, and what is unknown comes last', () => {
    expect(named(inOrder(all, 'name'))).toEqual(['broken', 'fine', 'gone', 'late', 'later'])
    expect(named(inOrder(all, 'age'))).toEqual(['later', 'late', 'broken', 'fine', 'gone'])
    expect(named(inOrder(all, 'next'))[0]).toBe('fine')
    expect(named(inOrder(all, 'rows')).at(-1)).toBe('fine')
    expect(named(inOrder(all, 'duration')).at(-1)).toBe('gone')
  })

  test('are told with age, limit, last run and the next one; on 80 columns the least important are left out', () => {
    const estimated = { ...failed, countedRows: null, estimatedRows: 7201 }
    expect(tableOf(viewColumns, [stale, estimated], now, wide)).toEqual([
      'VIEW    STATE     AGE  LIMIT  LAST RUN             TOOK    ROWS  NEXT RUN    SIZE  SCHEDULE',
      'late    stale    26 h   25 h  success 3 min ago   9.3 s   4,309  in 21 h   8.0 kB  nightly',
      'broken  failed  3 min   25 h  failed 5 min ago   0.45 s  ~7,201  in 21 h   8.0 kB  nightly',
    ])
    expect(tableOf(viewColumns, [{ ...stale, nextBy: 'log' }], now, wide)[1]).toContain('on changes')
    for (const line of tableOf(viewColumns, all, now, narrow)) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('whose retry waits say when it begins and why, come first and count as failed; a view set aside is not missing', () => {
    const retry = { runId: 8, at: '2026-11-21T12:04:00Z', message: 'public.half: division by zero' }
    const half = viewOf({
      name: 'half',
      state: 'failed',
      lastRun: { id: 9, status: 'pending', requestedAt: minutesAgo(1), finishedAt: null, durationMs: null },
      retry,
    })
    const away = viewOf({
      name: 'away',
      state: 'aside',
      missing: true,
      aside: { since: minutesAgo(9), by: 'shop' },
    })
    const list = inOrder([fresh, stale, half])
    expect(named(list)).toEqual(['half', 'late', 'fine'])
    const lines = tableOf(viewColumns, list, now, wide)
    expect(lines[1]).toContain('retries at 12:04 UTC after: division by zero')
    for (const line of tableOf(viewColumns, list, now, narrow)) expect(line.length).toBeLessThanOrEqual(80)
    expect(summaryOf(list)).toBe('3 views: 1 failed, 1 stale, 1 fresh')
    expect([filters.failed(half), filters.missing(away), filters.aside(away)]).toEqual([true, false, true])
  })

  test('name the view to look into: a reader that is stale because its source failed is innocent', () => {
    const reader = viewOf({ name: 'daily', state: 'heldBack', stale: true, culprit: 'public.broken' })
    expect(firstToFix([reader, later, fresh])).toBe('public.broken')
    expect(firstToFix([fresh, later, reader])).toBe('public.later')
    expect(firstToFix([fresh])).toBeNull()
  })

  test('that are refreshed for the sake of another one say which', () => {
    const source = viewOf({ promisedMs: 900_000, promisedFor: 'public.best' })
    expect(tableOf(viewColumns, [source], now, wide)[1]).toContain('within 15 min, for best')
  })

  test('are summed up by how they stand', () => {
    expect(summaryOf(all)).toBe('5 views: 1 missing, 1 failed, 2 stale, 1 fresh')
    expect(summaryOf([fresh])).toBe('1 view, fresh')
    expect(summaryOf([fresh, viewOf({})])).toBe('2 views, all fresh')
  })
})

describe('a run', () => {
  const error = { class: 'ViewSqlFailed', message: 'public.sales: division by zero', sqlstate: '22012' }
  const broken = runOf({
    status: 'failed',
    durationMs: 800,
    rowCountAfter: null,
    error: error as Run['error'],
  })

  test('whose strategy is not the requested one says why', () => {
    const because = 'not concurrent, as requested: the view is unpopulated'
    const result = (strategy: string | undefined, by: string, more = {}) =>
      runOf({ result: { request: { strategy }, response: { strategy: by, because, ...more } } } as never)
    expect(insteadLines(result('concurrent', 'regular'), wide)).toEqual([`  ${because}`])
    for (const asked of ['regular', 'auto', undefined])
      expect(insteadLines(result(asked, 'regular'), wide)).toEqual([])
    // So does one whose change log was not used.
    expect(
      insteadLines(
        result('auto', 'swap', { computes: { mode: 'all', unused: { because: 'no', log: null } } }),
        wide,
      ),
    ).toEqual([`  ${because}`])
  })

  test('that lacks a right shows each line to type by itself and whole, and nothing that moves a cursor', () => {
    const grant = `grant select on shop.orders_of_all_the_years_before to shop_owner_of_everything;`
    const hint = `Missing: its owner lacks select.\n\nshop_owner or a superuser has to run:\n  ${grant}\n\u001b[2J`
    const lines = failureLines(
      { ...broken, error: { class: 'InsufficientPrivilege', message: 'no', hint } },
      null,
      { ...wide, width: 60 },
    )
    expect(lines.slice(0, 5)).toEqual([
      '  no (InsufficientPrivilege). Missing: its owner lacks',
      '  select.',
      '',
      '  shop_owner or a superuser has to run:',
      `    ${grant}`,
    ])
    expect(lines.join()).not.toContain('\u001b')
  })

  test('that failed says what why says, and what to type there; an older version tells only the error', () => {
    const cause = {
      code: 'Failed',
      text: 'Run 812 of public.sales failed.',
      next: 'viewkeeper bad-row public.sales',
    } as const
    const more = '  more: node_modules/viewkeeper/docs/runbook.md#viewsqlfailed'
    expect(failureLines({ ...broken, cause }, 'production', wide)).toEqual([
      '  Run 812 of public.sales failed.',
      '  next: viewkeeper bad-row public.sales',
      more,
    ])
    expect(failureLines(broken, 'production', wide)).toEqual([
      '  public.sales: division by zero (ViewSqlFailed, 22012).',
      '  next: viewkeeper runs 812 --env production',
      more,
    ])
  })

  test('tells how long it locked readers out, if it did', () => {
    const told = (response: object) =>
      runLines(runOf({ result: { status: 'updated', request: {}, response } as never }), now, wide).filter(
        (line) => line.startsWith('readers'),
      )
    expect(told({ strategy: 'swap', lockedMs: 14 })).toEqual([
      expect.stringMatching(/^readers +locked out for 0\.01 s$/),
    ])
    expect(told({ strategy: 'concurrent' })).toEqual([])
  })

  test('tells each of its checks, and which took longer than the refresh itself', () => {
    const checks = [
      { name: 'notEmpty', rows: 0, ms: 12 },
      { name: 'no future', severity: 'warn' as const, rows: 3, ms: 5000 },
    ]
    const told = (lines: string[]) => lines.join('\n').match(/checks .*\n.*/)?.[0]
    const expected = expect.stringMatching(
      /^checks +notEmpty: nothing, 0\.01 s\n +no future: 3 rows, warned, 5\.0 s: longer than the refresh itself$/,
    )
    const run = runOf({ checks })
    expect(told(runLines(run, now, wide))).toEqual(expected)
    const details: ViewDetails = {
      ...viewOf({}),
      owner: 'etl',
      comment: null,
      sql: null,
      indexes: [],
      recentRuns: [runOf({ checks: null }), run],
    }
    expect(told(viewLines(details, now, wide))).toEqual(expected)
    expect(told(runLines(runOf({ checks: null }), now, wide))).toBeUndefined()
  })

  test('in a list keeps its error on 80 columns', () => {
    expect(tableOf(runColumns, [broken], now, narrow)[1]).toMatch(/ViewSqlFailed 22012$/)
  })

  test('tells how far it is, and if it takes longer than usual', () => {
    expect(progressText('building', 4100, 9000)).toBe('building   4 s of about 9.0 s')
    expect(progressText('building', 12_000, 9000)).toBe('building   12 s, usually 9.0 s')
    expect(progressText(null, 100, null)).toBe('running   0 s')
  })
})

describe('a batch', () => {
  const member = (
    name: string,
    status: ToldBatchView['status'],
    changes: Partial<ToldBatchView> = {},
  ): ToldBatchView => ({
    view: `public.${name}`,
    status,
    includedBecause: null,
    dependsOn: [],
    waitsFor: [],
    estimatedMs: 9000,
    runs: [],
    ...changes,
  })
  const memberRun = (changes: Partial<ToldBatchView['runs'][number]>): ToldBatchView['runs'][number] => ({
    runId: 1,
    status: 'running',
    attempt: 1,
    notBefore: null,
    startedAt: null,
    finishedAt: null,
    elapsedMs: 4000,
    phase: 'building',
    class: null,
    sqlstate: null,
    message: null,
    ...changes,
  })
  const batchOf = (views: ToldBatchView[]): BatchDetails =>
    ({
      id: 'b',
      status: 'running',
      concurrency: 2,
      elapsedMs: 12_000,
      estimatedRestMs: 20_000,
      groups: [{ views: ['public.base', 'public.top'], shadowBytes: 0, inPlace: false, givenUp: null }],
      views,
    }) as unknown as BatchDetails

  const failedRun = memberRun({
    status: 'failed',
    class: 'ViewSqlFailed',
    sqlstate: '22012',
    message: 'public.broken: division by zero',
    elapsedMs: 800,
  })
  test.each([
    [member('one', 'running', { runs: [memberRun({})] }), 'building   5 s of about 9.0 s'],
    [
      member('one', 'running', { runs: [memberRun({ attempt: 2 })] }),
      'building   5 s of about 9.0 s   attempt 2',
    ],
    [member('base', 'built', { runs: [memberRun({})] }), 'built, waits for the exchange with top'],
    [member('one', 'waiting', { waitsFor: ['public.base', 'app.x'] }), 'waits for base, app.x'],
    [member('one', 'waiting'), 'begins soon'],
    [member('broken', 'failed', { runs: [failedRun] }), 'failed after 0.80 s: division by zero (22012)'],
    [
      member('broken', 'pending', {
        runs: [failedRun, memberRun({ attempt: 2, notBefore: '2026-11-21T12:05:00Z' })],
      }),
      'tries again in 5 min 00 s after: division by zero (22012)',
    ],
    [member('one', 'success', { runs: [memberRun({ elapsedMs: 2300 })] }), 'done in 2.3 s'],
    [member('one', 'canceled'), 'canceled'],
    [
      member('one', 'skipped', { runs: [memberRun({ message: 'the view is paused' })] }),
      'skipped: the view is paused',
    ],
  ])('says what its views do or wait for: %j', (view, text) => {
    expect(stateText(view, { batch: batchOf([view]), sinceMs: 1000, now })).toBe(text)
  })

  test('has lines for as many views as fit, the most telling first, and counts the others', () => {
    const views = [
      ...Array.from({ length: 30 }, (_, n) => member(`view_${n}`, 'waiting')),
      member('broken', 'failed', { runs: [failedRun] }),
      member('base', 'running', { runs: [memberRun({})] }),
      member('other', 'running', { runs: [memberRun({})] }),
    ]
    const lines = viewLinesOf(views, { batch: batchOf(views), sinceMs: 0, now }, { ...narrow, height: 6 })
    expect(lines).toEqual([
      '✗ broken    failed after 0.80 s: division by zero (22012)',
      '● base      building   4 s of about 9.0 s',
      '● other     building   4 s of about 9.0 s',
      '· view_0    queued: 2 refreshes are running',
      '· view_1    queued: 2 refreshes are running',
      '  and 28 more: 28 waiting',
    ])
  })

  test('tells which view came along', () => {
    const views = [
      member('base', 'success', { runs: [memberRun({ status: 'success', elapsedMs: 2000 })] }),
      member('top', 'success', {
        includedBecause:
          'it is not in the batch, but reads public.base, which cannot be exchanged without it',
        runs: [memberRun({ status: 'success', elapsedMs: 2000 })],
      }),
    ]
    const lines = viewLinesOf(views, { batch: batchOf(views), sinceMs: 0, now }, { ...narrow, height: 6 })
    expect(lines.map((line) => line.replace(/^.*done/, 'done'))).toEqual([
      'done in 2.0 s',
      'done in 2.0 s; included',
    ])
  })
})

test.each([
  ['sales.*', { pattern: 'sales.*' }],
  ['+sales', { pattern: '*.sales', ancestors: true }],
  ['sales+', { pattern: '*.sales', descendants: true }],
  ['+app.x+', { pattern: 'app.x', ancestors: true, descendants: true }],
  ['app."Odd Name"', { pattern: 'app.Odd Name' }],
  ['app."a*b"', { pattern: 'app."a*b"' }],
  ['+"a.b"', { pattern: '*."a.b"', ancestors: true }],
])('--select %s is sent as %j', (text, select) => {
  expect(parseSelect(text)).toEqual(select)
})

test.each([
  ['90m', '2026-11-21T10:30:00.000Z'],
  ['24h', '2026-11-20T12:00:00.000Z'],
  ['7d', '2026-11-14T12:00:00.000Z'],
  ['2026-11-20T09:00:00Z', '2026-11-20T09:00:00.000Z'],
])('--since %s is %s', (text, at) => {
  expect(momentOf('--since', text, now)).toBe(at)
})

test('--since with a time without a zone is UTC, wherever it is typed', () => {
  expect(momentOf('--since', '2026-11-20 09:00', now)).toBe('2026-11-20T09:00:00.000Z')
  expect(momentOf('--since', '2026-11-20T09:00+01:00', now)).toBe('2026-11-20T08:00:00.000Z')
})

const noTimes = ['7', 'sales 5', '2026-13-01', '2026-02-31', '2026-02-29T09:00Z', 'yesterday']
test.each(noTimes)('--since %s is refused', (text) => {
  expect(() => momentOf('--since', text, now)).toThrow('write 90m, 24h, 7d or a time')
})

test('what reads a view is followed through all views, and told once', () => {
  const view = (name: string, ...neededBy: string[]) => ({ view: name, neededBy })
  const views = [view('a', 'b', 'c'), view('b', 'd'), view('c', 'd'), view('d'), view('e', 'a')]
  expect(readersOf('a', views)).toEqual(['b', 'c', 'd'])
  expect(readersOf('d', views)).toEqual([])
})
