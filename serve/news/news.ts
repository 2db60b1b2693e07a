import { eventsWait } from '../../src/events/db/outbox.ts'
import { handOut } from '../../src/events/hand-out.ts'
import { cloudEventOf, type WaitingEvent } from '../../src/events/plan/in-order.ts'
import { sendWaiting } from '../../src/events/send.ts'
import type { Logger } from '../../src/keeper/terms.ts'
import type { Database, Sql } from '../../src/server/database.ts'
import { type Channel, Undelivered } from './channel.ts'
import {
  forgetOthers,
  noteRefusal,
  readDue,
  readDueChannels,
  removeDelivery,
  writeDeliveries,
} from './deliveries.ts'
import { type Follower, follow } from './follow.ts'

/** So many messages of a channel are read at once. */
const atOnce = 50

/** What the leader tells, and whom. */
export interface NewsOptions {
  database: Database
  environment: string
  channels: readonly Channel[]
  logger: Logger
}

/**
 * Tells people and programs what waits, for as long as this process leads: writes each message down for each of its
 * channels, and delivers it from there until the channel has taken it. If the process dies in between, a message is sent twice
 * rather than never. Works on one connection; a broken one is opened again.
 */
export function startNews(options: NewsOptions): Follower {
  const { database, channels, logger } = options
  const names = channels.map(({ name }) => name)
  const noteLost = (error: Error) => logger.warn('news wait', { why: error.name })
  return follow(
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
          if (await eventsWait(sql)) await writeDown(here, options)
          await startDelivering()
        })
      } finally {
        await Promise.all(delivering.values())
      }
    },
    noteLost,
  )
}

/** Writes what waits down for each channel that takes it. */
async function writeDown(database: Database, { environment, channels }: NewsOptions): Promise<void> {
  await sendWaiting({
    ask: (request) => handOut(database, request, environment),
    until: Number.POSITIVE_INFINITY,
    async put(waiting) {
      const messages = waiting.flatMap((each) =>
        channels
          .filter(({ takes }) => isTaken(each, takes))
          .map(({ name }) => ({ channel: name, key: each.id, message: messageOf(each, environment) })),
      )
      await database.withConnection((sql) => writeDeliveries(sql, messages))
      return waiting.map(() => null)
    },
  })
}

const isTaken = ({ type }: WaitingEvent, takes: Channel['takes']): boolean =>
  type === 'Message' ? takes === 'notices' : takes !== 'notices' && takes.events.includes(type)

const messageOf = (event: WaitingEvent, environment: string) =>
  event.type === 'Message'
    ? { subject: event.detail.subject, text: event.detail.text }
    : cloudEventOf(event, environment)

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
