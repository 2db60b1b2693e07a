import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, expect, test, vi } from 'vitest'
import { makeListeners } from '../../../serve/http/events.ts'
import type { WaitingEvent } from '../../../src/record/plan/watch.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** A listener whose socket keeps what is written, and how much of it nobody has read. */
function listener(unread = 0) {
  const written: string[] = []
  const response = Object.assign(new EventEmitter(), {
    writableLength: unread,
    writeHead: () => response,
    write: (text: string) => written.push(text),
    destroy: vi.fn(() => response.emit('close')),
    end: () => {},
  })
  return { written, response: response as unknown as ServerResponse, destroy: response.destroy }
}
const asks = (last?: string) =>
  ({ headers: last === undefined ? {} : { 'last-event-id': last } }) as unknown as IncomingMessage
const event = (sequence: number): WaitingEvent => ({
  sequence,
  id: `event ${sequence}`,
  type: 'ViewRefreshed',
  subject: 'public.sales',
  at: '2026-11-22T03:04:05.678Z',
  detail: { view: 'public.sales' },
})

test('a silent stream shows every 15 s that it lives', () => {
  vi.useFakeTimers()
  const listeners = makeListeners()
  const { response, written } = listener()
  listeners.add(asks(), response)
  vi.advanceTimersByTime(30_000)
  expect(written.slice(1)).toEqual([':\n\n', ':\n\n'])
  listeners.end()
  vi.advanceTimersByTime(30_000)
  expect(written).toHaveLength(3)
})

test('a listener that does not read is sent away, and the others hear on', () => {
  const listeners = makeListeners()
  const [slow, quick] = [listener(), listener()]
  listeners.add(asks(), slow.response)
  listeners.add(asks(), quick.response)
  Object.assign(slow.response, { writableLength: 2_000_000 })
  listeners.send([event(1)])
  listeners.send([event(2)])
  expect(slow.destroy).toHaveBeenCalledOnce()
  expect(slow.written).toHaveLength(1)
  expect(quick.written).toHaveLength(3)
  listeners.end()
})
