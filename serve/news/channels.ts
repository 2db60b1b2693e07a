import { createHmac, randomUUID } from 'node:crypto'
import type { Notify } from '../../src/config/fields.ts'
import { readSecret, requireSecret } from '../../src/keeper/database-url.ts'
import type { ChannelFilter } from '../../src/watch/plan/hearers.ts'
import { asCode, fenced, type Mail } from '../../src/watch/plan/notice.ts'
import { type EventType, eventTypes } from '../../src/words/event.ts'
import { cut } from '../../src/words/phrases.ts'
import { Problem } from '../../src/words/problem.ts'
import { type Channel, post, Undelivered } from './channel.ts'

const variable = (prefix: string, name: string) =>
  `VIEWKEEPER_${prefix}_${name.replaceAll('-', '_').toUpperCase()}`

/**
 * The channels of a configuration. Refuses (InvalidRequest) a secret that is missing or has the wrong form, with the name of its
 * variable.
 */
export async function channelsOf(
  notify: Notify,
  addresses: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Channel[]> {
  const { smtp, webhooks, chat } = notify
  const filters = filtersOf(notify)
  const mails = async (options: NonNullable<typeof smtp>) => {
    const { mailChannels } = await import('./mail.ts')
    const password =
      options.user === undefined
        ? readSecret('VIEWKEEPER_SMTP_PASSWORD', env)
        : requireSecret('VIEWKEEPER_SMTP_PASSWORD', `the password of ${options.user} at ${options.host}`, env)
    return mailChannels(addresses, { ...options, password })
  }
  return [
    ...(smtp === undefined || addresses.length === 0 ? [] : await mails(smtp)),
    ...Object.entries(chat).map(([name, { kind }]) =>
      chatChannel(name, {
        kind,
        isFiltered: chatName(name) in filters,
        url: requireSecret(variable('CHAT_URL', name), `the address of the hook of chat ${name}`, env),
      }),
    ),
    ...Object.entries(webhooks).map(([name, { url, events }]) =>
      webhookChannel(name, {
        url,
        events,
        key: requireSecret(
          variable('WEBHOOK_KEY', name),
          `the key that signs what webhook ${name} gets`,
          env,
        ),
      }),
    ),
  ]
}

/** What a channel made of a test: why it refused it; null if it took it. */
export interface TestedChannel {
  channel: string
  refused: string | null
}

/** Sends one message through each channel, all at once. */
export function tryChannels(channels: readonly Channel[], environment: string): Promise<TestedChannel[]> {
  const mail: Mail = {
    subject: `[${environment}] a test: nothing is wrong`,
    text: `Somebody has asked Viewkeeper in ${environment} for this message. What goes wrong there is told the same way.\n`,
  }
  const event = {
    specversion: '1.0',
    source: `/viewkeeper/${environment}`,
    type: 'viewkeeper.Test',
    datacontenttype: 'application/json',
    data: {},
  }
  const send = async ({ name, takes, send }: Channel): Promise<TestedChannel> => {
    const id = randomUUID()
    try {
      await send(takes === 'notices' ? mail : { ...event, id, time: new Date().toISOString() }, id)
      return { channel: name, refused: null }
    } catch (error) {
      if (error instanceof Undelivered) return { channel: name, refused: error.message }
      throw error
    }
  }
  return Promise.all(channels.map(send))
}

type ChatKind = Notify['chat'][string]['kind']

/** The most characters of a text: what each chat takes in one message, less the frame. */
const longest: Record<ChatKind, number> = { slack: 7500, teams: 7500, discord: 1700 }

/** What each kind of hook takes. Names of views are shown as they are: none is a link, and none calls a person. */
const bodies: Record<ChatKind, (mail: Mail) => object> = {
  // https://api.slack.com/messaging/webhooks: only these three have to be written differently.
  slack: ({ subject, text }) => {
    const plain = (words: string) =>
      words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    return { text: `${asCode(plain(subject))}\n${fenced(plain(text))}` }
  },
  // A workflow of Teams posts an adaptive card.
  teams: ({ subject, text }) => ({
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          type: 'AdaptiveCard',
          version: '1.4',
          body: [
            { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text: subject, weight: 'Bolder' }] },
            { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text, fontType: 'Monospace' }] },
          ],
        },
      },
    ],
  }),
  discord: ({ subject, text }) => ({
    content: `${asCode(subject)}\n${fenced(text)}`,
    allowed_mentions: { parse: [] },
  }),
}

const chatName = (name: string): string => `chat ${name}`

/** What the chats hear that do not hear everything. */
export const filtersOf = ({ chat }: Notify): Record<string, ChannelFilter> =>
  Object.fromEntries(
    Object.entries(chat).flatMap(([name, { kinds, views }]) =>
      (kinds ?? views) ? [[chatName(name), { kinds, views }]] : [],
    ),
  )

/** A chat that gets what people are told. The address of its hook is a secret. */
const chatChannel = (
  name: string,
  { kind, url, isFiltered }: { kind: ChatKind; url: string; isFiltered: boolean },
): Channel => ({
  name: chatName(name),
  isFiltered,
  takes: 'notices',
  send(message) {
    const { subject, text } = message as Mail
    const body = bodies[kind]({ subject, text: cut(text, longest[kind]) })
    return post(url, JSON.stringify(body), { 'content-type': 'application/json' })
  },
})

/** A program that gets events, each with a signature as Standard Webhooks has it: https://www.standardwebhooks.com. */
function webhookChannel(
  name: string,
  { url, events = eventTypes, key }: { url: string; events?: readonly EventType[] | undefined; key: string },
): Channel {
  const secret = keyOf(name, key)
  return {
    name: `webhook ${name}`,
    takes: { events },
    send(message, id) {
      const body = JSON.stringify(message)
      const timestamp = String(Math.floor(Date.now() / 1000))
      const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
      return post(url, body, {
        'content-type': 'application/cloudevents+json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      })
    },
  }
}

const shortest = 24

function keyOf(name: string, key: string): Buffer {
  const bytes = Buffer.from(key.replace(/^whsec_/, ''), 'base64')
  if (/^whsec_[A-Za-z0-9+/]+=*$/.test(key) && bytes.length >= shortest) return bytes
  throw new Problem(
    'InvalidRequest',
    `The key of webhook ${name} must be whsec_ and at least ${shortest} random bytes in Base64: ` +
      'echo whsec_$(openssl rand -base64 32)',
  )
}
