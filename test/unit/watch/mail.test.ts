import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { chatOf, mailOf } from '../../../src/watch/plan/notice.ts'
import { causeCodes, wordsOf } from '../../../src/words/causes.ts'
import { problemCodes, runbookOf } from '../../../src/words/problem.ts'
import {
  dusk,
  ended,
  error,
  examples,
  failing,
  hoursAgo,
  type Look,
  noticeAt,
  salesFailed,
  view,
} from '../../support/views/nights.ts'

const mail = (look: Omit<Look, 'at'>) => mailOf(noticeAt(look))

test('a name with line breaks makes no line of its own, wherever the mail names it', () => {
  const odd = 'public."a\r\nOK: nothing is wrong\u2028x\u0085y"'
  const failure = error('ViewSqlFailed', `${odd} failed\nOK:`)
  const { subject, text } = mail({
    views: [
      view(odd, { hours: 30, last: ended('failed', { error: failure }) }),
      view('public.above', { hours: 30 }),
      view(`${odd}b`, { hours: 30, missing: true }),
    ],
    reads: { 'public.above': [odd] },
    aside: [`${odd}c`],
  })
  expect(`${subject}\n${text}`).not.toMatch(/^\s*(OK|x|y)/mu)
  expect(text).not.toMatch(/[\r\u0085\u2028]/u)
  expect(text).toContain('public.U&"a\\000D\\000AOK: nothing is wrong\\2028x\\0085y" failed')
  expect(text).toContain(`viewkeeper why "$(printf 'public."a\\015\\012OK:`)
})

describe('the subject', () => {
  test('says how many views, and why', () => {
    expect(mail(salesFailed()).subject).toBe(
      '3 views are stale: public.sales failed, division by zero [production]',
    )
  })

  test('says first what readers feel, and counts each view once', () => {
    const slow = { id: 7, view: 'public.a', durationMs: 600_000, usualMs: 120_000, changed: [] }
    const views = [view('public.a'), ...failing(['public.b']), view('public.c', { missing: true })]
    const { subject, text } = mail({ views, slow: [slow] })
    expect(subject).toBe('1 view is missing, 1 failing, 1 slow: public.c; ... [production]')
    expect(text.split('\n\n').map((part) => part.slice(0, 20))).toEqual([
      'In production, 2026-',
      'public.c is authored',
      '  Next: viewkeeper m',
      'Run 812 of public.b ',
      '  Next: viewkeeper b',
      'public.a took 10 min',
      '  Next: viewkeeper r',
    ])
  })

  test('is never cut inside a word', () => {
    const long = 'a rather long and winding message about quarterly settlements'
    for (let more = 0; more < 30; more++) {
      const views = failing([`public.${'v'.repeat(more + 1)}`], { error: error('ViewSqlFailed', long) })
      const said = mail({ views }).subject.replace(' [production]', '')
      expect(said.length).toBeLessThanOrEqual(57)
      const words = said.replace(/\.\.\.$/, '').split(/,? /)
      expect(`public.${'v'.repeat(more + 1)} failed ${long}`.split(' ').slice(0, words.length)).toEqual(words)
    }
  })

  test('says of a pause of everything only what it keeps from being fresh; the text says who', () => {
    const paused = { views: [view('public.a', { hours: 30 })], pause: { since: hoursAgo(2), by: 'ann' } }
    expect(mail(paused).subject).toBe('public.a is stale [production]')
    expect(mail(paused).text).toContain(
      'ann has paused everything scheduled since 2026-11-20 08:00 UTC, so no schedule',
    )
  })

  test('is what SNS takes, whatever a view is called: one line of less than 100 ASCII characters', () => {
    const { subject } = mail({ views: failing([`app."Größe\n${'x'.repeat(200)}"`]) })
    expect(subject).toMatch(/^[\x21-\x7e][\x20-\x7e]{1,98}$/)
    expect(subject).toContain('app.U&"Gr?')
  })
})

describe('the text', () => {
  test('has the view, the time, the error, what readers see, what to type and where to read on', () => {
    expect(mail(salesFailed()).text.split('\n')).toEqual([
      'In production, 2026-11-20 10:00 UTC:',
      '',
      'Run 812 of public.sales failed at 2026-11-20 09:00 UTC: division by zero (ViewSqlFailed, 22012). Readers still see the data of 2026-11-19 04:00 UTC.',
      '  public.sales            failing, stale since 2026-11-20 10:00 UTC, data 30 h old, limit 25 h',
      '  public.sales_by_region  stale since 2026-11-20 10:00 UTC, data 30 h old, limit 25 h',
      '  public.top_customers    stale since 2026-11-20 10:00 UTC, data 30 h old, limit 25 h',
      '',
      '  Next: viewkeeper bad-row public.sales',
      '  More: viewkeeper why public.sales --env production',
      '  node_modules/viewkeeper/docs/runbook.md#viewsqlfailed',
      '',
    ])
  })

  test('names the views that wait for the one at fault, and are not stale yet', () => {
    expect(mail(salesFailed(3)).text).toContain('public.sales_by_region, public.top_customers.\n')
  })

  test('of views that nothing refreshes has what to type for all of them', () => {
    const typed = (count: number) => {
      const views = Array.from({ length: count }, (_, at) =>
        view(`public.v${at}`, { hours: 30, scheduled: false }),
      )
      const { next, more } = noticeAt({ views }).causes[0]!
      return [next, more]
    }
    expect(typed(1)).toEqual([
      'viewkeeper refresh public.v0 --env production',
      'viewkeeper why public.v0 --env production',
    ])
    const list = 'viewkeeper ls --stale --env production'
    expect(typed(2)).toEqual(['viewkeeper refresh public.v0 public.v1 --env production', list])
    expect(typed(21)).toEqual([null, list])
  })

  test('names at most 20 views of a cause, and describes at most ten causes', () => {
    const names = Array.from({ length: 51 }, (_, at) => `public.v${String(at).padStart(2, '0')}`)
    const { text } = mail({ views: names.map((name) => view(name, { hours: 30 })) })
    expect(text.match(/stale since/g)).toHaveLength(20)
    expect(text).toContain('  and 31 more\n')
    const many = mail({ views: failing(names.slice(0, 13)) }).text
    expect(many.match(/ failed at /g)).toHaveLength(10)
    expect(many).toContain('And 3 more causes: viewkeeper ls --failed --env production')
  })

  test('links the runbook on the web, wherever it names the runbook, and the page of the view or the batch', () => {
    const links = { runbookUrl: 'https://docs.example/runbook.html', pageUrl: 'https://views.example/' }
    const given = noticeAt({
      views: failing(['public."Odd Name"']),
      batches: [
        { id: 'night-2', finishedAt: dusk, error: { class: 'BatchLost', sqlstate: null, message: 'gone' } },
      ],
    })
    const { text } = mailOf({ ...given, links })
    expect(text).toContain('  https://docs.example/runbook.html#viewsqlfailed\n')
    expect(text).toContain('  https://views.example/page/views/public.%22Odd%20Name%22\n')
    expect(text).toContain('  https://views.example/page/batches/night-2\n')
    expect(mailOf(given).text).not.toContain('http')
  })

  test('of an end says what was not well, for how long', () => {
    const [, reminder, over] = examples().map(mailOf)
    expect(reminder?.text).toMatch(/^Still so in production, /)
    expect(over?.subject).toBe('OK: 3 views are well again [production]')
    expect(over?.text).toContain('  public.sales was not well for 26 h, until 2026-11-21 12:00 UTC\n')
  })

  test('has a long message cut, on one line', () => {
    const long = error('LockTimeout', `held\nby\t${'x'.repeat(5000)}`, '55P03')
    const { text } = mail({ views: failing(['public.a'], { error: long }) })
    expect(text).toMatch(/: held by x{400,}\.\.\. \(LockTimeout, 55P03\)\. /)
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(800)
  })

  test('quotes a name for the shell', () => {
    const { text } = mail({ views: failing(['public."It\'s odd"']) })
    expect(text).toContain(`viewkeeper why 'public."It'\\''s odd"' --env production`)
  })
})

describe('the same as JSON', () => {
  test.each(examples().map((notice) => [notice.kind, notice] as const))(
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
        content: { textType: 'client-markdown', title: `\`${subject}\`` },
        metadata: { summary: subject, eventType: `viewkeeper-${kind}` },
      })
      expect(chat.content.description).toContain(text)
      const values = Object.values(chat.metadata.additionalContext)
      expect(values.every((value) => typeof value === 'string')).toBe(true)
    },
  )

  test('has the notice for programs', () => {
    const { metadata } = chatOf(examples()[0]!) as { metadata: { additionalContext: { notice: string } } }
    expect(JSON.parse(metadata.additionalContext.notice)).toMatchObject({
      environment: 'production',
      causes: [
        {
          code: 'Failed',
          culprit: 'public.sales',
          view: 'public.sales',
          error: { class: 'ViewSqlFailed', sqlstate: '22012' },
          subjects: [{ subject: 'public.sales', kinds: ['failing', 'stale'] }, {}, {}],
        },
      ],
    })
  })

  test('of one cause has one thread, from the first notice to the end', () => {
    const threads = examples().map(
      (notice) => (chatOf(notice) as { metadata: { threadId: string } }).metadata.threadId,
    )
    expect(new Set(threads).size).toBe(1)
  })

  test('of any notice is far below what SNS takes, 256 KiB', () => {
    const odd = 'ä'.repeat(60)
    const names = Array.from({ length: 1000 }, (_, at) => `public.${odd}${at}`)
    const long = error('LockTimeout', 'ü'.repeat(50_000))
    const reads = Object.fromEntries(names.map((name, at) => [name, at === 0 ? [] : [names[at - 1]!]]))
    const notice = noticeAt({ views: failing(names, { error: long }), reads })
    expect(Buffer.byteLength(JSON.stringify(chatOf(notice)))).toBeLessThan(200_000)
    expect(Buffer.byteLength(mailOf(notice).text)).toBeLessThan(200_000)
  })
})

test('every class of an error, and every cause, has its place in the runbook', () => {
  const runbook = readFileSync(new URL('../../../docs/runbook.md', import.meta.url), 'utf8')
  const anchors = [...runbook.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^a-z0-9 _-]/g, '')
      .replaceAll(' ', '-'),
  )
  const sections = [...problemCodes, ...causeCodes.map((code) => wordsOf(code).section)]
  const missing = sections.filter((section) => !anchors.includes(runbookOf(section, 'web').split('#')[1]!))
  expect(missing).toEqual([])
})
