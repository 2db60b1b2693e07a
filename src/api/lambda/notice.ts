import * as z from 'zod/mini'
import { readAlarm } from '../../watch/mails/alarm-words.ts'
import { chatOf } from '../../watch/mails/chat.ts'
import { type Mail, mailOf } from '../../watch/mails/mail.ts'
import { confirm, prepareNotice } from '../../watch/notice.ts'
import { text } from '../fields.ts'
import { validate } from '../validate.ts'
import type { Configuration } from './configuration.ts'
import { logger } from './logger.ts'

/** What `notify` asks: what people have to be told now, or to note that it has told them. */
export type NoticeQuestion = z.output<typeof question>

const question = z.union([
  z.strictObject({
    /** Names the sender, the same at each of its retries. */
    holder: text(100),
    /** What CloudWatch has published; none if the clock asks. */
    messages: z.array(z.string()),
  }),
  z.strictObject({
    /** The token of the notice that is published. */
    confirmed: text(100),
  }),
])

/** A notice as it is published: a mail, and the same as JSON. */
export interface Message extends Mail {
  chat: object
}

/** `busy`: another sender is at it. `message` null: there is nothing to tell. The token is for the confirmation. */
export type NoticeReply =
  | { busy: true }
  | { busy: false; message: null }
  | { busy: false; message: Message; token: string }

/** Says what people have to be told now, for the function `notify`, which cannot reach the database. */
export async function answerNotice(
  event: unknown,
  {
    environment,
    database,
    schedules,
    links,
  }: Pick<Configuration, 'environment' | 'database' | 'schedules'> & Partial<Pick<Configuration, 'links'>>,
): Promise<NoticeReply | { noted: boolean }> {
  const asked = validate(question, event, 'event')
  if ('confirmed' in asked) return { noted: await confirm(database, asked.confirmed) }
  const alarms = asked.messages.flatMap((text) => readAlarm(text, environment, new Date()) ?? [])
  const answer = await prepareNotice(database, asked.holder, { environment, alarms, links }, schedules)
  if (answer.busy) return answer
  if (answer.notice === null) return { busy: false, message: null }
  const { notice, token } = answer
  logger.info('notice', {
    kind: notice.kind,
    alarms: alarms.map(({ words }) => words.name),
    causes: notice.causes.map(({ code, view, batchId }) => ({ code, view, batchId })),
  })
  return { busy: false, message: { ...mailOf(notice), chat: chatOf(notice) }, token }
}
