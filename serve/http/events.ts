import type { IncomingMessage, ServerResponse } from 'node:http'
import { answerProblem } from '../../page/serve.ts'
import { handOut, sendWaiting } from '../../src/events/hand-out.ts'
import { detailOf } from '../../src/events/plan/news.ts'
import { localEnvironment } from '../../src/keeper/terms.ts'
import { readWaitingSeconds } from '../../src/record/events/outbox.ts'
import type { WaitingEvent } from '../../src/record/plan/watch.ts'
import type { Database } from '../../src/server/database.ts'
import { follow } from '../news/news.ts'

/** The events of the embedded database: callers of `GET /events` stand for the bus. */
export interface LocalEvents extends Omit<Listeners, 'send' | 'end'> {
  /** Ends the streams and the connection. */
  close(): Promise<void>
}

/**
 * Hands the events of the database to its listeners, as `send` puts them on the bus of a deployed environment. Works on
 * one connection, however many listen; a broken one is opened again. The database must be nobody else's: events that were
 * handed out here would never come to its bus.
 */
export function startEvents(database: Database): LocalEvents {
  const listeners = makeListeners()
  const put = async (events: Parameters<Listeners['send']>[0]) => {
    listeners.send(events)
    return events.map(() => null)
  }
  const follower = follow(database, ({ sql, here, inTurns }) =>
    inTurns(async () => {
      if ((await readWaitingSeconds(sql)) !== null)
        await sendWaiting({
          ask: (request) => handOut(here, request, localEnvironment),
          put,
          until: Number.POSITIVE_INFINITY,
        })
    }),
  )
  return {
    add: listeners.add,
    hint: listeners.hint,
    async close() {
      listeners.end()
      await follower.close()
    },
  }
}

/** So many of the last events are kept for listeners that come again. */
const mostKept = 1000

/** A listener costs a socket and no connection of the database. */
export const mostListeners = 50

/** A listener that has not read so much is sent away; when it comes again, it gets what it has missed. */
const mostUnreadBytes = 1_000_000

/** So often a silent stream shows that it lives. */
const beatMs = 15_000

/** Those who listen to events: each answer stays open, and gets every event as a server-sent event. */
interface Listeners {
  /** Opens the stream of a listener. With `Last-Event-ID`, it begins with what came after that event. */
  add(request: IncomingMessage, response: ServerResponse): void
  /** Sends events to all, in order. */
  send(events: WaitingEvent[]): void
  /** Tells all that something is about to change; this is no event, and nobody gets it later. */
  hint(): void
  /** Ends every stream, and opens no more. */
  end(): void
}

export function makeListeners(): Listeners {
  const open = new Set<ServerResponse>()
  const kept: { sequence: number; text: string }[] = []
  let ended = false
  const write = (response: ServerResponse, text: string) => {
    // Measured before: what is written now counts as unread until the next tick, however fast the client reads.
    if (response.writableLength > mostUnreadBytes) return response.destroy()
    response.write(text)
  }
  const writeAll = (text: string) => {
    for (const response of open) write(response, text)
  }
  const beat = setInterval(writeAll, beatMs, ':\n\n')
  beat.unref()
  return {
    add(request, response) {
      if (ended || open.size >= mostListeners) return refuse(response)
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      open.add(response)
      response.on('close', () => open.delete(response))
      const last = Number(request.headers['last-event-id'] ?? Number.NaN)
      const missed = kept.filter(({ sequence }) => sequence > last).map(({ text }) => text)
      write(response, [': events of this gateway, as they come\nretry: 2000\n\n', ...missed].join(''))
    },
    send(events) {
      const added = events.map((event) => ({ sequence: event.sequence, text: textOf(event) }))
      kept.push(...added)
      kept.splice(0, kept.length - mostKept)
      writeAll(added.map(({ text }) => text).join(''))
    },
    hint: () => writeAll('event: changes\ndata: {}\n\n'),
    end() {
      ended = true
      clearInterval(beat)
      for (const response of open) response.end()
    },
  }
}

/** An event as a server-sent event. JSON has no line breaks. */
const textOf = (event: WaitingEvent): string =>
  `id: ${event.sequence}\nevent: ${event.type}\ndata: ${JSON.stringify(detailOf(event, localEnvironment))}\n\n`

function refuse(response: ServerResponse): void {
  response.setHeader('retry-after', '30')
  answerProblem(response, {
    status: 503,
    code: 'TooManyListeners',
    title: 'Nobody else can listen now',
    detail: `${mostListeners} programs listen to events already, or the gateway is stopping. End one of them, or come again later.`,
  })
}
