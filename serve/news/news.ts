import { makeWake } from '../../src/batch/advance.ts'
import { handOut, sendWaiting } from '../../src/events/hand-out.ts'
import { cloudEventOf } from '../../src/events/plan/news.ts'
import type { Logger } from '../../src/keeper/terms.ts'
import {
  forgetOthers,
  noteRefusal,
  readDue,
  readDueChannels,
  readWaitingSeconds,
  removeDelivery,
  writeDeliveries,
} from '../../src/record/events/outbox.ts'
import type { Message, WaitingEvent } from '../../src/record/plan/watch.ts'
import type { Database, Sql } from '../../src/server/database.ts'
import { whileListening } from '../../src/server/listen.ts'
import type { CommandTarget } from '../../src/words/commands.ts'
import { type Channel, Undelivered } from './channel.ts'

/** So many messages of a channel are read at once. */
const atOnce = 50

/** What the leader tells, and whom. */
interface NewsOptions {
  database: Database
  environment: string
  /** What commands name. */
  typed: CommandTarget
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
          if ((await readWaitingSeconds(sql)) !== null) await writeDown(here, options)
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
async function writeDown(database: Database, { environment, typed, channels }: NewsOptions): Promise<void> {
  await sendWaiting({
    ask: (request) => handOut(database, request, typed),
    until: Number.POSITIVE_INFINITY,
    async put(waiting) {
      const messages = waiting.flatMap((each) =>
        channels.flatMap((channel) => {
          const message = messageFor(channel, each, environment)
          return message === undefined ? [] : [{ channel: channel.name, key: each.id, message }]
        }),
      )
      await database.withConnection((sql) => writeDeliveries(sql, messages))
      return waiting.map(() => null)
    },
  })
}

/** What a channel gets of it; undefined: nothing. */
function messageFor({ name, takes, isFiltered }: Channel, event: WaitingEvent, environment: string) {
  if (takes !== 'notices')
    return event.type !== 'Message' && takes.events.includes(event.type)
      ? cloudEventOf(event, environment)
      : undefined
  if (event.type !== 'Message') return undefined
  const { subject, text, filtered } = event.detail as unknown as Message
  return isFiltered ? filtered[name] : { subject, text }
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

/** The end of a run is heard at once. The ends of batches, lost runs and incidents are seen within this time. */
const lookEveryMs = 2000
/** A run whose view is still being analyzed is soon an event. */
const lookAgainMs = 250

/** A connection that hears of the ends of runs. */
interface Following {
  sql: Sql
  /** The database by this connection alone. */
  here: Database
  isStopped(): boolean
  /** Takes a turn at once, and again whenever there may be news, until it is stopped. */
  inTurns(turn: () => Promise<void>): Promise<void>
}

/** What follows the news of a database. */
export interface Follower {
  /** Asks for a turn now. */
  ring(): void
  /** Ends the work and its connection. */
  close(): Promise<void>
}

/** Works on one connection until it is closed. A connection that breaks is told, and opened again. */
export function follow(
  database: Database,
  work: (following: Following) => Promise<void>,
  onBroken: (error: Error) => void = () => {},
): Follower {
  const wake = makeWake()
  let stopped = false
  const session = () =>
    whileListening(database, wake.ring, ({ sql, insistOnHearing }) =>
      work({
        sql,
        here: { ...database, withConnection: (each) => each(sql, async () => {}) },
        isStopped: () => stopped,
        async inTurns(turn) {
          while (!stopped) {
            insistOnHearing()
            await turn()
            await wake.wait((await readWaitingSeconds(sql)) !== null ? lookAgainMs : lookEveryMs)
          }
        },
      }),
    )
  const sessions = async () => {
    while (!stopped) {
      await session().catch(onBroken)
      if (!stopped) await wake.wait(lookEveryMs)
    }
  }
  const done = sessions()
  return {
    ring: wake.ring,
    async close() {
      stopped = true
      wake.ring()
      await done
    },
  }
}
