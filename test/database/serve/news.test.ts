import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo, Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Channel } from '../../../serve/news/channel.ts'
import { channelsOf, filtersOf } from '../../../serve/news/channels.ts'
import { mailChannels } from '../../../serve/news/mail.ts'
import { startNews } from '../../../serve/news/news.ts'
import { makeLogger } from '../../../serve/process.ts'
import { notify } from '../../../src/config/fields.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readChannels } from '../../../src/record/events/outbox.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { writePast } from '../../support/record/past.ts'
import { deleteRows, emptyTables, insertRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeCertificate } from '../../support/servers/tls.ts'
import { passTime } from '../../support/views/pass.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()
const logger = makeLogger('SILENT')

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

beforeEach(async () => {
  await emptyTables(sql, 'deliveries', 'events', 'runs', 'incidents', 'definitions')
  await deleteRows(sql, 'switches', { key: 'noted' })
  await sql.unsafe(`
    drop materialized view if exists broken, fine;
    drop table if exists divisor;
    create table divisor as select 1 as by;
    create materialized view broken as select 1 / by as quotient from divisor;
    create materialized view fine as select 1 as one`)
})

/** A refresh that fails, or succeeds. */
const breakView = async () => {
  await sql`update divisor set by = 0`
  await refresh({ view: 'broken' }, callOn(database)).catch(() => {})
}
const mendView = async () => {
  await sql`update divisor set by = 1`
  await refresh({ view: 'broken' }, callOn(database))
}

/** The leader of an environment: its monitor looks when told so, and its news go to these channels. */
function lead(channels: Channel[], filters: ReturnType<typeof filtersOf> = {}) {
  const news = startNews({ database, environment: 'shop', typed: 'shop', channels, logger })
  closing.push(news.close)
  const look = async () => {
    await passTime(sql, '6 minutes')
    await monitor(database, {
      schedules: unscheduled,
      publish: unheard,
      programs: { typed: 'shop' },
      people: { environment: 'shop', typed: 'shop', links: {}, filters },
    })
    news.ring()
  }
  return { look, close: news.close }
}

interface Received {
  path: string | undefined
  headers: IncomingHttpHeaders
  body: string
}

/** A program that answers with these statuses in turn, and then with 204; 0: it breaks the connection. */
async function receive(...statuses: number[]) {
  const received: Received[] = []
  const accepted: Received[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text) => {
      body += text
    })
    request.on('end', () => {
      const got = { path: request.url, headers: request.headers, body }
      received.push(got)
      const status = statuses.shift() ?? 204
      if (status === 0) return void request.socket.destroy()
      if (status < 300) accepted.push(got)
      response
        .writeHead(status, status === 302 ? { location: '/elsewhere' } : {})
        .end(status < 300 ? undefined : 'a secret of theirs')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received, accepted }
}

interface Mailbox {
  port: number
  ca: string
  mails: { to: string[]; text: string; secure: boolean; user: unknown }[]
}

/** A server that takes mails over TLS, after a login; `refuses` says which addresses it refuses. */
async function takeMails(refuses: (to: string) => boolean = () => false): Promise<Mailbox> {
  const folder = mkdtempSync(join(tmpdir(), 'smtp-'))
  const { certificate, key } = makeCertificate(folder, 'IP:127.0.0.1')
  const [cert, privateKey] = [certificate, key].map((file) => readFileSync(file, 'utf8')) as [string, string]
  rmSync(folder, { recursive: true })
  const mails: Mailbox['mails'] = []
  const server = new SMTPServer({
    cert,
    key: privateKey,
    onAuth: ({ username, password }, _, done) =>
      password === 'correct' ? done(null, { user: username }) : done(new Error('wrong password')),
    onRcptTo: ({ address }, _, done) =>
      refuses(address) ? done(Object.assign(new Error('no such box'), { responseCode: 550 })) : done(),
    onData(stream, { envelope, secure, user }, done) {
      let text = ''
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      stream.on('end', () => {
        // Without the line breaks of quoted-printable.
        mails.push({
          to: envelope.rcptTo.map(({ address }) => address),
          text: text.replaceAll('=\r\n', ''),
          secure,
          user,
        })
        done()
      })
    },
  })
  const tcp = server.listen(0, '127.0.0.1') as unknown as TcpServer
  await once(tcp, 'listening')
  closing.push(() => new Promise<void>((resolve) => server.close(resolve)))
  return { port: (tcp.address() as AddressInfo).port, ca: cert, mails }
}

const mailTo = (addresses: string[], { port, ca }: Mailbox, password = 'correct') =>
  mailChannels(addresses, {
    host: '127.0.0.1',
    port,
    ca,
    tls: 'starttls',
    user: 'viewkeeper',
    password,
    from: 'viewkeeper@example.com',
  })

const key = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const hook = (url: string, events?: string[]) =>
  channelsOf(notify.parse({ webhooks: { 'my-cache': { url, ...(events && { events }) } } }), [], {
    VIEWKEEPER_WEBHOOK_KEY_MY_CACHE: key,
  })

/** What everybody reads of channels that fail. */
const failing = async () => (await listViews(database)).failing

const stateOf = async ([channel]: Channel[]) => (await readChannels(sql, [channel!.name]))[0]!

describe('mail', () => {
  test('a view fails and is well again: each address gets one mail of each, over TLS, after a login', async () => {
    const box = await takeMails()
    const { look } = lead(mailTo(['one@example.com', 'two@example.com'], box))
    await breakView()
    await look()
    await until('the first mails', async () => box.mails.length === 2)
    await look()
    await mendView()
    await look()
    await until('the last mails', async () => box.mails.length === 4)
    expect(box.mails.map(({ to }) => to[0]).sort()).toEqual(
      ['one', 'one', 'two', 'two'].map((name) => `${name}@example.com`),
    )
    expect(box.mails.every(({ secure, user }) => secure && user === 'viewkeeper')).toBe(true)
    const [first, , last] = box.mails
    expect(first?.text).toMatch(/^Subject: public\.broken failed, division by zero \[shop\]/m)
    expect(first?.text).toContain('viewkeeper why public.broken --env shop')
    expect(last?.text).toMatch(/^Subject: OK: public\.broken is well again \[shop\]/m)
    await until('nothing waits', async () => (await sql`select from viewkeeper.deliveries`).length === 0)
  })

  test('an address that the server refuses holds back no other, is a condition, and stands in the mails of the others', async () => {
    const box = await takeMails((to) => to === 'gone@example.com')
    const channels = mailTo(['gone@example.com', 'one@example.com'], box)
    const { look } = lead(channels)
    await breakView()
    await look()
    await until('the mail', async () => box.mails.length === 1)
    await until('a refusal', async () => (await failing()).length > 0)
    expect(await stateOf(channels)).toEqual({ channel: 'mail gone@example.com', waiting: 1, failing: true })
    expect(await failing()).toEqual([
      {
        channel: 'mail gone@example.com',
        since: expect.any(Date),
        error: expect.stringMatching(
          /^127\.0\.0\.1:\d+ refused the sender or the address: .* \(EENVELOPE, 550\)$/,
        ),
      },
    ])
    await look()
    await until('the second mail', async () => box.mails.length === 2)
    expect(box.mails[1]?.text).toMatch(/^Subject: mail gone@example\.com refused \[shop\]/m)
    expect(box.mails[1]?.text).toMatch(/^mail to gone@example\.com .* refused the sender or the address/m)
  })

  test.each([
    ['a wrong password', (box: Mailbox) => mailTo(['one@example.com'], box, 'wrong'), /\(EAUTH, 535\)$/],
    [
      'a certificate that nobody trusts',
      (box: Mailbox) => mailTo(['one@example.com'], { ...box, ca: '' }),
      /\(E(SOCKET|TLS)\)$/,
    ],
  ])('%s is told without the password, and no mail is sent', async (_, channelsFor, error) => {
    const box = await takeMails()
    const channels = channelsFor(box)
    const { look } = lead(channels)
    await breakView()
    await look()
    const state = await until('a refusal', async () => (await failing())[0])
    expect(state.error).toMatch(error)
    expect(state.error).not.toMatch(/wrong|correct/)
    expect(box.mails).toEqual([])
  })
})

describe('webhooks', () => {
  test('a program that fails twice gets every event, in order, and its signatures hold', async () => {
    const program = await receive(0, 302)
    const [channel] = await hook(program.url)
    lead([channel!])
    await refresh({ view: 'fine' }, callOn(database))
    await breakView()
    await until('both events', async () => program.accepted.length === 2)
    const ids = program.received.map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids.slice(0, 3)).size).toBe(1)
    const verifier = new Webhook(key)
    const events = program.accepted.map(
      ({ headers, body }) =>
        verifier.verify(body, headers as Record<string, string>) as Record<string, unknown>,
    )
    expect(events).toMatchObject([
      {
        type: 'viewkeeper.ViewRefreshed',
        subject: 'public.fine',
        data: { view: 'public.fine', environment: 'shop' },
      },
      {
        type: 'viewkeeper.ViewFailed',
        subject: 'public.broken',
        data: { error: { class: 'ViewSqlFailed' } },
      },
    ])
    expect(program.accepted.map(({ headers }) => headers['content-type'])).toEqual(
      Array(2).fill('application/cloudevents+json'),
    )
    // The attributes that CloudEvents 1.0 requires, in its form.
    for (const event of events)
      expect(event).toMatchObject({
        specversion: '1.0',
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        source: '/viewkeeper/shop',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      })
    const [{ headers, body }] = program.accepted as [Received]
    expect(() => verifier.verify(body.replace('fine', 'mine'), headers as Record<string, string>)).toThrow()
    await until('nothing waits', async () => (await stateOf([channel!])).waiting === 0)
  })

  test('a program gets only the events that it wants', async () => {
    const program = await receive()
    lead(await hook(program.url, ['ViewFailed']))
    await refresh({ view: 'fine' }, callOn(database))
    await breakView()
    await until('the event', async () => program.accepted.length > 0)
    expect(program.accepted.map(({ body }) => JSON.parse(body).type)).toEqual(['viewkeeper.ViewFailed'])
  })

  test('a program that does not answer holds up no other; a leader that follows delivers what waits', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    closing.push(async () => {
      silent.closeAllConnections()
      silent.close()
    })
    const program = await receive()
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const [mute] = await hook(url)
    const [other] = await channelsOf(notify.parse({ webhooks: { other: { url: program.url } } }), [], {
      VIEWKEEPER_WEBHOOK_KEY_OTHER: key,
    })
    const first = lead([mute!, other!])
    await refresh({ view: 'fine' }, callOn(database))
    await until('the event of the other', async () => program.accepted.length === 1)
    await breakView()
    await until('the next event of the other', async () => program.accepted.length === 2)
    expect(await stateOf([mute!])).toMatchObject({ waiting: 2, failing: false })
    silent.closeAllConnections()
    await first.close()
    const later = await receive()
    lead([...(await hook(later.url)), other!])
    await until('both events', async () => later.accepted.length === 2)
    expect(program.accepted).toHaveLength(2)
  })

  test('what a program has refused for a day is dropped, and the next events come', async () => {
    const program = await receive(410)
    const channels = await hook(program.url)
    const waits = { channel: 'webhook my-cache', message: {} }
    await insertRows(sql, 'deliveries', [
      { ...waits, key: 'old', at: sql`clock_timestamp() - interval '25 hours'` },
      { ...waits, key: 'new', at: sql`clock_timestamp()` },
      { ...waits, key: 'old', at: sql`clock_timestamp()`, channel: 'chat gone' },
    ])
    lead(channels)
    await until('the event', async () => program.accepted.length === 1)
    expect(program.received.map(({ headers }) => headers['webhook-id'])).toEqual(['old', 'new'])
    await until('nothing waits', async () => (await sql`select from viewkeeper.deliveries`).length === 0)
  })
})

test.each([
  ['slack', (body: { text: string }) => body.text],
  ['discord', (body: { content: string }) => body.content],
  ['teams', (body: object) => JSON.stringify(body)],
] as const)('a chat of kind %s gets what a mail says', async (kind, textOf) => {
  const program = await receive()
  const channels = await channelsOf(notify.parse({ chat: { team: { kind } } }), [], {
    VIEWKEEPER_CHAT_URL_TEAM: program.url,
  })
  const { look } = lead(channels)
  await breakView()
  await look()
  await until('the message', async () => program.accepted.length === 1)
  const text = textOf(JSON.parse(program.accepted[0]!.body))
  expect(text).toContain('public.broken failed, division by zero [shop]')
  expect(text).toContain('viewkeeper why public.broken --env shop')
})

test('a chat hears only what its filter lets through, and the end of that', async () => {
  const program = await receive()
  const chats = {
    all: {},
    slow: { kinds: ['slow'] },
    fine: { views: ['public.fi*'] },
    team: { kinds: ['failing', 'stale'], views: ['broken'] },
  }
  const options = notify.parse({ chat: chats })
  const env = Object.keys(chats).map((name) => [
    `VIEWKEEPER_CHAT_URL_${name.toUpperCase()}`,
    `${program.url}/${name}`,
  ])
  const { look } = lead(await channelsOf(options, [], Object.fromEntries(env)), filtersOf(options))
  const heard = () =>
    program.accepted.map(({ path, body }) => [path, JSON.parse(body).text.split(' [')[0]]).sort()
  await breakView()
  await look()
  await until('both hear of it', async () => program.accepted.length === 2)
  await mendView()
  await look()
  await until('both hear of its end', async () => program.accepted.length === 4)
  expect(heard()).toEqual(
    ['all', 'team'].flatMap((name) => [
      [`/hook/${name}`, '`OK: public.broken is well again'],
      [`/hook/${name}`, '`public.broken failed, division by zero'],
    ]),
  )
})

test('a refresh that took much longer than usual is told after the look that finds it', async () => {
  const program = await receive()
  const channels = await channelsOf(notify.parse({ chat: { team: {} } }), [], {
    VIEWKEEPER_CHAT_URL_TEAM: program.url,
  })
  const { look } = lead(channels)
  await refresh({ view: 'fine' }, callOn(database))
  await writePast(sql, Array(20).fill({ view: 'fine', ago: '1 hour', durationMs: 100 }))
  await writePast(sql, [{ view: 'fine', ago: '10 minutes', durationMs: 600_000 }])
  await look()
  await until('the message', async () => program.accepted.length === 1)
  expect(JSON.parse(program.accepted[0]!.body).text).toMatch(/^`public\.fine is slow \[shop\]`/)
})

describe('a configuration is refused if', () => {
  test.each([
    [
      'the key of a webhook is missing',
      { webhooks: { cache: { url: 'https://x.example.com' } } },
      {},
      /VIEWKEEPER_WEBHOOK_KEY_CACHE is not set/,
    ],
    [
      'the key of a webhook is short',
      { webhooks: { cache: { url: 'https://x.example.com' } } },
      { VIEWKEEPER_WEBHOOK_KEY_CACHE: 'whsec_c2hvcnQ=' },
      /at least 24 random bytes/,
    ],
    [
      'the address of a chat is missing',
      { chat: { 'on-call': {} } },
      {},
      /VIEWKEEPER_CHAT_URL_ON_CALL is not set/,
    ],
    [
      'the file of a password cannot be read',
      { smtp: { host: 'mail.example.com', user: 'me', from: 'a@example.com' } },
      { VIEWKEEPER_SMTP_PASSWORD_FILE: '/nowhere' },
      /VIEWKEEPER_SMTP_PASSWORD_FILE names \/nowhere, which cannot be read \(ENOENT\)/,
    ],
  ])('%s', async (_, options, env, message) => {
    await expect(channelsOf(notify.parse(options), ['one@example.com'], env)).rejects.toThrow(message)
  })

  test('a password would go without TLS', () => {
    const smtp = { host: 'x', tls: 'none', user: 'me', from: 'a@example.com' }
    expect(notify.safeParse({ smtp }).success).toBe(false)
  })
})
