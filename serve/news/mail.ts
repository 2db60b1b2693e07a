import { createTransport } from 'nodemailer'
import type { Notify } from '../../src/config/fields.ts'
import { isLoopback } from '../../src/keeper/database-url.ts'
import type { Mail } from '../../src/watch/plan/notice.ts'
import { type Channel, sendMs, Undelivered } from './channel.ts'

interface MailOptions extends NonNullable<Notify['smtp']> {
  password: string | undefined
  /** PEM text of the authority of the server's certificate. Default: those that Node trusts, also by NODE_EXTRA_CA_CERTS. */
  ca?: string
}

const usualPorts = { starttls: 587, implicit: 465, none: 25 }

const noStartTls =
  "offers no STARTTLS that can be trusted. For a relay on this machine: notify.smtp.tls: 'none'; for TLS from the first byte: 'implicit'"
const unreached = 'does not answer as notify.smtp says: look at host, port and tls'

/** What went wrong, and which option to look at, by nodemailer's codes. */
const reasons: Record<string, string> = {
  EAUTH: 'refused the login: look at notify.smtp.user and VIEWKEEPER_SMTP_PASSWORD',
  EENVELOPE: 'refused the sender or the address: look at notify.smtp.from and alarmEmails',
  ECONNECTION: unreached,
  EDNS: unreached,
  ESOCKET: unreached,
  ETIMEDOUT: unreached,
  ETLS: unreached,
}

/** One channel for each address, so that an address that is refused holds back no other. */
export function mailChannels(
  addresses: readonly string[],
  { host, user, password, from, ca, ...said }: MailOptions,
): Channel[] {
  const tls = said.tls ?? (said.port === 465 ? 'implicit' : isLoopback(host) && !user ? 'none' : 'starttls')
  const port = said.port ?? usualPorts[tls]
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
        .catch(({ code = '', responseCode }: { code?: string; responseCode?: number }) => {
          const found = [code, responseCode].filter(Boolean).join(', ')
          throw new Undelivered(
            `${host}:${port} ${(code === 'ETLS' && tls === 'starttls' ? noStartTls : reasons[code]) ?? 'refused the mail'} (${found})`,
          )
        })
    },
  }))
}
