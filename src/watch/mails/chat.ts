import { cut } from '../../sql/words.ts'
import type { Notice } from '../plan/notice.ts'
import { mailOf } from './mail.ts'

const longestDescription = 7_500
const mostViews = 20
const mostCauses = 10

/**
 * A notice as JSON, in the form that Amazon Q Developer in chat applications (AWS Chatbot) shows in a channel: the
 * mail's subject and text. The notice itself is JSON in `metadata.additionalContext.notice`, for programs. Notices of
 * the same cause have the same `threadId`.
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
      threadId:
        `${environment} ${causes[0]?.key ?? over[0]?.trouble ?? notice.alarms[0]?.name ?? kind}`.slice(
          0,
          100,
        ),
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
    views: cause.views.slice(0, mostViews),
    behind: cause.behind.slice(0, mostViews),
    error: cause.error && { ...cause.error, message: cause.error.message.slice(0, 500).toWellFormed() },
  })),
  over: notice.over.slice(0, mostViews),
})
