import { expect, test } from 'vitest'
import { timelineOf } from '../../../page/pictures/timeline.tsx'

const at = (seconds: number) => new Date(Date.UTC(2026, 10, 20, 9) + seconds * 1000).toISOString()
const run = (startedAt: number, elapsedMs: number, status = 'success') => ({
  runId: startedAt + 1,
  status,
  startedAt: at(startedAt),
  finishedAt: status === 'running' ? null : at(startedAt + elapsedMs / 1000),
  elapsedMs,
})
const viewOf = (view: string, status: string, runs: object[], dependsOn: string[] = []) => ({
  view,
  status,
  dependsOn,
  waitsFor: [],
  estimatedMs: 20_000,
  runs,
})
const draw = (batch: object) => timelineOf(batch as never)

test('each run is a bar at its time, and a view that is tried again has several', () => {
  const { rows, now } = draw({
    startedAt: at(0),
    finishedAt: at(100),
    elapsedMs: 100_000,
    estimatedRestMs: null,
    views: [
      viewOf('second', 'success', [run(50, 50_000)]),
      viewOf('first', 'failed', [run(0, 10_000), run(60, 20_000)]),
    ],
  })
  expect(now).toBe(null)
  expect(rows.map(({ view, bars }) => [view.view, ...bars.map(({ from, width }) => [from, width])])).toEqual([
    ['first', [0, 0.1], [0.6, 0.2]],
    ['second', [0.5, 0.5]],
  ])
})

test('a view that waits is expected after those that it reads', () => {
  const { rows, now } = draw({
    startedAt: at(0),
    finishedAt: null,
    elapsedMs: 10_000,
    estimatedRestMs: 30_000,
    views: [viewOf('base', 'running', [run(0, 10_000, 'running')]), viewOf('next', 'waiting', [], ['base'])],
  })
  expect(now).toBe(0.25)
  expect(rows[0]).toMatchObject({ bars: [{ from: 0, width: 0.25 }], expected: null })
  expect(rows[1]).toMatchObject({ bars: [], expected: { from: 0.5, width: 0.5 } })
})

test('a view that is tried again is expected at the time of its retry', () => {
  const retry = {
    runId: 9,
    status: 'pending',
    startedAt: null,
    finishedAt: null,
    elapsedMs: null,
    notBefore: at(20),
  }
  const { rows } = draw({
    startedAt: at(0),
    finishedAt: null,
    elapsedMs: 10_000,
    estimatedRestMs: 30_000,
    views: [viewOf('base', 'pending', [run(0, 2_000, 'failed'), retry])],
  })
  expect(rows[0]).toMatchObject({ expected: { from: 0.5, width: 0.5 } })
})

test('the axis has at most six times, and none beyond the end', () => {
  for (const seconds of [0.3, 7, 64, 600, 5000, 90_000]) {
    const batch = { startedAt: at(0), finishedAt: at(seconds), elapsedMs: seconds * 1000, views: [] }
    const { ticks } = draw(batch)
    expect(ticks[0]).toEqual({ ms: 0, from: 0 })
    expect(ticks.length).toBeLessThanOrEqual(6)
    for (const { from } of ticks) expect(from).toBeLessThan(1)
  }
})
