import { cut } from '../../sql/words.ts'
import type { Notice } from '../plan/notice.ts'
import { mailOf } from './mail.ts'

const longestDescription = 7_500
const mostSubjects = 20
const mostCauses = 10

/**
 * A notice as JSON, in the form that Amazon Q Developer in chat applications (AWS Chatbot) shows in a channel: the
 * mail's subject and text. The notice itself is JSON in `metadata.additionalContext.notice`, for programs. Notices of
 * the same cause, and of its end, have the same `threadId`.
 * https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
 */
export function chatOf(notice: Notice): object {
  const { subject, text } = mailOf(notice)
  const { environment, kind, causes, over } = notice
  return {
    version: '1.0',
    source: 'custom',
    content: {
      textType: 'client-markdown',
      title: subject,
      description: `\`\`\`\n${cut(text.replaceAll('```', "'''"), longestDescription)}\n\`\`\``,
    },
    metadata: {
      threadId: `${environment} ${causes[0]?.key ?? over[0]?.key ?? kind}`.slice(0, 100),
      summary: subject,
      eventType: `viewkeeper-${kind}`,
      additionalContext: { environment, kind, notice: JSON.stringify(short(notice)) },
    },
  }
}

/** Bounded: the commands of the notice list everything. */
const short = (notice: Notice): Notice => ({
  ...notice,
  causes: notice.causes.slice(0, mostCauses).map((cause) => ({
    ...cause,
    subjects: cause.subjects.slice(0, mostSubjects),
  })),
  over: notice.over.slice(0, mostSubjects),
})
