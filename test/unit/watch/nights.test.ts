import { expect, test } from 'vitest'
import { mailOf } from '../../../src/watch/plan/notice.ts'
import {
  divided,
  dusk,
  ended,
  error,
  failing,
  hoursAgo,
  type Look,
  night,
  upstream,
  view,
} from '../../support/views/nights.ts'

const day = 24 * 60
const well = (...names: string[]) => names.map((name) => view(name))
const sales = view('public.sales', { last: ended('failed', { error: divided }) })
const readers = ['public.by_region', 'public.by_day', 'public.top']
const ofSales = Object.fromEntries(readers.map((name) => [name, ['public.sales']]))
const left = (name: string, hours: number) =>
  view(name, { hours, last: ended('skipped', { error: upstream }), culprit: 'public.sales' })
const five = ['public.a', 'public.b', 'public.c', 'public.d', 'public.e']
const lock = {
  pid: 4711,
  role: 'etl',
  application: 'psql',
  state: 'idle in transaction',
  since: hoursAgo(2),
  mode: 'AccessExclusiveLock',
  relation: 'public.orders',
  statement: null,
  end: 'select pg_terminate_backend(4711);',
}
const mail = { channel: 'mail ops@example.com', since: dusk, error: 'refused the login' }

/** Nights, from what each look finds to the subjects of the mails; `-` is a look that tells nothing. */
const nights: [string, Look[], string[]][] = [
  [
    'a source fails under three readers, which are stale an hour later, and is mended after a day',
    [
      { at: 0, views: [sales, ...well(...readers)], reads: ofSales },
      { at: 60, views: [sales, ...readers.map((name) => left(name, 26))], reads: ofSales },
      { at: day, views: [sales, ...readers.map((name) => left(name, 50))], reads: ofSales },
      { at: day + 30, views: well('public.sales', ...readers), reads: ofSales },
    ],
    [
      'public.sales failed, division by zero',
      '-',
      'reminder: public.sales failed, division by zero; 3 vie...',
      'OK: 4 views are well again',
    ],
  ],
  [
    'five fail at once for one lock',
    [
      {
        at: 0,
        views: failing(five, { error: error('LockTimeout', 'no lock', '55P03'), locks: [lock] }),
      },
      { at: 30, views: well(...five) },
    ],
    ['process 4711 is in the way; 5 views are failing', 'OK: 5 views are well again'],
  ],
  [
    'the disk is full: every view fails',
    [
      {
        at: 0,
        views: failing(five.slice(0, 2), { error: error('ViewSqlFailed', 'No space left', '53100') }),
      },
      { at: 10, views: failing(five, { error: error('ViewSqlFailed', 'No space left', '53100') }) },
      { at: 60, views: well(...five) },
    ],
    ['the server refuses, no space left; 2 views are failing', '-', 'OK: 5 views are well again'],
  ],
  [
    'a view is dropped under its readers',
    [
      {
        at: 0,
        views: [view('public.sales', { missing: true, hours: 2 }), ...well(...readers)],
        reads: ofSales,
      },
      { at: 60, views: well('public.sales', ...readers), reads: ofSales },
    ],
    ['public.sales is missing', 'OK: public.sales is well again'],
  ],
  [
    'the monitor is away for an hour: what failed meanwhile is told once, when it looks again',
    [
      { at: 0, views: well('public.sales') },
      { at: 61, views: [sales] },
      { at: 62, views: [sales] },
    ],
    ['-', 'public.sales failed, division by zero', '-'],
  ],
  [
    'a mail server refuses: the other channels are told',
    [
      { at: 0, views: [sales] },
      { at: 1, views: [sales], channels: [mail] },
      { at: 6, views: [sales], channels: [mail] },
      { at: 20, views: [sales] },
    ],
    [
      'public.sales failed, division by zero',
      '-',
      'mail ops@example.com refused',
      'OK: mail ops@example.com takes messages again',
    ],
  ],
  [
    'a pause is forgotten: told after a week, again each week',
    [
      { at: 0, views: [view('public.a', { pausedSince: hoursAgo(169) })], forgotten: ['public.a'] },
      { at: 6 * day, views: [view('public.a', { pausedSince: hoursAgo(169) })], forgotten: ['public.a'] },
      { at: 7 * day, views: [view('public.a', { pausedSince: hoursAgo(169) })], forgotten: ['public.a'] },
      { at: 8 * day, views: well('public.a') },
    ],
    [
      'public.a is paused without an end',
      '-',
      'reminder: public.a is still paused without an end',
      'OK: public.a is well again',
    ],
  ],
  [
    'everything is paused: the first stale view tells it, the next ones a reminder',
    [
      { at: 0, views: [view('public.a', { hours: 30 })], pause: { since: hoursAgo(40), by: 'ann' } },
      {
        at: 60,
        views: five.map((name) => view(name, { hours: 30 })),
        pause: { since: hoursAgo(40), by: 'ann' },
      },
      {
        at: day,
        views: five.map((name) => view(name, { hours: 54 })),
        pause: { since: hoursAgo(40), by: 'ann' },
      },
    ],
    ['public.a is stale', '-', 'reminder: 5 views are still stale'],
  ],
  [
    'a view fails and succeeds each minute: it is told once while it does so for less than five minutes',
    [
      { at: 0, views: [sales] },
      { at: 1, views: well('public.sales') },
      { at: 2, views: [sales] },
      { at: 3, views: well('public.sales') },
      { at: 4, views: [sales] },
      { at: 8, views: well('public.sales') },
    ],
    ['public.sales failed, division by zero', '-', '-', '-', '-', 'OK: public.sales is well again'],
  ],
  [
    'the cause changes: the new one is told, and not each run that fails alike',
    [
      { at: 0, views: [sales] },
      { at: 60, views: [view('public.sales', { last: ended('failed', { id: 813, error: divided }) })] },
      {
        at: 120,
        views: failing(['public.sales'], { error: error('ViewSqlFailed', 'no column "x"', '42703') }).map(
          (each) => ({
            ...each,
            runs: each.runs.map((run) => ({ ...run, id: 814 })),
          }),
        ),
      },
    ],
    ['public.sales failed, division by zero', '-', 'public.sales failed, no column "x"'],
  ],
  [
    'a source is mended, and its readers are refreshed by the next schedule: that they wait for it is no news',
    [
      { at: 0, views: [sales, left('public.top', 30)], reads: ofSales },
      {
        at: 10,
        views: [
          view('public.sales'),
          view('public.top', { hours: 30, last: ended('skipped', { error: upstream }) }),
        ],
        reads: ofSales,
      },
      { at: 16, views: [view('public.sales'), view('public.top', { hours: 30 })], reads: ofSales },
      { at: 60, views: well('public.sales', 'public.top'), reads: ofSales },
    ],
    [
      'public.sales failed, division by zero; public.top is s...',
      'OK: public.sales is well again',
      '-',
      'OK: public.top is well again',
    ],
  ],
  [
    'a batch is lost, and the next one does its work',
    [
      {
        at: 0,
        batches: [
          {
            id: 'night-2',
            finishedAt: dusk,
            error: { class: 'BatchLost', sqlstate: null, message: 'Nobody advanced it' },
          },
        ],
      },
      { at: 60 },
    ],
    ['batch night-2 failed, nobody advanced the batch', 'OK: batch night-2 needs nothing any more'],
  ],
  [
    'a view that fails is suspended and stale, too: one mail',
    [
      { at: 0, views: [sales] },
      {
        at: 30 * 60,
        views: [view('public.sales', { hours: 31, last: ended('failed', { error: divided }) })],
        suspended: ['public.sales'],
      },
    ],
    ['public.sales failed, division by zero', 'reminder: public.sales failed, division by zero'],
  ],
  [
    'views have been set aside for long, and are put back',
    [
      { at: 0, aside: ['public.sales', 'public.total(integer)'] },
      { at: 30, views: well('public.sales') },
    ],
    ['2 views are set aside', 'OK: 2 views are well again'],
  ],
  [
    'a refresh takes five times as long as usual, and the next one does not',
    [
      {
        at: 0,
        views: well('public.a'),
        slow: [{ id: 7, view: 'public.a', durationMs: 600_000, usualMs: 120_000, changed: [] }],
      },
      { at: day / 2, views: well('public.a') },
    ],
    ['public.a is slow', 'OK: public.a is well again'],
  ],
  [
    'a whole refresh finds slices wrong, and the log of changes is made anew',
    [
      {
        at: 0,
        views: well('public.a'),
        wrong: [{ run: 7, view: 'public.a', wrong: 3, compared: 725 }],
      },
      { at: day / 2, views: well('public.a') },
    ],
    ['public.a is wrong in slices', 'OK: public.a is well again'],
  ],
  [
    'a target lag cannot be kept',
    [
      { at: 0, views: [view('public.a', { targetLagSeconds: 60, lagWorksMs: 600_000 })], lag: ['public.a'] },
      { at: 60, views: well('public.a') },
    ],
    ['public.a is unable to keep the target lag', 'OK: public.a is well again'],
  ],
]

test.each(nights)('%s', (_, looks, subjects) => {
  const told = night(...looks)
  expect(
    told.map(({ notice }) => (notice === null ? '-' : mailOf(notice).subject.replace(' [production]', ''))),
  ).toEqual(subjects)
})

test('programs hear of each change of an incident, whether people are told now or later', () => {
  const [opened, changed, resolved] = night(
    { at: 0, views: [sales] },
    { at: 1, views: [view('public.sales', { hours: 30, last: ended('failed', { error: divided }) })] },
    { at: 2, views: well('public.sales') },
  )
  expect(opened?.changes).toEqual(['Opened public.sales'])
  expect(changed).toMatchObject({ notice: null, changes: ['Changed public.sales'] })
  expect(resolved).toMatchObject({ notice: null, changes: ['Resolved public.sales'] })
})

test('a run that goes on is no new cause, nor is the end of the same run with less evidence', () => {
  const stale = (more: object) => ({ views: [view('public.a', { hours: 30, ...more })] })
  const waiting = { ...ended('failed', { error: error('LockTimeout', 'no lock', '55P03') }) }
  const told = night(
    { at: 0, ...stale({ last: waiting, locks: [lock] }) },
    { at: 10, ...stale({ last: waiting }) },
    {
      at: 20,
      ...stale({
        last: waiting,
        runs: [{ ...ended('success', { id: 813 }), status: 'running', finishedAt: null }, waiting],
      }),
    },
  )
  expect(told.map(({ notice }) => notice?.causes[0]?.code)).toEqual(['Locked', undefined, undefined])
  expect(told.flatMap(({ changes }) => changes)).toEqual(['Opened public.a'])
})

test('a run that goes on and fails is the cause', () => {
  const going = { ...ended('success'), status: 'running' as const, finishedAt: null }
  const stale = (more: object) => ({ views: [view('public.a', { hours: 30, ...more })] })
  const told = night(
    { at: 0, ...stale({ runs: [going] }) },
    { at: 10, ...stale({ last: ended('failed', { id: going.id, error: divided }) }) },
  )
  expect(told.map(({ notice }) => notice?.causes[0]?.code)).toEqual(['InProgress', 'Failed'])
})
