import * as z from 'zod'
import { eventTypes } from '../events/plan/event.ts'
import { commonFields, shortName } from './fields.ts'
import type { CommonOptions } from './options.ts'
import { named, told } from './told.ts'

/** Mail by SMTP. The addresses are those of `alarmEmails`. */
const smtp = named(
  'SmtpOptions',
  'The server that takes the mails.',
  z
    .strictObject({
      host: told(z.string().min(1), 'Its name.'),
      port: told(
        z.int().min(1).max(65_535).optional(),
        'Its port.',
        '465 with `implicit`, 25 with `none`, else 587',
      ),
      tls: told(
        z.enum(['starttls', 'implicit', 'none']).optional(),
        '`starttls`: the connection is encrypted before anything is sent, or nothing is sent; `implicit`: TLS from the first byte, ' +
          'usually on port 465; `none`: a relay on this machine.',
        '`implicit` on port 465, `none` on this machine without a `user`, else `starttls`',
      ),
      user: told(
        z.string().min(1).optional(),
        'The login there. The password is `VIEWKEEPER_SMTP_PASSWORD`, or in the file `VIEWKEEPER_SMTP_PASSWORD_FILE`.',
        'nobody logs in',
      ),
      from: told(z.email(), 'The sender of the mails.'),
    })
    .refine(
      ({ tls, user }) => tls !== 'none' || user === undefined,
      'user: a password is not sent without TLS; set tls to starttls or implicit',
    ),
)

const webhook = named(
  'WebhookOptions',
  'An address that gets events as CloudEvents, with a signature.',
  z.strictObject({
    url: told(
      z.url({
        protocol: /^https?$/,
        error: 'must be an address such as "https://hooks.example.com/viewkeeper"',
      }),
      'The address.',
    ),
    events: told(
      z.array(z.enum(eventTypes)).min(1).optional(),
      'The [types of events](events.md) that it gets.',
      'all of them',
    ),
  }),
)

const chat = named(
  'ChatOptions',
  'A channel of a chat that has an incoming hook.',
  z.strictObject({
    kind: told(
      z.enum(['slack', 'teams', 'discord']).default('slack'),
      'How the hook is spoken to: `slack` (also Mattermost, Rocket.Chat and Google Chat), `teams`, `discord`.',
    ),
  }),
)

/** Whom `viewkeeper serve` tells. Secrets are variables, or in files that variables name. */
export const notify = named(
  'NotifyOptions',
  'Whom `viewkeeper serve` tells.',
  z.strictObject({
    smtp: told(smtp.optional(), 'The server that takes the mails to `alarmEmails`.', 'there are no mails'),
    webhooks: told(
      z.record(shortName, webhook).default({}),
      'Programs that get events, by names. The key of `cache` is `VIEWKEEPER_WEBHOOK_KEY_CACHE`, or in the file `VIEWKEEPER_WEBHOOK_KEY_CACHE_FILE`.',
      'none',
    ),
    chat: told(
      z.record(shortName, chat).default({}),
      'Chats that get notices, by names. The address of the hook of `team` is `VIEWKEEPER_CHAT_URL_TEAM`, or in the file `VIEWKEEPER_CHAT_URL_TEAM_FILE`.',
      'none',
    ),
  }),
)

export type Notify = z.output<typeof notify>

/** What `viewkeeper serve` obeys. */
export const serveOptions = z.strictObject({
  ...commonFields(),
  environment: told(
    shortName.optional(),
    'The name that mails, the page, metrics and commands give it, such as `shop-production`; variable `VIEWKEEPER_ENVIRONMENT`.',
    '`local`',
  ),
  notify: told(
    notify.prefault({}),
    'Whom `viewkeeper serve` [tells](monitoring-serve.md).',
    'nobody but the log',
  ),
})

/** The options that a keeper obeys. */
export type KeeperConfig = Omit<CommonOptions, 'alarmEmails' | 'pageUrl' | 'runbookUrl' | 'logLevel'> & {
  /** The name that its words and metrics give it, such as `shop-production`. Default: `local`. */
  environment?: string
}
