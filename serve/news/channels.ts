import type { Notify } from '../../src/config/notify.ts'
import { readSecret, requireSecret } from '../../src/keeper/secret.ts'
import type { Channel } from './channel.ts'
import { chatChannel } from './chat.ts'
import { webhookChannel } from './webhook.ts'

const variable = (prefix: string, name: string) =>
  `VIEWKEEPER_${prefix}_${name.replaceAll('-', '_').toUpperCase()}`

/**
 * The channels of a configuration. Refuses (InvalidRequest) a secret that is missing or has the wrong form, with the name of its
 * variable.
 */
export async function channelsOf(
  { smtp, webhooks, chat }: Notify,
  addresses: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Channel[]> {
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
