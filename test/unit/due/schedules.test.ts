import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  nextScheduled,
  quietUntil,
  scheduledInterval,
  tooRare,
  unscheduled,
} from '../../../src/due/schedules.ts'

const hours = (schedule: string, timeZone = 'Etc/UTC') => {
  const seconds = scheduledInterval({ schedule, timeZone, inAll: false }, { nightly: null, views: true })
  return (seconds as number) / 3600
}

// A Monday morning: the weekend is as far away as it can be.
beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-16T00:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('the longest time between two refreshes', () => {
  test.each([
    ['0 9 * * *', 24],
    ['*/15 * * * *', 0.25],
    ['* * * * *', 1 / 60],
    ['0 */5 * * *', 5],
    ['0 9 * * 1-5', 72],
    ['*/5 9-17 * * 1-5', 63 + 5 / 60],
    ['* * * * 1-5', 48 + 1 / 60],
    ['30 6,18 * * 1', 6 * 24 + 12],
    ['0 0 1 * *', 31 * 24],
    ['0 0 1,15 * *', 17 * 24],
    ['* 12 * 1 *', 336 * 24 - 59 / 60],
    ['10-50/20 3,21 * * *', 17 + 20 / 60],
  ])('%s: %d hours', (schedule, expected) => {
    expect(hours(schedule)).toBeCloseTo(expected, 6)
  })

  test('is an hour longer where the clock is put back, but for one that comes all day and night', () => {
    expect(hours('0 9 * * *', 'Europe/Berlin')).toBe(25)
    expect(hours('0 9 * * 1-5', 'America/New_York')).toBe(73)
    expect(hours('*/15 * * * *', 'Europe/Berlin')).toBe(0.25)
    expect(hours('0 9 * * *', 'Asia/Tokyo')).toBe(24)
  })

  test('is that of the night where every view is refreshed oftener than this one', () => {
    const schedules = { nightly: { schedule: '0 9 * * *', timeZone: 'Etc/UTC' }, views: true }
    const weekly = { schedule: '0 9 * * 1', timeZone: 'Etc/UTC' }
    const none = { schedule: null, timeZone: null }
    const day = 24 * 3600
    expect(scheduledInterval({ ...weekly, inAll: true }, schedules)).toBe(day)
    expect(scheduledInterval({ ...weekly, inAll: false }, schedules)).toBe(7 * day)
    expect(scheduledInterval({ ...none, inAll: true }, schedules)).toBe(day)
    expect(scheduledInterval({ ...none, inAll: false }, schedules)).toBeNull()
    expect(scheduledInterval({ ...none, inAll: true }, unscheduled)).toBeNull()
    const limit = (ms: number, targetLagSeconds: number | null = null) =>
      tooRare({ ...none, inAll: true, targetLagSeconds }, ms, schedules)
    expect(limit(60_000)).toBe(
      'its limit of 60 s cannot be kept: up to 24 h lie between two turns of its schedules',
    )
    expect([limit(day * 1000), limit(60_000, 30)]).toEqual([null, null])
  })

  test('is none where the environment starts no view by its own schedule', () => {
    const often = { schedule: '*/15 * * * *', timeZone: 'Etc/UTC', inAll: true }
    expect(scheduledInterval(often, unscheduled)).toBeNull()
    const nightly = { schedule: '0 9 * * *', timeZone: 'Etc/UTC' }
    expect(scheduledInterval(often, { nightly, views: false })).toBe(24 * 3600)
  })
})

describe('the next refresh by schedule', () => {
  const now = new Date('2026-11-16T10:00:00Z')
  const nightly = { schedule: '0 9 * * *', timeZone: 'Etc/UTC' }
  const weekly = { schedule: '30 8 * * 1', timeZone: 'Europe/Berlin', inAll: true }
  const next = (
    definition: Parameters<typeof nextScheduled>[0],
    schedules: Parameters<typeof nextScheduled>[1],
  ) => {
    const found = nextScheduled(definition, schedules, now)
    return found === null ? null : `${found.at.toISOString()} ${found.by}`
  }

  test('is the one of the night or its own, whichever comes first', () => {
    expect(next(weekly, { nightly, views: true })).toBe('2026-11-17T09:00:00.000Z nightly')
    expect(next({ ...weekly, inAll: false }, { nightly, views: true })).toBe('2026-11-23T07:30:00.000Z view')
    const often = { ...weekly, schedule: '*/15 * * * *' }
    expect(next(often, { nightly, views: true })).toBe('2026-11-16T10:15:00.000Z view')
  })

  test('is none if nothing refreshes the view', () => {
    expect(next(weekly, unscheduled)).toBeNull()
    expect(next({ ...weekly, inAll: false }, { nightly, views: false })).toBeNull()
    expect(next({ schedule: null, timeZone: null, inAll: true }, { nightly: null, views: true })).toBeNull()
  })
})

describe('quiet hours', () => {
  const night = { from: '22:00', to: '06:00', timeZone: 'Europe/Berlin', days: ['fri', 'sat'] }
  test.each([
    ['before they begin', '2026-11-20T20:59:00Z', null], // a Friday
    ['when they begin', '2026-11-20T21:00:00Z', '2026-11-21T05:00:00.000Z'],
    ['after midnight', '2026-11-22T04:59:00Z', '2026-11-22T05:00:00.000Z'],
    ['when they end', '2026-11-22T05:00:00Z', null],
    ['on another day', '2026-11-22T23:00:00Z', null],
    ['in the night in which summer time ends', '2026-10-24T20:00:00Z', '2026-10-25T05:00:00.000Z'],
  ])('%s', (_, now, end) => {
    expect(quietUntil(night, new Date(now))?.toISOString() ?? null).toBe(end)
  })
})
