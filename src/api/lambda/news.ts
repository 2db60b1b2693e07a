import * as z from 'zod/mini'
import { type HandedOut, handOut } from '../../events/hand-out.ts'
import { readAlarm } from '../../watch/mails/alarm-words.ts'
import { chatOf } from '../../watch/mails/chat.ts'
import { type Mail, mailOf } from '../../watch/mails/mail.ts'
import { confirm, prepareNotice } from '../../watch/notice.ts'
import { text } from '../fields.ts'
import { validate } from '../validate.ts'
import type { Configuration } from './configuration.ts'
import { logger } from './logger.ts'

// What people and programs have to be told now, for `notify` and `announce`: neither can reach the database.

/** What people have to be told now: asked by `notify`. */
const notice = z.strictObject({
  /** Names the sender, the same at each of its retries. */
  holder: text(100),
  /** What CloudWatch has published; none if the clock asks. */
  messages: z.array(z.string()),
})

const question = z.union([
  notice,
  // The token of the notice that `notify` has published.
  z.strictObject({ confirmed: text(100) }),
  // The events that wait for the bus, and those that it has: asked by `announce`.
  z.strictObject({ token: z.nullable(text(100)), done: z.array(z.int()), stop: z.boolean() }),
])

export type NewsQuestion = z.output<typeof question>

/** A notice as it is published: a mail, and the same as JSON. */
export interface Message extends Mail {
  chat: object
}

/** `busy`: another sender is at it. `message` null: there is nothing to tell. The token is for the confirmation. */
export type NoticeReply =
  | { busy: true }
  | { busy: false; message: null }
  | { busy: false; message: Message; token: string }

type Served = Pick<Configuration, 'environment' | 'database'> &
  Partial<Pick<Configuration, 'schedules' | 'links'>>

/** Answers a question of `notify` or `announce`. */
export async function answerNews(
  event: unknown,
  served: Served,
): Promise<NoticeReply | { noted: boolean } | HandedOut> {
  const asked = validate(question, event, 'event')
  if ('done' in asked) return handOut(served.database, asked, served.environment)
  if ('confirmed' in asked) return { noted: await confirm(served.database, asked.confirmed) }
  return noticeFor(asked, served)
}

async function noticeFor(
  { holder, messages }: z.output<typeof notice>,
  { environment, database, schedules, links }: Served,
): Promise<NoticeReply> {
  const alarms = messages.flatMap((text) => readAlarm(text, environment, new Date()) ?? [])
  const answer = await prepareNotice(database, holder, { environment, alarms, links }, schedules)
  if (answer.busy) return answer
  if (answer.notice === null) return { busy: false, message: null }
  logger.info('notice', {
    kind: answer.notice.kind,
    alarms: alarms.map(({ words }) => words.name),
    causes: answer.notice.causes.map(({ code, view, batchId }) => ({ code, view, batchId })),
  })
  return {
    busy: false,
    message: { ...mailOf(answer.notice), chat: chatOf(answer.notice) },
    token: answer.token,
  }
}
