import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readAlarm } from '../../../src/mails/alarm-words.ts'
import { chatOf } from '../../../src/mails/chat.ts'
import { mailOf } from '../../../src/mails/mail.ts'
import { emptyNotice } from '../../../src/plan/monitoring/notice.ts'
import type { FailedRun } from '../../../src/plan/monitoring/notice-facts.ts'
import { runbookOf } from '../../../src/plan/runbook.ts'
import { problemCodes } from '../../../src/problem.ts'
import {
  alarm,
  byName,
  ended,
  examples,
  failedBatch,
  failedRun,
  hoursAgo,
  now,
  plan,
  salesFailed,
  told,
  view,
} from '../../support/views/notices.ts'

const mail = (...given: Parameters<typeof plan>) => mailOf(plan(...given).notice!)

test('a name with line breaks makes no line of its own, wherever the mail names it', () => {
  const odd = 'public."a\r\nOK: nothing is wrong\u2028x\u0085y"'
  const error = { class: 'ViewSqlFailed' as const, message: `${odd} failed\nOK:`, sqlstate: null }
  const facts = {
    runs: [failedRun(odd, { error })],
    views: byName(
      view(odd, { hours: 30, last: ended('failed', { error }) }),
      view('public.above', { hours: 30 }),
      view(`${odd}b`, { hours: 30, missing: true }),
    ),
    reads: new Map([['public.above', [odd]]]),
    told: [told(odd), told('public.above'), told(`${odd}b`), told(`${odd}c`, { overAt: now })],
    slow: [{ id: 3, view: `${odd}d`, durationMs: 9000, usualMs: 1, finishedAt: now, noticedAt: null }],
  }
  const { subject, text } = mail(facts as never, alarm('stale-views'))
  expect(`${subject}\n${text}`).not.toMatch(/^\s*(OK|x|y)/mu)
  expect(text).not.toMatch(/[\r\u0085\u2028]/u)
  expect(text).toContain('public.U&"a\\000D\\000AOK: nothing is wrong\\2028x\\0085y" failed')
  expect(text).toContain(`viewkeeper why "$(printf 'public."a\\015\\012OK:`)
})

describe('the subject', () => {
  const subject = (...given: Parameters<typeof plan>) => mail(...given).subject
  const stale = alarm('stale-views')
  const three = ['public.sales', 'public.sales_by_region', 'public.top_customers'].map((name) => told(name))

  test('says how many views, and why', () => {
    expect(subject({ ...salesFailed(), told: three }, stale)).toBe(
      '[production] 3 views are stale: public.sales failed (ViewSqlFailed, 22012)',
    )
  })

  test('names a single view, or each failed view', () => {
    expect(subject({ views: byName(view('public.a', { hours: 30 })), told: [told('public.a')] }, stale)).toBe(
      '[production] public.a is stale',
    )
    const runs = [failedRun('public.a'), failedRun('public.b', { id: 2 })]
    expect(subject({ runs }, alarm('failed-runs'))).toBe(
      '[production] public.a failed (ViewSqlFailed, 22012), public.b failed (ViewSqlFailed, 22012)',
    )
  })

  test('says what the cause is, if no single view or batch is at fault', () => {
    const error = { class: 'NotExchanged' as const, message: 'x', sqlstate: null }
    const runs = [failedRun('public.a', { error })]
    const views = byName(view('public.a', { hours: 3, last: ended('failed', { error }) }))
    expect(subject({ runs, views }, alarm('failed-runs'))).toBe('[production] public.a failed (NotExchanged)')
    const pause = { since: hoursAgo(2), by: 'ann' }
    const canceled = byName(view('public.a', { hours: 3, last: ended('canceled') }))
    expect(subject({ runs, views: canceled, pause }, alarm('failed-runs'))).toMatch(
      /^\[production\] ann has paused everything scheduled since 2026-11-20 08:00 UTC, so no schedule/,
    )
    const missing = byName(view('public.a', { hours: 3, missing: true }))
    expect(subject({ runs, views: missing }, alarm('failed-runs'))).toBe('[production] public.a is missing')
  })

  test('says of a reminder, of an end and of a test that it is one', () => {
    const [, reminder, over] = examples().map(({ notice }) => mailOf(notice!).subject)
    expect(reminder).toMatch(/^\[production\] reminder: 3 views are still stale: /)
    expect(over).toBe('[production] OK: no view is stale any more')
    const reason = 'A test of the mail, by viewkeeper test-alarm. Nothing new is wrong.'
    expect(subject({}, alarm('failed-runs', { reason }))).toBe(
      '[production] test of failed-runs: nothing new is wrong',
    )
  })

  test('says of a missing view that it is missing, and no more', () => {
    const views = byName(view('public.a', { missing: true }))
    expect(subject({ views, told: [told('public.a', { trouble: 'missing' })] }, alarm('missing-views'))).toBe(
      '[production] public.a is missing',
    )
  })

  test('is what SNS takes, whatever a view is called: one line of less than 100 ASCII characters', () => {
    const odd = `app."Größe\n${'x'.repeat(200)}"`
    const said = subject({ runs: [failedRun(odd)] }, alarm('failed-runs'))
    expect(said).toMatch(/^[\x21-\x7e][\x20-\x7e]{1,98}$/)
    expect(said).toContain('app.U&"Gr?')
  })
})

describe('the text', () => {
  test('has the view, the time, the error, what readers see, what to type and where to read on', () => {
    const { text } = mail(
      { ...salesFailed(3), runs: [failedRun('public.sales')], batches: [failedBatch()] },
      alarm('failed-runs'),
    )
    expect(text.split('\n')).toEqual([
      'New in production:',
      '',
      'Run 812 of public.sales failed at 2026-11-20 09:00 UTC: division by zero (ViewSqlFailed, 22012). Readers still see the data of 2026-11-20 07:00 UTC.',
      '  Waiting for it, with old data: public.sales_by_region, public.top_customers.',
      '',
      '  viewkeeper why public.sales --env production',
      '  Next: viewkeeper bad-row public.sales',
      '  When the cause is gone: viewkeeper refresh --select public.sales+ --env production',
      '  docs/runbook.md#viewsqlfailed',
      '',
    ])
  })

  test('names at most 20 views of a cause, and says what lists them all', () => {
    const names = Array.from({ length: 51 }, (_, at) => `public.v${String(at).padStart(2, '0')}`)
    const views = byName(...names.map((name) => view(name, { hours: 30 })))
    const { text } = mail({ views, told: names.map((name) => told(name)) }, alarm('stale-views'))
    expect(text.match(/stale since/g)).toHaveLength(20)
    expect(text).toContain('  and 31 more\n')
    expect(text).toContain('51 views are stale in all: viewkeeper ls --stale --env production')
  })

  test('describes at most ten causes, and says what lists them all', () => {
    const runs = Array.from({ length: 13 }, (_, at) => failedRun(`public.v${at}`, { id: at + 1 }))
    const { text } = mail({ runs }, alarm('failed-runs'))
    expect(text.match(/ failed at /g)).toHaveLength(10)
    expect(text).toContain('And 3 more causes: viewkeeper ls --failed --env production')
  })

  test('says when a batch tries again, and when the view has succeeded since', () => {
    const last = ended('failed', { error: failedRun('x').error })
    const open = { status: 'pending' as const, notBefore: hoursAgo(-0.1) }
    const retried = byName(view('public.sales', { hours: 20, last, open }))
    expect(mail({ views: retried, runs: [failedRun('public.sales')] }, alarm('failed-runs')).text).toContain(
      'The batch tries again at 2026-11-20 10:06 UTC.',
    )
    const mended = byName(view('public.sales', { hours: 0.01, last: ended('success') }))
    const { text } = mail({ views: mended, runs: [failedRun('public.sales')] }, alarm('failed-runs'))
    expect(text).toContain('It has succeeded since, at 2026-11-20 09:59 UTC.')
    expect(text).not.toContain('Readers still see')
  })

  test('links the runbook on the web, wherever it names the runbook, and the page of the view or the batch', () => {
    const odd = 'public."Odd Name"'
    const runs = [failedRun(odd)]
    const links = { runbookUrl: 'https://docs.example/runbook.html', pageUrl: 'https://views.example/' }
    const linked = (notice: typeof given) => mailOf({ ...notice, links }).text
    const given = plan({ runs, batches: [failedBatch({ hasFailedRun: false })] }, alarm('failed-runs'))
      .notice!
    expect(linked(given)).toContain('  https://docs.example/runbook.html#viewsqlfailed\n')
    expect(linked(given)).toContain('  https://views.example/#/views/public.%22Odd%20Name%22\n')
    expect(linked(given)).toContain('  https://views.example/#/batches/night-2\n')
    const own = { ...emptyNotice('production', now), alarms: [alarm('api-errors').words] }
    expect(linked(own)).toContain('  https://docs.example/runbook.html#api-errors\n')
    expect(linked(own)).not.toContain('docs/runbook.md')
    expect(mailOf(given).text).not.toContain('http')
  })

  test('says that a view of whose failure people know has succeeded, unless the end of its trouble says so', () => {
    const mended = ['public.a', 'public.b'].map((view, id) => ({
      id,
      view,
      failedAt: hoursAgo(3),
      mendedAt: hoursAgo(0.5),
    }))
    const first = mail({ mended: mended.slice(0, 1) })
    expect(first.subject).toBe('[production] OK: public.a does not fail any more')
    expect(first.text).toContain(
      '  public.a failed at 2026-11-20 07:00 UTC, and succeeded at 2026-11-20 09:30 UTC\n',
    )
    expect(mail({ mended }).subject).toBe('[production] OK: 2 views do not fail any more')
    const over = told('public.a', { known: true, beganAt: hoursAgo(2), overAt: hoursAgo(0.5) })
    const both = plan({ mended: mended.slice(0, 1), told: [over] })
    expect(both.notice!.over.map(({ trouble }) => trouble)).toEqual(['stale'])
    expect(both.covered.runs).toEqual([0])
    // The clock waits, so that one mail tells of several.
    expect(plan({ mended: [{ ...mended[0]!, mendedAt: hoursAgo(0.05) }] }).notice).toBeNull()
  })

  test('has a long message cut, on one line', () => {
    const error = { class: 'LockTimeout', message: `held\nby\t${'x'.repeat(5000)}`, sqlstate: '55P03' }
    const runs = [failedRun('public.a', { error: error as FailedRun['error'] })]
    const { text } = mail({ runs }, alarm('failed-runs'))
    expect(text).toMatch(/: held by x{400,}\.\.\. \(LockTimeout, 55P03\)\.\n/)
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(800)
  })

  test('does not speak of a cause that is gone if nothing has tried to refresh the views', () => {
    const views = byName(view('public.a', { hours: 30 }))
    const { text } = mail({ views, told: [told('public.a')] }, alarm('stale-views'))
    expect(text).toContain('  To refresh now: viewkeeper refresh public.a --env production')
    expect(text).not.toContain('When the cause is gone')
  })

  test('quotes a name for the shell', () => {
    const { text } = mail({ runs: [failedRun('public."It\'s odd"')] }, alarm('failed-runs'))
    expect(text).toContain(`viewkeeper why 'public."It'\\''s odd"' --env production`)
  })

  test('of an alarm in its own words has what happened, what to do first, and the section', () => {
    const { subject, text } = mail({}, alarm('failed-batches'))
    expect(subject).toBe('[production] failed-batches: Something happened.')
    expect(text.split('\n').slice(0, 4)).toEqual([
      'Something happened.',
      'First: viewkeeper ls shows it.',
      '',
      '  docs/runbook.md#failed-batches',
    ])
  })
})

describe('the same as JSON', () => {
  const strings = (value: unknown): boolean => typeof value === 'string'

  test.each(examples().map(({ notice }) => [notice!.kind, notice!] as const))(
    'is a custom notification for chat: %s',
    (kind, notice) => {
      const { subject, text } = mailOf(notice)
      const chat = chatOf(notice) as {
        content: { description: string }
        metadata: { additionalContext: object }
      }
      expect(chat).toMatchObject({
        version: '1.0',
        source: 'custom',
        content: { textType: 'client-markdown', title: subject },
        metadata: { summary: subject, eventType: `viewkeeper-${kind}` },
      })
      expect(chat.content.description).toContain(text)
      expect(Object.values(chat.metadata.additionalContext).every(strings)).toBe(true)
    },
  )

  test('has the notice for programs', () => {
    const notice = examples()[0]!.notice!
    const { metadata } = chatOf(notice) as { metadata: { additionalContext: { notice: string } } }
    expect(JSON.parse(metadata.additionalContext.notice)).toMatchObject({
      environment: 'production',
      causes: [
        {
          code: 'Failed',
          view: 'public.sales',
          error: { class: 'ViewSqlFailed', sqlstate: '22012' },
          views: [{ view: 'public.sales', trouble: 'stale' }, {}, {}],
        },
      ],
    })
  })

  test('of one cause has one thread, from the first notice to the reminder', () => {
    const threads = examples().map(
      ({ notice }) => (chatOf(notice!) as { metadata: { threadId: string } }).metadata.threadId,
    )
    expect(threads[0]).toBe(threads[1])
  })

  test('of any notice is far below what SNS takes, 256 KiB', () => {
    const odd = 'ä'.repeat(60)
    const names = Array.from({ length: 1000 }, (_, at) => `public.${odd}${at}`)
    const message = 'ü'.repeat(50_000)
    const runs = names.map((name, id) =>
      failedRun(name, { id, error: { class: 'LockTimeout', message, sqlstate: null } as FailedRun['error'] }),
    )
    const reads = new Map(names.map((name, at) => [name, at === 0 ? [] : [names[at - 1]!]]))
    const { notice } = plan(
      { runs, reads, views: byName(...names.map((name) => view(name))) },
      alarm('failed-runs'),
    )
    expect(Buffer.byteLength(JSON.stringify(chatOf(notice!)))).toBeLessThan(200_000)
    expect(Buffer.byteLength(mailOf(notice!).text)).toBeLessThan(200_000)
  })
})

describe('what CloudWatch publishes', () => {
  test('is anything but an alarm: it is told as it is', () => {
    for (const text of ['', 'hello', '[]', '{}', 'null', '{"AlarmName":1}'])
      expect(readAlarm(text, 'production', now)).toBeNull()
  })

  test('may lack everything but the name and the state', () => {
    const text = JSON.stringify({ AlarmName: 'somebody-elses', NewStateValue: 'ALARM' })
    const read = readAlarm(text, 'production', now)
    expect(read).toMatchObject({
      kind: null,
      words: { name: 'somebody-elses', first: null, runbook: null, at: null },
    })
    expect(mailOf({ ...emptyNotice('production', now), alarms: [read!.words] }).text).toContain(
      'somebody-elses',
    )
  })

  test("is about views only if the alarm is one of this environment's", () => {
    expect(alarm('stale-views')).toMatchObject({ kind: 'stale', words: { name: 'stale-views' } })
    expect(alarm('suspended-views').kind).toBe('suspended')
    expect(alarm('api-errors').kind).toBeNull()
    expect(
      readAlarm(
        JSON.stringify({ AlarmName: 'viewkeeper-other-stale-views', NewStateValue: 'ALARM' }),
        'production',
        now,
      )?.kind,
    ).toBeNull()
  })
})

test('every class of an error has its place in the runbook', () => {
  const runbook = readFileSync(new URL('../../../docs/runbook.md', import.meta.url), 'utf8')
  const anchors = [...runbook.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^a-z0-9 _-]/g, '')
      .replaceAll(' ', '-'),
  )
  const missing = problemCodes.filter((code) => !anchors.includes(runbookOf(code).split('#')[1]!))
  expect(missing).toEqual([])
})
