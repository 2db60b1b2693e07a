import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { followLogs } from '../../../src/keeper/follow-logs.ts'

/** A pause takes no time: what was begun goes on, and so does the clock. */
const wait = async (ms: number) => {
  await new Promise(process.nextTick)
  vi.advanceTimersByTime(ms)
}
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Follows logs with rows, as long as `behind` says so; at which seconds refreshes began, by view. */
async function follow(
  seconds: number,
  behind: (second: number) => { id: number; view: string; lagMs: number }[],
  operate: () => Promise<never> = async () => undefined as never,
) {
  const began = performance.now()
  const second = () => (performance.now() - began) / 1000
  const begun: Record<string, number[]> = {}
  const failed: Promise<unknown>[] = []
  await followLogs(
    { operate },
    { ask: async () => behind(second()) as never, signal: new AbortController().signal },
    (name, work) => {
      begun[name] = [...(begun[name] ?? []), second()]
      failed.push(work().catch((error) => error.message))
    },
    wait,
  )(seconds * 1000)
  return { begun, failed: await Promise.all(failed) }
}

const view = (id: number, lagMs: number) => ({ id, view: `app.v${id}`, lagMs })

test('a question that the server refuses to answer is asked again after a minute, and ends no lead', async () => {
  let asked = 0
  const { begun, failed } = await follow(130, () => {
    asked++
    throw Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' })
  })
  expect(asked).toBe(3)
  expect(begun).toEqual({ 'the question to the change logs': [0.5, 60.5, 120.5] })
  expect(new Set(failed)).toEqual(new Set(['canceling statement due to statement timeout']))
})

test('a refresh begins when rows of the log have waited for half of the lag', async () => {
  const { begun } = await follow(9, (second) => [
    ...(second < 1 ? [view(1, 1000)] : []),
    ...(second >= 2 && second < 6 ? [view(2, 5000)] : []),
    // It is fresh again before that.
    ...(second >= 2 && second < 3 ? [view(3, 10_000)] : []),
  ])
  expect(begun).toEqual({ 'the refresh of app.v1': [0.5], 'the refresh of app.v2': [4] })
})

test('a view whose refresh cannot even be recorded is left alone for a minute', async () => {
  const { begun, failed } = await follow(
    90,
    () => [view(1, 1000)],
    async () => {
      throw new Error('no connection')
    },
  )
  expect(begun).toEqual({ 'the refresh of app.v1': [0.5, 60.5] })
  expect(failed).toEqual(['no connection', 'no connection'])
})
