import { expect, test } from 'vitest'
import { dueTurn } from '../../../src/keeper/keep-fresh.ts'

const at = (time: string) => new Date(`2026-11-26T${time}Z`)
const due = (schedule: string, since: string, now: string, timeZone = 'UTC') =>
  dueTurn({ schedule, timeZone }, at(since), at(now))?.toISOString().slice(11) ?? null

test('a turn is due from its moment on, and until it has begun', () => {
  expect(due('* * * * *', '09:59:00.000', '09:59:59.999')).toBeNull()
  expect(due('* * * * *', '09:59:00.000', '10:00:00.000')).toBe('10:00:00.000Z')
  expect(due('* * * * *', '10:00:00.000', '10:00:59.000')).toBeNull()
})

test('of the turns that came while nobody led, the last one is due', () => {
  expect(due('*/5 * * * *', '09:00:00.000', '09:27:00.000')).toBe('09:25:00.000Z')
  expect(due('0 6 * * *', '05:59:58.000', '06:00:11.000')).toBe('06:00:00.000Z')
  expect(due('0 6 * * *', '06:00:00.500', '06:00:11.000')).toBeNull()
})

test('a turn of more than a day ago is not caught up', () => {
  const before = new Date('2026-11-20T00:00:00Z')
  expect(dueTurn({ schedule: '0 6 25 11 *', timeZone: 'UTC' }, before, at('06:00:01.000'))).toBeNull()
  expect(dueTurn({ schedule: '0 6 25 11 *', timeZone: 'UTC' }, before, at('05:59:59.000'))).not.toBeNull()
})

test('the time zone of the schedule counts', () => {
  expect(due('0 7 * * *', '05:00:00.000', '06:00:01.000', 'Europe/Berlin')).toBe('06:00:00.000Z')
})
