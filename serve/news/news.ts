import { randomUUID } from 'node:crypto'
import type { Schedules } from '../../src/batch/schedules.ts'
import { announce } from '../../src/events/announce.ts'
import { eventsWait } from '../../src/events/db/outbox.ts'
import { handOut } from '../../src/events/hand-out.ts'
import { cloudEventOf } from '../../src/events/plan/cloud-event.ts'
import type { Database, Sql } from '../../src/server/connect.ts'
import { utc } from '../../src/sql/words.ts'
import { readFailingChannels } from '../../src/watch/db/channels.ts'
import { readClock } from '../../src/watch/db/notice-facts.ts'
import type { Logger } from '../../src/watch/log.ts'
import { mailOf } from '../../src/watch/mails/mail.ts'
import { confirm, prepareNotice } from '../../src/watch/notice.ts'
import { failingText } from '../../src/watch/plan/channels.ts'
import type { Links } from '../../src/watch/plan/notice.ts'
import type { Alarm } from '../../src/watch/plan/notice-facts.ts'
import { type Channel, Undelivered } from './channel.ts'
import {
  forgetOthers,
  noteRefusal,
  readDue,
  readDueChannels,
  removeDelivery,
  writeDeliveries,
} from './deliveries.ts'
import { follow } from './follow.ts'

/** So many messages of a channel are read at once. */
const atOnce = 50

/** What the leader tells, and whom. */
export interface NewsOptions {
  database: Database
  environment: string
  schedules: Schedules
  links: Links
  channels: readonly Channel[]
  logger: Logger
}

/** The news of a leader. */
export interface News {
  /** Tells people what a look of the monitor has found. `slow`: a refresh has taken much longer than usual. */
  lookedAt(found: { slow: boolean }): void
  /** Ends what is being sent, and the connection. */
  close(): Promise<void>
}

/**
 * Tells people and programs what the record says, for as long as this process leads: writes each message down for each of its
 * channels, and delivers it from there until the channel has taken it. If the process dies in between, a message is sent twice
 * rather than never. Works on one connection; a broken one is opened again.
 */
export function startNews(options: NewsOptions): News {
  const { database, channels, logger } = options
  const names = channels.map(({ name }) => name)
  const noteLost = (error: Error) => logger.warn('news wait', { why: error.name })
  let looked: { slow: boolean } | undefined
  const follower = follow(
    database,
    async ({ sql, here, isStopped, inTurns }) => {
      const delivering = new Map<string, Promise<void>>()
      /** A channel that does not answer holds up no other, and nothing that is to be written down. */
      const startDelivering = async () => {
        const due = await readDueChannels(sql)
        for (const channel of channels.filter(({ name }) => due.includes(name) && !delivering.has(name)))
          delivering.set(
            channel.name,
            deliver(sql, channel, logger, isStopped)
              .catch(noteLost)
              .finally(() => delivering.delete(channel.name)),
          )
      }
      try {
        await forgetOthers(sql, names)
        await inTurns(async () => {
          if (looked !== undefined) {
            const found = looked
            looked = undefined
            if (!(await tellPeople(here, options, found))) looked ??= found
          }
          if (await eventsWait(sql)) await tellPrograms(here, options)
          await startDelivering()
        })
      } finally {
        await Promise.all(delivering.values())
      }
    },
    noteLost,
  )
  return {
    lookedAt(found) {
      looked = { slow: found.slow || (looked?.slow ?? false) }
      follower.ring()
    },
    close: follower.close,
  }
}

/** Writes down what people have to be told now, for each of their channels. False: another sender is at it; ask again. */
async function tellPeople(
  database: Database,
  { environment, schedules, links, channels, logger }: NewsOptions,
  { slow }: { slow: boolean },
): Promise<boolean> {
  const now = await database.withConnection(readClock)
  const alarms = [askingFor(slow ? 'slow' : null, new Date(now.getTime() - slowWindowMs))]
  const answer = await prepareNotice(database, randomUUID(), { environment, alarms, links }, schedules)
  if (answer.busy || answer.notice === null) return !answer.busy
  const { notice, token } = answer
  logger.info('notice', {
    kind: notice.kind,
    causes: notice.causes.map(({ code, view, batchId }) => ({ code, view, batchId })),
  })
  await database.withConnection(async (sql) => {
    const failing = await readFailingChannels(sql)
    const mail = mailOf(notice)
    const lines = failing.map((each) => `${failingText(each, utc(each.since))}\n`)
    const message = { ...mail, text: [mail.text, ...lines].join('\n') }
    await writeDeliveries(
      sql,
      channels
        .filter(({ takes }) => takes === 'notices')
        .map(({ name }) => ({ channel: name, key: token, message })),
    )
  })
  await confirm(database, token)
  return true
}

const slowWindowMs = 10 * 60_000

/** An alarm that asks for news at once, as those of CloudWatch do, and says nothing of its own. */
const askingFor = (kind: 'slow' | null, since: Date): Alarm => ({
  kind,
  since,
  words: {
    name: 'look',
    state: 'OK',
    happened: '',
    first: null,
    runbook: null,
    reason: '',
    at: null,
    test: false,
  },
})

/** Writes events down for each program that wants them. */
async function tellPrograms(database: Database, { environment, channels }: NewsOptions): Promise<void> {
  await announce({
    ask: (request) => handOut(database, request, environment),
    until: Number.POSITIVE_INFINITY,
    async put(events) {
      const messages = events.flatMap((event) =>
        channels
          .filter(({ takes }) => takes !== 'notices' && takes.events.includes(event.type))
          .map(({ name }) => ({ channel: name, key: event.id, message: cloudEventOf(event, environment) })),
      )
      await database.withConnection((sql) => writeDeliveries(sql, messages))
      return events.map(() => null)
    },
  })
}

/** Delivers what waits for a channel, in order. What it refuses is tried again after a pause, and holds back what comes later. */
async function deliver(sql: Sql, channel: Channel, logger: Logger, isStopped: () => boolean): Promise<void> {
  for (;;) {
    const due = await readDue(sql, channel.name, atOnce)
    for (const { sequence, key, message } of due) {
      if (isStopped()) return
      try {
        await channel.send(message, key)
      } catch (error) {
        return noteFailure(sql, channel, logger, sequence, error)
      }
      await removeDelivery(sql, sequence)
    }
    if (due.length < atOnce) return
  }
}

async function noteFailure(
  sql: Sql,
  { name }: Channel,
  logger: Logger,
  sequence: number,
  error: unknown,
): Promise<void> {
  const why = error instanceof Undelivered ? error.message : (error as Error).name
  logger.warn('a channel has not taken a message', { channel: name, why })
  const dropped = await noteRefusal(sql, name, sequence, why)
  if (dropped > 0) logger.error('messages are dropped after a day', { channel: name, dropped })
}
