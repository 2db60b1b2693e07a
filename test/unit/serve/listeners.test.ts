import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { makeListeners } from '../../../serve/http/listeners.ts'
import type { WaitingEvent } from '../../../src/events/plan/in-order.ts'

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

test('the last thousand events are kept for who comes again', () => {
  const listeners = makeListeners()
  for (let n = 1; n <= 1200; n++) listeners.send([event(n)])
  const { response, written } = listener()
  listeners.add(asks('0'), response)
  const ids = [...written.join('').matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))
  expect([ids.length, ids[0], ids.at(-1)]).toEqual([1000, 201, 1200])
  listeners.end()
})

test('who comes again gets all that was missed, however much it is', async () => {
  const listeners = makeListeners()
  const detail = { view: 'public.sales', error: { message: 'x'.repeat(2000) } } as never
  for (let n = 1; n <= 1000; n++) listeners.send([{ ...event(n), detail }])
  const server = createServer(listeners.add)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'last-event-id': '0' } })
    let read = ''
    for await (const chunk of response.body!) {
      read += Buffer.from(chunk).toString()
      if (read.includes('id: 1000\n')) break
    }
    expect(read.match(/^id: /gm)).toHaveLength(1000)
  } finally {
    listeners.end()
    server.close()
  }
})
