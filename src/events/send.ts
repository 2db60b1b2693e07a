import type { HandedOut, HandOutRequest } from './hand-out.ts'
import { nextToPut, type WaitingEvent } from './plan/in-order.ts'

/** So long after it asked, a sender asks again, so that its turn of a minute does not end while it sends. */
const longestPutMs = 45_000

/** What hands out what waits, and what takes it. */
export interface Sending {
  /** Asks for what waits: `handOut`, or the function that calls it. */
  ask(request: HandOutRequest): Promise<HandedOut>
  /** Sends, and says of each why it was refused; null: it was taken. Throws if nothing is known. */
  put(events: WaitingEvent[]): Promise<(string | null)[]>
  /** Epoch milliseconds; nothing is put afterwards. */
  until: number
}

/** What became of it. */
export interface Sent {
  sent: number
  /** Why something still waits; null: nothing does. */
  refused: string | null
}

/**
 * Sends what waits, that of one subject in order. What is refused holds back the rest of its subject; it is sent again at the next
 * call. What was taken is said to be done afterwards: if this process dies in between, it is sent twice rather than never.
 */
export async function sendWaiting({ ask, put, until }: Sending): Promise<Sent> {
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
  put: Sending['put'],
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
