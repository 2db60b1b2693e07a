// @module-tag deep

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { expect, onTestFinished, test, vi } from 'vitest'
import { harmless, problemLines } from '../../cli/output/terminal.ts'
import { hrefOf } from '../../page/address.ts'
import { channelsOf } from '../../serve/news/channels.ts'
import { terminalLogger } from '../../serve/process.ts'
import { notify } from '../../src/config/fields.ts'
import { chatOf, mailOf, type Notice } from '../../src/watch/plan/notice.ts'
import { displayName } from '../../src/words/names.ts'
import { Problem } from '../../src/words/problem.ts'
import { start } from './support/gateway.ts'

// Whoever may make a view chooses its name: no channel lets it pretend to be something else.

const link = '[click](https://evil.example)'
const names = [
  ...[
    'two\nlines',
    'two\r\nlines',
    'tab\tbed',
    'a\u2028b',
    'a\u2029b',
    'a\u0085b',
    'a\vb',
    'a\fb',
    'a\u0001b',
  ],
  ...['a\u001b[31mred', 'a\u001b]8;;https://evil.example\u0007b', 'a\u009b31mb', 'a\u007fb', 'a\bb'],
  ...[
    'a\u202egnp.sql',
    'a\u2066b',
    'a\u2069b',
    'a\u200fb',
    'a\u061cb',
    'a\u200bb',
    'a\u00adb',
    'a\ufeffb',
    'a\u00a0b',
  ],
  ...[link, '<https://evil.example|click>', '<!channel>', '@everyone', '`code`', '```', '**bold** _it_ ~no~'],
  ...['<script>alert(1)</script>', 'https://evil.example', '# head', '> said'],
]
const hides = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\u200b\u00ad\ufeff]/u

test('thirty hostile names are shown as what they are by page, mail, chat, log and command line', async () => {
  const { url } = await start()
  const bodies: string[] = []
  const hook = createServer(async (request, response) => {
    bodies.push(await text(request))
    response.end()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void hook.close())
  await once(hook, 'listening')
  const kinds = ['slack', 'discord', 'teams'] as const
  const channels = await channelsOf(
    notify.parse({ chat: Object.fromEntries(kinds.map((kind) => [kind, { kind }])) }),
    [],
    Object.fromEntries(
      kinds.map((kind) => [
        `VIEWKEEPER_CHAT_URL_${kind.toUpperCase()}`,
        `http://127.0.0.1:${(hook.address() as AddressInfo).port}`,
      ]),
    ),
  )
  const logged: string[] = []
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((line) => logged.push(String(line)) > 0)
  onTestFinished(() => spy.mockRestore())
  expect(names.length).toBeGreaterThan(30)
  for (const name of names) {
    const view = `a."${name.replaceAll('"', '""')}"`
    const page = await fetch(`${url}/${hrefOf('view', view)}`)
    expect({ view, status: page.status }).toEqual({ view, status: 503 })
    const [, title = ''] = /<h1[^>]*>([\s\S]*?)<\/h1>/.exec(await page.text()) ?? []
    expect(title).not.toBe('')
    expect(title).not.toMatch(/<(?!wbr|\/?span)/)

    const mail = mailOf(noticeOf(view))
    expect(mail.subject).toMatch(/^[\x20-\x7e]+$/)
    bodies.length = 0
    for (const { send } of channels) await send(mail, 'key')
    const [slack, discord, teams] = bodies.map((body) => JSON.parse(body))
    for (const said of [slack.text, discord.content]) {
      const [subject, ...rest] = said.split('\n') as string[]
      expect(subject).toMatch(/^`[^`]+`$/)
      expect(rest.join('\n')).toMatch(/^```\n(?:(?!```)[\s\S])*\n```$/)
    }
    expect(slack.text).not.toMatch(/[<>]/)
    expect(discord.allowed_mentions).toEqual({ parse: [] })
    expect(JSON.stringify(teams)).not.toContain('"TextBlock"')

    const {
      content: { title: titled, description },
    } = chatOf(noticeOf(view)) as { content: Record<string, string> }
    expect(titled).toMatch(/^`[^`]+`$/)
    expect(description).toMatch(/^```\n(?:(?!```)[\s\S])*\n```$/)
    expect((await fetch(`${url}/views/${encodeURIComponent(view)}`)).status).toBe(503)

    logged.length = 0
    terminalLogger({}).logger.warn('said', { view })
    const problem = new Problem('UnknownView', `There is no ${view}.`, { next: `viewkeeper show ${view}` })
    const shown = [
      ...[title, ...mail.text.split('\n'), logged[0]!.trimEnd(), harmless(view)],
      ...problemLines(problem, { typed: null }).flatMap((line) => stripVTControlCharacters(line).split('\n')),
    ]
    terminalLogger({ LOG_LEVEL: 'warn' }).logger.warn('said', { view })
    shown.push(logged[1]!.trimEnd())
    expect(JSON.parse(logged[1]!)).toMatchObject({ view })
    logged.pop()
    expect(shown.filter((line) => hides.test(line))).toEqual([])
    expect(logged.join('').split('\n')).toHaveLength(2)
    expect(displayName({ schema: 'a', name })).not.toMatch(hides)
  }
})

const noticeOf = (view: string): Notice => {
  const at = new Date(0)
  const said = `${view}: the refresh failed.`
  return {
    links: {},
    kind: 'news',
    environment: 'shop',
    at,
    causes: [
      {
        key: view,
        culprit: view,
        code: 'Failed',
        text: said,
        next: `viewkeeper why ${view}`,
        more: null,
        view,
        batchId: null,
        runId: null,
        error: null,
        holdsBack: [],
        runbook: 'ViewSqlFailed',
        subjects: [{ subject: view, kinds: ['failing', 'stale'], since: at, ageMs: null, limitMs: null }],
      },
    ],
    over: [],
    inAll: {},
  } as unknown as Notice
}
