import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { problemCodes } from '../../../src/problem.ts'
import { runbookOf } from '../../../src/sql/runbook.ts'
import { readAlarm } from '../../../src/watch/mails/alarm-words.ts'
import { chatOf } from '../../../src/watch/mails/chat.ts'
import { mailOf } from '../../../src/watch/mails/mail.ts'
import { emptyNotice } from '../../../src/watch/plan/notice.ts'
import {
  alarm,
  byName,
  divided,
  ended,
  examples,
  failedBatch,
  failing,
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
    views: byName(
      view(odd, { hours: 30, last: ended('failed', { error }) }),
      view('public.above', { hours: 30 }),
      view(`${odd}b`, { hours: 30, missing: true }),
    ),
    reads: new Map([['public.above', [odd]]]),
    told: [
      told(odd, { trouble: 'failing' }),
      told(odd),
      told('public.above'),
      told(`${odd}b`),
      told(`${odd}c`, { overAt: now }),
    ],
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
    expect(subject(failing(['public.a', 'public.b']), alarm('failed-runs'))).toBe(
      '[production] public.a failed (ViewSqlFailed, 22012), public.b failed (ViewSqlFailed, 22012)',
    )
  })

  test('says what the cause is, if no single view or batch is at fault', () => {
    const pause = { since: hoursAgo(2), by: 'ann' }
    const views = byName(view('public.a', { hours: 30, last: ended('canceled') }))
    expect(subject({ views, pause, told: [told('public.a')] }, stale)).toBe('[production] public.a is stale')
    expect(mail({ views, pause, told: [told('public.a')] }, stale).text).toContain(
      'ann has paused everything scheduled since 2026-11-20 08:00 UTC, so no schedule',
    )
  })

  test('says of a reminder, of an end and of a test that it is one', () => {
    const [, reminder, over] = examples().map(({ notice }) => mailOf(notice!).subject)
    expect(reminder).toMatch(/^\[production\] reminder: 3 views are still stale: /)
    expect(over).toBe('[production] OK: no view is stale any more')
    const [, reason] = /--state-reason '(.+)'/.exec(readFileSync('docs/runbook.md', 'utf8'))!
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
    const said = subject(failing([odd]), alarm('failed-runs'))
    expect(said).toMatch(/^[\x21-\x7e][\x20-\x7e]{1,98}$/)
    expect(said).toContain('app.U&"Gr?')
  })
})

describe('the text', () => {
  test('has the view, the time, the error, what readers see, what to type and where to read on', () => {
    const { text } = mail(
      { ...salesFailed(3), told: failing(['public.sales']).told, batches: [failedBatch()] },
      alarm('failed-runs'),
    )
    expect(text.split('\n')).toEqual([
      'In production, since 2026-11-20 09:00 UTC:',
      '',
      'Run 812 of public.sales failed at 2026-11-20 09:00 UTC: division by zero (ViewSqlFailed, 22012). Readers still see the data of 2026-11-20 07:00 UTC.',
      '  Waiting for it, with old data: public.sales_by_region, public.top_customers.',
      '',
      '  viewkeeper why public.sales --env production',
      '  Next: viewkeeper bad-row public.sales',
      '  When the cause is gone: viewkeeper refresh --select public.sales+ --env production',
      '  node_modules/viewkeeper/docs/runbook.md#viewsqlfailed',
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
    const names = Array.from({ length: 13 }, (_, at) => `public.v${at}`)
    const { text } = mail(failing(names), alarm('failed-runs'))
    expect(text.match(/ failed at /g)).toHaveLength(10)
    expect(text).toContain('And 3 more causes: viewkeeper ls --failed --env production')
  })

  test('says when a batch tries again, and when the view has succeeded since', () => {
    const last = ended('failed', { error: divided })
    const { told } = failing(['public.sales'])
    const open = { status: 'pending' as const, notBefore: hoursAgo(-0.1) }
    const retried = byName(view('public.sales', { hours: 20, last, open }))
    expect(mail({ views: retried, told }, alarm('failed-runs')).text).toContain(
      'The batch tries again at 2026-11-20 10:06 UTC.',
    )
    const mended = byName(view('public.sales', { hours: 0.01, last }))
    const { text } = mail({ views: mended, told }, alarm('failed-runs'))
    expect(text).toContain('It has succeeded since, at 2026-11-20 09:59 UTC.')
    expect(text).not.toContain('Readers still see')
  })

  test('links the runbook on the web, wherever it names the runbook, and the page of the view or the batch', () => {
    const odd = 'public."Odd Name"'
    const links = { runbookUrl: 'https://docs.example/runbook.html', pageUrl: 'https://views.example/' }
    const linked = (notice: typeof given) => mailOf({ ...notice, links }).text
    const given = plan(
      { ...failing([odd]), batches: [failedBatch({ hasFailingView: false })] },
      alarm('failed-runs'),
    ).notice!
    expect(linked(given)).toContain('  https://docs.example/runbook.html#viewsqlfailed\n')
    expect(linked(given)).toContain('  https://views.example/page/views/public.%22Odd%20Name%22\n')
    expect(linked(given)).toContain('  https://views.example/page/batches/night-2\n')
    const own = { ...emptyNotice('production', now), alarms: [alarm('api-errors').words] }
    expect(linked(own)).toContain('  https://docs.example/runbook.html#api-errors\n')
    expect(linked(own)).not.toContain('docs/runbook.md')
    expect(mailOf(given).text).not.toContain('http')
  })

  test('reminds of views that fail, and says when none fails any more', () => {
    const again = { trouble: 'failing' as const, known: true, beganAt: hoursAgo(24) }
    const { views } = failing(['public.a'])
    const reminder = mail({ views, told: [told('public.a', again)] }, alarm('failed-runs'))
    expect(reminder.subject).toBe('[production] reminder: public.a failed (ViewSqlFailed, 22012)')
    expect(reminder.text).toMatch(/^Still so in production, since .*:\nThis mail is a reminder/)
    const over = mail({ told: [told('public.a', { ...again, overAt: hoursAgo(0.1) })] })
    expect(over.subject).toBe('[production] OK: no view is failing any more')
    expect(over.text).toContain('  public.a was failing for 24 h, until 2026-11-20 09:54 UTC\n')
  })

  test('has a long message cut, on one line', () => {
    const error = { class: 'LockTimeout', message: `held\nby\t${'x'.repeat(5000)}`, sqlstate: '55P03' }
    const { text } = mail(failing(['public.a'], { error: error as never }), alarm('failed-runs'))
    expect(text).toMatch(/: held by x{400,}\.\.\. \(LockTimeout, 55P03\)\. /)
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(800)
  })

  test('does not speak of a cause that is gone if nothing has tried to refresh the views', () => {
    const views = byName(view('public.a', { hours: 30 }))
    const { text } = mail({ views, told: [told('public.a')] }, alarm('stale-views'))
    expect(text).toContain('  To refresh now: viewkeeper refresh public.a --env production')
    expect(text).not.toContain('When the cause is gone')
  })

  test('quotes a name for the shell', () => {
    const { text } = mail(failing(['public."It\'s odd"']), alarm('failed-runs'))
    expect(text).toContain(`viewkeeper why 'public."It'\\''s odd"' --env production`)
  })

  test('of an alarm in its own words has what happened, what to do first, and the section', () => {
    const { subject, text } = mail({}, alarm('failed-batches'))
    expect(subject).toBe('[production] failed-batches: Something happened.')
    expect(text.split('\n').slice(0, 4)).toEqual([
      'Something happened.',
      'First: viewkeeper ls shows it.',
      '',
      '  node_modules/viewkeeper/docs/runbook.md#failed-batches',
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
    const reads = new Map(names.map((name, at) => [name, at === 0 ? [] : [names[at - 1]!]]))
    const { notice } = plan(
      { ...failing(names, { error: { class: 'LockTimeout', message, sqlstate: null } }), reads },
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
  const missing = problemCodes.filter((code) => !anchors.includes(runbookOf(code, 'web').split('#')[1]!))
  expect(missing).toEqual([])
})
