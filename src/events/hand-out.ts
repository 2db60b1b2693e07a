import {
  endTurn,
  giveTurn,
  lockEvents,
  markTold,
  readUntoldBatches,
  readUntoldRuns,
  readWaiting,
  removeEvents,
  writeEvents,
} from '../record/events/outbox.ts'
import type { WaitingEvent } from '../record/plan/watch.ts'
import type { Database, Sql } from '../server/database.ts'
import { withTransaction } from '../server/transactions.ts'
import type { CommandTarget } from '../words/commands.ts'
import { newsOfBatch, newsOfRun, nextToPut } from './plan/news.ts'

/** What who puts events on the bus asks for. */
export interface HandOutRequest {
  /** The token of the turn; null begins one. */
  token: string | null
  /** The numbers of the events that the bus has taken. */
  done: number[]
  /** Ends the turn: no more events are handed out. */
  stop: boolean
}

/** `busy`: somebody else is putting events on the bus, and will put these too. Without events, the turn is over. */
export type HandedOut = { busy: true } | { busy: false; token: string; events: WaitingEvent[] }

/** Of so many messages and events, each may be long, and the answer still is far below 6 MB. */
const mostOfEach = 50

/** A turn that nobody has heard of for so long is over. */
const turnSeconds = 60

/**
 * Makes events of the runs and batches that have ended, and hands out the first ones to one sender at a
 * time, so they reach the bus in order. An event is removed when its sender says that it is done. If the sender dies before, the
 * event is handed out again. A turn ends in the transaction that finds no event, so a sender that was refused has missed none.
 */
export const handOut = (
  database: Database,
  { token, done, stop }: HandOutRequest,
  typed: CommandTarget,
): Promise<HandedOut> =>
  database.withConnection((sql) =>
    withTransaction(sql, async (transaction) => {
      const holder = await lockEvents(transaction)
      if (done.length > 0) await removeEvents(transaction, done)
      if (holder !== token && (holder !== null || token !== null)) return { busy: true }
      if (!stop) await collect(transaction, typed)
      const events = stop ? [] : await readWaiting(transaction, mostOfEach)
      if (events.length > 0)
        return { busy: false, token: await giveTurn(transaction, token, turnSeconds), events }
      if (token !== null) await endTurn(transaction)
      return { busy: false, token: token ?? '', events }
    }),
  )

/** Makes events of what has ended. */
async function collect(sql: Sql, typed: CommandTarget): Promise<void> {
  const runs = await readUntoldRuns(sql)
  const batches = await readUntoldBatches(sql)
  const news = [
    ...runs.flatMap((run) => newsOfRun(run, typed) ?? []),
    ...batches.map((batch) => newsOfBatch(batch, typed)),
  ]
  await writeEvents(
    sql,
    news.sort((one, other) => one.at.getTime() - other.at.getTime()),
  )
  await markTold(sql, runs, batches)
}

/** So long after it asked, a sender asks again, so that its turn of a minute does not end while it sends. */
const longestPutMs = 45_000

/** What hands out what waits, and what takes it. */
export interface HandingOut {
  /** Asks for what waits: `handOut`, or the function that calls it. */
  ask(request: HandOutRequest): Promise<HandedOut>
  /** Sends, and says of each why it was refused; null: it was taken. Throws if nothing is known. */
  put(events: WaitingEvent[]): Promise<(string | null)[]>
  /** Epoch milliseconds; nothing is put afterwards. */
  until: number
}

/** What became of it. */
export interface HandedOutNews {
  sent: number
  /** Why something still waits; null: nothing does. */
  refused: string | null
}

/**
 * Sends what waits, that of one subject in order. What is refused holds back the rest of its subject; it is sent again at the next
 * call. What was taken is said to be done afterwards: if this process dies in between, it is sent twice rather than never.
 */
export async function sendWaiting({ ask, put, until }: HandingOut): Promise<HandedOutNews> {
  let sent = 0
  let request: HandOutRequest = { token: null, done: [], stop: false }
  for (;;) {
    const askAgain = Date.now() + longestPutMs
    const handed = await ask(request)
    if (handed.busy || handed.events.length === 0) return { sent, refused: null }
    const { done, refused } = await putInOrder(handed.events, put, askAgain, until)
    sent += done.length
    request = { token: handed.token, done, stop: refused !== null }
    if (refused === null) continue
    await ask(request)
    return { sent, refused }
  }
}

async function putInOrder(
  events: WaitingEvent[],
  put: HandingOut['put'],
  askAgain: number,
  until: number,
): Promise<{ done: number[]; refused: string | null }> {
  const done: number[] = []
  const held = new Set<string>()
  let refused: string | null = null
  for (let waiting = events; ; ) {
    const next = nextToPut(waiting, held)
    if (next.length === 0) return { done, refused }
    if (Date.now() >= until) return { done, refused: refused ?? 'the time was up' }
    if (Date.now() >= askAgain) return { done, refused }
    let answers: (string | null)[]
    try {
      answers = await put(next)
    } catch (error) {
      return { done, refused: (error as Error).name }
    }
    for (const [at, event] of next.entries()) {
      const why = answers[at] ?? null
      if (why === null) done.push(event.sequence)
      else {
        held.add(event.subject)
        refused = why
      }
    }
    waiting = waiting.filter((event) => !next.includes(event))
  }
}
