import { afterEach, expect, test, vi } from 'vitest'
import { sendWaiting } from '../../../src/events/hand-out.ts'
import type { WaitingEvent } from '../../../src/record/plan/watch.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('a slow bus gets nothing after the turn has ended: its sender asks again before, and says what is done', async () => {
  vi.useFakeTimers()
  const begin = Date.now()
  let waiting = Array.from(
    { length: 6 },
    (_, sequence) =>
      ({ sequence, subject: 'public.sales', type: 'ViewRefreshed', detail: {} }) as WaitingEvent,
  )
  let asked = begin
  const put: number[] = []
  const sent = await sendWaiting({
    until: begin + 150_000,
    async ask({ done }) {
      asked = Date.now()
      waiting = waiting.filter(({ sequence }) => !done.includes(sequence))
      return { busy: false, token: 'turn', events: waiting }
    },
    async put(events) {
      expect(Date.now() - asked).toBeLessThan(45_000)
      put.push(...events.map(({ sequence }) => sequence))
      vi.setSystemTime(Date.now() + 20_000)
      return events.map(() => null)
    },
  })
  expect(sent).toEqual({ sent: 6, refused: null })
  expect(put).toEqual([0, 1, 2, 3, 4, 5])
})
