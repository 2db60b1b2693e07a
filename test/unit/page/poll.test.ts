import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startPoll } from '../../../page/app/live/poll.ts'

/** A tab that a test hides and shows. */
function makeTab() {
  const listeners = new Set<() => void>()
  let hidden = false
  return {
    isHidden: () => hidden,
    onChange(listener: () => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    hide(is: boolean) {
      hidden = is
      for (const listener of listeners) listener()
    },
    listeners,
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('after a look, the next one comes as late as the look says', async () => {
  const look = vi.fn(async () => 1500)
  const poll = startPoll(look, makeTab())
  await vi.advanceTimersByTimeAsync(1499)
  expect(look).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(look).toHaveBeenCalledTimes(2)
  poll.stop()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(look).toHaveBeenCalledTimes(2)
})

test('after failures the pauses double up to half a minute, and a success makes them short again', async () => {
  let fails = true
  const times: number[] = []
  const poll = startPoll(async () => {
    times.push(Date.now())
    if (fails) throw new Error('no answer')
    return 1000
  }, makeTab())
  await vi.advanceTimersByTimeAsync(92_000)
  expect(times.slice(1).map((time, i) => time - times[i]!)).toEqual([
    2000, 4000, 8000, 16_000, 30_000, 30_000,
  ])
  fails = false
  await vi.advanceTimersByTimeAsync(32_000)
  expect(times.at(-1)! - times.at(-2)!).toBe(1000)
  poll.stop()
})

test('nothing is looked at while nobody sees the page, and at once when somebody does again', async () => {
  const tab = makeTab()
  const look = vi.fn(async () => 1000)
  const poll = startPoll(look, tab)
  await vi.advanceTimersByTimeAsync(0)
  tab.hide(true)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(look).toHaveBeenCalledTimes(1)
  tab.hide(false)
  expect(look).toHaveBeenCalledTimes(2)
  poll.stop()
  expect(tab.listeners.size).toBe(0)
})

test('a look that is overtaken is aborted, and plans no further one', async () => {
  const signals: AbortSignal[] = []
  const answers: (() => void)[] = []
  const poll = startPoll((signal) => {
    signals.push(signal)
    return new Promise((resolve) => answers.push(() => resolve(10)))
  }, makeTab())
  poll.now()
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  answers[0]!()
  await vi.advanceTimersByTimeAsync(1000)
  expect(signals).toHaveLength(2)
  poll.stop()
})

test('many calls for a look soon are one look; one during a look is a look after it', async () => {
  let answer = () => {}
  const look = vi.fn(() => new Promise<number>((resolve) => (answer = () => resolve(60_000))))
  const poll = startPoll(look, makeTab())
  for (let n = 0; n < 5; n++) poll.soon()
  await vi.advanceTimersByTimeAsync(1000)
  expect(look).toHaveBeenCalledTimes(1)
  answer()
  await vi.advanceTimersByTimeAsync(1000)
  expect(look).toHaveBeenCalledTimes(2)
  answer()
  await vi.advanceTimersByTimeAsync(1000)
  for (let n = 0; n < 5; n++) poll.soon()
  await vi.advanceTimersByTimeAsync(1000)
  expect(look).toHaveBeenCalledTimes(3)
  poll.stop()
  poll.soon()
  await vi.advanceTimersByTimeAsync(100_000)
  expect(look).toHaveBeenCalledTimes(3)
})
