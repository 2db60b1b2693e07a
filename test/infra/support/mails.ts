import { chatOf } from '../../../src/watch/mails/chat.ts'
import { mailOf } from '../../../src/watch/mails/mail.ts'
import { alarm, examples, failing, plan, salesFailed } from '../../support/views/notices.ts'

/** The mails of one trouble: its beginning and its end. */
export const mails = (): string =>
  examples()
    .filter(({ notice }) => notice!.kind !== 'reminder')
    .map(({ notice }) => mailOf(notice!))
    .map(({ subject, text }) => `\`\`\`\nSubject: ${subject}\n\n${text.trimEnd()}\n\`\`\`\n`)
    .join('\n')

/** The notice of a failed view, as a program takes it from the JSON. */
export function notice(): string {
  const { notice } = plan({ ...salesFailed(3), told: failing(['public.sales']).told }, alarm('failed-runs'))
  const { metadata } = chatOf(notice!) as { metadata: { additionalContext: { notice: string } } }
  return `${JSON.stringify(JSON.parse(metadata.additionalContext.notice), null, 2)}\n`
}
