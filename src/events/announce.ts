import type { HandedOut, HandOutRequest } from './hand-out.ts'
import { nextToPut, type WaitingEvent } from './plan/in-order.ts'

/** So long after it asked, `announce` asks again, so that its turn of a minute does not end while events are being put. */
const longestPutMs = 45_000

/** What hands events out, and what takes them. */
export interface Announcing {
  /** Asks for events: `handOut`, or the function that calls it. */
  ask(request: HandOutRequest): Promise<HandedOut>
  /** Puts events on the bus, and says of each why the bus has refused it; null: the bus has it. Throws if nothing is known. */
  put(events: WaitingEvent[]): Promise<(string | null)[]>
  /** Epoch milliseconds; nothing is put afterwards. */
  until: number
}

/** What became of the events. */
export interface Announced {
  announced: number
  /** Why events still wait; null: none did. */
  refused: string | null
}

/**
 * Puts the events that wait on the bus, those of one subject in order. An event that the bus refuses holds back the later ones
 * of its subject; it is put again at the next call. What is on the bus is said to be done afterwards: if this process dies in
 * between, the event is put twice rather than never.
 */
export async function announce({ ask, put, until }: Announcing): Promise<Announced> {
  let announced = 0
  let request: HandOutRequest = { token: null, done: [], stop: false }
  for (;;) {
    const askAgain = Date.now() + longestPutMs
    const handed = await ask(request)
    if (handed.busy || handed.events.length === 0) return { announced, refused: null }
    const { done, refused } = await putInOrder(handed.events, put, askAgain, until)
    announced += done.length
    request = { token: handed.token, done, stop: refused !== null }
    if (refused === null) continue
    await ask(request)
    return { announced, refused }
  }
}

async function putInOrder(
  events: WaitingEvent[],
  put: Announcing['put'],
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
