import { expect, test } from 'vitest'
import { tellWrong } from '../../../src/record/plan/wrong-slices.ts'
import { mailOf } from '../../../src/watch/plan/notice.ts'
import { unheardOf } from '../../../src/watch/plan/silence.ts'
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
  endBy: 'role etl or a member of pg_signal_backend',
}
const waiting = {
  ...ended('success'),
  status: 'running' as const,
  finishedAt: null,
}
const arn = 'arn:aws:sns:eu-central-1:123456789012:viewkeeper-production-mail'
const deserted = { topics: [{ topic: arn, confirmed: 0, error: null }], mailed: true }
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
      'reminder: 3 views are stale, 1 failing: public.sales...',
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
    ['5 views are failing: process 4711 is in the way', 'OK: 5 views are well again'],
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
    ['2 views are failing: the server refuses, no space left', '-', 'OK: 5 views are well again'],
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
      'mail ops@example.com refused',
      '-',
      'OK: mail ops@example.com takes messages again',
    ],
  ],
  [
    'everybody has left the topic of mails: programs are told, and a person who subscribes again',
    [
      { at: 0, unheard: unheardOf(deserted, true) },
      { at: 60, unheard: [] },
    ],
    ['topic viewkeeper-production-mail refused', 'OK: topic viewkeeper-production-mail takes messages again'],
  ],
  [
    'a minute after a mail another view fails, for some minutes: it is told at the next look, and its end',
    [
      { at: 0, views: [sales, ...well('public.a')] },
      { at: 1, views: [sales, ...failing(['public.a'])] },
      { at: 4, views: [sales, ...well('public.a')] },
      { at: 6, views: [sales, ...well('public.a')] },
    ],
    [
      'public.sales failed, division by zero',
      'public.a failed, division by zero',
      '-',
      'OK: public.a is well again',
    ],
  ],
  [
    'a maintenance window: what failed in it and is mended is never told; what still fails is, at its end',
    [
      { at: 0, quiet: true, views: failing(['public.a', 'public.b']) },
      { at: 60, quiet: true, views: [...failing(['public.a']), ...well('public.b')] },
      { at: 120, views: [...failing(['public.a']), ...well('public.b')] },
    ],
    ['-', '-', 'public.a failed, division by zero'],
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
      'reminder: public.a is paused without an end',
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
    ['public.a is stale', '-', 'reminder: 5 views are stale'],
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
      '1 view is stale, 1 failing: public.sales failed...',
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
    'a full refresh finds slices wrong, and the change log is made anew',
    [
      {
        at: 0,
        views: well('public.a'),
        wrong: [tellWrong({ run: 7, view: 'public.a', wrong: 3, compared: 725 })],
      },
      { at: day / 2, views: well('public.a') },
    ],
    ['public.a is wrong in slices', 'OK: public.a is well again'],
  ],
  [
    'another tool drops a view and makes it again without its index, and somebody brings it back',
    [
      {
        at: 0,
        views: well('public.a'),
        lost: [
          {
            view: 'public.a',
            since: new Date(0),
            parts: ['index'],
          },
        ],
      },
      { at: day / 2, views: well('public.a') },
    ],
    ['public.a is without what hung on it', 'OK: public.a is well again'],
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

const lacks =
  'Missing: its owner, app, lacks select on public.orders.\n\nsales decides whether to run:\n  grant select on public.orders to app;'
const byAdmin = { ...lock, role: 'postgres', endBy: 'a superuser' }
const hidden = { ...lock, state: null, since: null, application: 'etl nightly' }
const slow = {
  id: 7,
  view: 'public.a',
  durationMs: 54_000,
  usualMs: 90,
  changed: [['since the last analyze, rows of public.orders', '1000', '900000']] as [
    string,
    string,
    string,
  ][],
}

/** What people read first at night, and what they type: the view, what a look knows, the subject, the first sentences, the command. */
const firsts: [string, Partial<Look>, string, RegExp, string | null][] = [
  [
    'a value is not allowed: the constraint and its domain, and not the value',
    {
      views: failing(['public.a'], {
        error: error('ViewSqlFailed', 'check violation of constraint positive of app.price', '23514'),
      }),
    },
    'public.a failed, check violation of constraint...',
    /check violation of constraint positive of app\.price \(ViewSqlFailed, 23514\)/,
    'viewkeeper bad-row public.a',
  ],
  [
    'a function lacks a column: its name and the name of the function',
    {
      views: failing(['public.a'], {
        error: error('ViewSqlFailed', 'undefined column absent in function public.rate()', '42703'),
      }),
    },
    'public.a failed, undefined column absent in function...',
    /undefined column absent in function public\.rate\(\) \(ViewSqlFailed, 42703\)/,
    'viewkeeper bad-row public.a',
  ],
  [
    'a time-out: the limit, where it comes from, its phase, and what is usual; more time for once',
    {
      views: failing(['public.a'], {
        error: {
          ...error(
            'StatementTimeout',
            'canceled after 3 s in phase building: timeoutSeconds of the definition; it usually takes 41 s',
            '57014',
          ),
          hint: 'Give it more time once: option timeout, 82 seconds',
        },
      }),
    },
    'public.a failed, canceled after 3 s in phase building...',
    /canceled after 3 s in phase building: timeoutSeconds of the definition; it usually takes 41 s/,
    'viewkeeper refresh public.a --timeout 82 --env production',
  ],
  [
    'two rows have one key: the index with its columns, and what shows the rows',
    {
      views: failing(['public.a'], {
        error: error('ViewSqlFailed', 'unique violation in index a_key (day, shop)', '23505'),
      }),
    },
    'public.a failed, unique violation in index a_key (day...',
    /unique violation in index a_key \(day, shop\) \(ViewSqlFailed, 23505\)/,
    'viewkeeper bad-row public.a',
  ],
  [
    'a right is missing: which; doctor says who decides, and the grant',
    {
      views: failing(['public.a'], {
        error: { ...error('InsufficientPrivilege', 'insufficient privilege', '42501'), hint: lacks },
      }),
    },
    'public.a failed, a privilege is missing',
    /\. Missing: its owner, app, lacks select on public\.orders\. Readers/,
    'viewkeeper doctor public.a --env production',
  ],
  [
    'a right is missing, and the name of a table holds SQL on a line of its own: no SQL of it is told',
    {
      views: failing(['public.a'], {
        error: {
          ...error('InsufficientPrivilege', 'no', '42501'),
          hint: lacks.replace('public.orders to', '"x;\n  grant app to y;" to'),
        },
      }),
    },
    'public.a failed, a privilege is missing',
    /failed at/,
    'viewkeeper doctor public.a --env production',
  ],
  [
    'the disk is full: of which tablespace',
    {
      views: failing(['public.a'], {
        error: {
          ...error('DiskFull', 'could not extend file', '53100'),
          hint: 'The rows of public.a are in tablespace fast (/fast), and what is computed for a moment in pg_default: make room there.',
        },
      }),
    },
    "public.a failed, the server's disk is full",
    /are in tablespace fast \(\/fast\), and what is computed for a moment in pg_default: make room there\./,
    'viewkeeper refresh public.a --env production',
  ],
  [
    'a view became slow: how much, and what is not as before',
    { views: well('public.a'), slow: [slow] },
    'public.a is slow',
    /^public\.a took 54 s; it usually takes 0\.09 s \(since the last analyze, rows of public\.orders 900000, 1000 before\)\.$/m,
    'viewkeeper runs public.a --env production',
  ],
  [
    'somebody holds a lock: who, and the command that ends it',
    {
      views: failing(['public.a'], { error: error('LockTimeout', 'no lock', '55P03'), locks: [lock] }),
    },
    'public.a got no lock, a lock was not granted in time',
    /^Process 4711 \(role etl, application "psql", idle in transaction, transaction began .*\) holds AccessExclusiveLock on public\.orders/,
    'select pg_terminate_backend(4711);',
  ],
  [
    'the session of a superuser is in the way: who may end it',
    {
      views: failing(['public.a'], { error: error('LockTimeout', 'no lock', '55P03'), locks: [byAdmin] }),
    },
    'public.a got no lock, a lock was not granted in time',
    /run 812 gave up waiting for it\. Let it end, or end it as a superuser\.$/m,
    'select pg_terminate_backend(4711);',
  ],
  [
    'a run has waited for a lock for a minute: who holds it',
    {
      views: [view('public.a', { runs: [waiting], locks: [lock], waits: true })],
      waits: ['public.a'],
    },
    'public.a got no lock',
    /holds AccessExclusiveLock on public\.orders: run 812 waits for it\. Let it end, or end it as role etl or a member of pg_signal_backend\.$/m,
    'select pg_terminate_backend(4711);',
  ],
  [
    'somebody holds a lock, and the login does not see since when: what it lacks',
    {
      views: failing(['public.a'], { error: error('LockTimeout', 'no lock', '55P03'), locks: [hidden] }),
    },
    'public.a got no lock, a lock was not granted in time',
    /^Process 4711 \(role etl, application "etl nightly", since when is not seen without role pg_read_all_stats\)/,
    'select pg_terminate_backend(4711);',
  ],
  [
    'an authored view is gone: since when, and what makes it again',
    {
      views: [
        view('public.a', {
          missing: true,
          gone: 'public.a is authored and missing: run 9 dropped it at 2026-11-20 08:00 UTC, asked for by ann.',
        }),
      ],
    },
    'public.a is missing',
    /^public\.a is authored and missing: run 9 dropped it at 2026-11-20 08:00 UTC, asked for by ann\.$/m,
    'viewkeeper migrate up --repair --env production',
  ],
  [
    'the server was restarted under a refresh: nothing is wrong with the view',
    { views: failing(['public.a'], { error: error('RunLost', 'The server lost the run') }) },
    'public.a failed, the server lost the run',
    /: The server lost the run \(RunLost\)\./,
    'viewkeeper refresh public.a --env production',
  ],
]

test.each(firsts)('%s', (_, look, subject, first, next) => {
  const [{ notice } = { notice: null }] = night({ at: 0, ...look })
  const mail = mailOf(notice!)
  expect(mail.subject).toBe(`${subject} [production]`)
  expect(mail.text.split('\n\n')[1]).toMatch(first)
  expect(mail.text.match(/^ {2}Next: (.*)$/m)?.[1] ?? null).toBe(next)
})

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
