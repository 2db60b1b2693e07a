import { createTransport } from 'nodemailer'
import type { Notify } from '../../src/config/notify.ts'
import type { Mail } from '../../src/watch/mails/mail.ts'
import { type Channel, sendMs, Undelivered } from './channel.ts'

interface MailOptions extends NonNullable<Notify['smtp']> {
  password: string | undefined
  /** PEM text of the authority of the server's certificate. Default: those that Node trusts, also by NODE_EXTRA_CA_CERTS. */
  ca?: string
}

/** One channel for each address, so that an address that is refused holds back no other. */
export function mailChannels(
  addresses: readonly string[],
  { host, port, tls, user, password, from, ca }: MailOptions,
): Channel[] {
  const transport = createTransport({
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
    ...(ca !== undefined && { tls: { ca } }),
    connectionTimeout: sendMs,
    greetingTimeout: sendMs,
    socketTimeout: sendMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return addresses.map((to) => ({
    name: `mail ${to}`,
    takes: 'notices',
    async send(message, key) {
      const { subject, text } = message as Mail
      await transport
        .sendMail({
          from,
          to,
          subject,
          text,
          // The same at each try: who gets a mail twice sees one.
          messageId: `<${key}@viewkeeper>`,
          headers: { 'Auto-Submitted': 'auto-generated' },
        })
        .catch(({ code, responseCode }: { code?: string; responseCode?: number }) => {
          throw new Undelivered(
            `the server refused the mail (${[code, responseCode].filter(Boolean).join(', ')})`,
          )
        })
    },
  }))
}
