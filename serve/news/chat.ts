import type { Notify } from '../../src/config/notify.ts'
import { cut } from '../../src/sql/words.ts'
import type { Mail } from '../../src/watch/mails/mail.ts'
import { type Channel, post } from './channel.ts'

type Kind = Notify['chat'][string]['kind']

/** The most characters of a text: what each chat takes in one message, less the frame. */
const longest: Record<Kind, number> = { slack: 7500, teams: 7500, discord: 1700 }

const fenced = (text: string): string => `\`\`\`\n${text.replaceAll('```', "'''")}\n\`\`\``

/** What each kind of hook takes. Names of views are shown as they are: none is a link, and none calls a person. */
const bodies: Record<Kind, (mail: Mail) => object> = {
  // https://api.slack.com/messaging/webhooks: only these three have to be written differently.
  slack: ({ subject, text }) => {
    const plain = (words: string) =>
      words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    return { text: `${plain(subject)}\n${fenced(plain(text))}` }
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
            { type: 'TextBlock', text: subject, weight: 'Bolder', wrap: true },
            { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text, fontType: 'Monospace' }] },
          ],
        },
      },
    ],
  }),
  discord: ({ subject, text }) => ({
    content: `${subject}\n${fenced(text)}`,
    allowed_mentions: { parse: [] },
  }),
}

/** A chat that gets what people are told. The address of its hook is a secret. */
export const chatChannel = (name: string, { kind, url }: { kind: Kind; url: string }): Channel => ({
  name: `chat ${name}`,
  takes: 'notices',
  send(message) {
    const { subject, text } = message as Mail
    const body = bodies[kind]({ subject, text: cut(text, longest[kind]) })
    return post(url, JSON.stringify(body), { 'content-type': 'application/json' })
  },
})
