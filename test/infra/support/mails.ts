import { chatOf, mailOf } from '../../../src/watch/plan/notice.ts'
import { examples, noticeAt, salesFailed } from '../../support/views/nights.ts'

/** The mails of one incident: its beginning and its end. */
export const mails = (): string =>
  examples()
    .filter(({ kind }) => kind !== 'reminder')
    .map(mailOf)
    .map(({ subject, text }) => `\`\`\`\nSubject: ${subject}\n\n${text.trimEnd()}\n\`\`\`\n`)
    .join('\n')

/** The notice of a failed view, as a program takes it from the JSON. */
export function notice(): string {
  const { metadata } = chatOf(noticeAt(salesFailed(3))) as {
    metadata: { additionalContext: { notice: string } }
  }
  return `${JSON.stringify(JSON.parse(metadata.additionalContext.notice), null, 2)}\n`
}
