import { Cron } from 'croner'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventBridgeCron } from '../../../infra/schedules/schedules.ts'
import { scheduleFault } from '../../../src/authored/schedule.ts'
import { counts } from '../../support/counts.ts'
import { seedOf } from '../../support/seeded.ts'

describe('a schedule becomes what EventBridge reads', () => {
  test.each([
    ['* * * * *', 'cron(* * * * ? *)'],
    ['0 9 * * *', 'cron(0 9 * * ? *)'],
    ['0 6 * * 1-5', 'cron(0 6 ? * MON-FRI *)'],
    ['0 6 * * 0', 'cron(0 6 ? * SUN *)'],
    ['0 6 * * 7', 'cron(0 6 ? * SUN *)'],
    ['0 6 * * 5-7', 'cron(0 6 ? * SUN,FRI,SAT *)'],
    ['0 6 * * 0-7', 'cron(0 6 * * ? *)'],
    ['0 6 * * sun,Tue,SAT', 'cron(0 6 ? * SUN,TUE,SAT *)'],
    ['*/20 0-10/5 1,15 jan,7 *', 'cron(0,20,40 0,5,10 1,15 JAN,JUL ? *)'],
    ['0 0 1-31 1-12 *', 'cron(0 0 * * ? *)'],
    ['00 06 1,2,3,5 * *', 'cron(0 6 1-3,5 * ? *)'],
  ])('%s: %s', (schedule, expected) => {
    expect(eventBridgeCron(schedule)).toBe(expected)
  })
})

describe('comes at the same times as before', () => {
  const start = new Date('2026-11-20T09:00:00Z')
  const same = (schedule: string, count: number) => {
    const usual = new Cron(schedule, { timezone: 'UTC', paused: true }).nextRuns(count, start)
    expect(occurrences(eventBridgeCron(schedule), start, count), schedule).toEqual(
      usual.map((time) => time.toISOString()),
    )
  }

  test.each([
    '* * * * *',
    '*/7 * * * *',
    '5,10-20/5,59 */6 * * *',
    '30 2 * * 1-7/2',
    '0 0 * * */3',
    '15 12 29 2 *',
    '0 0 31 * *',
    '45 23 */10 */5 *',
    '0 9 * MAR-MAY,dec MON-FRI',
  ])('%s', (schedule) => same(schedule, 20))

  test('whatever the schedule', () => {
    fc.assert(
      fc.property(
        anySchedule.filter((schedule) => scheduleFault(schedule) === null),
        (schedule) => same(schedule, 3),
      ),
      { numRuns: counts.cronExpressions, seed: seedOf(1) },
    )
  })
})

test.each([
  ['@daily', /schedule "@daily" must be cron with five fields/],
  ['0 0 9 * * *', /must be cron with five fields/],
  ['0 0 1 * MON', /cannot restrict both the day of month and the day of week/],
  ['0 0 L * *', /must be cron with five fields/],
  ['61 * * * *', /is not cron/],
  ['0 0 30 2 *', /never comes/],
])('%s is refused', (schedule, message) => {
  expect(() => eventBridgeCron(schedule)).toThrow(message)
})

test('EventBridge has room for the longest of all', () => {
  const pairs = (until: number) =>
    Array.from({ length: until }, (_, at) => at).filter((value) => value % 3 > 0)
  const longest = eventBridgeCron(`${pairs(60)} ${pairs(24)} ${pairs(32)} ${pairs(13)} *`)
  expect(longest).toContain(',58,59 ')
  expect(longest.length).toBeLessThanOrEqual(256)
})

/** The next times of an expression, read as EventBridge does, as far as lists, ranges and names go. */
function occurrences(expression: string, after: Date, count: number): string[] {
  const form = /^cron\((\S+) (\S+) (\S+) (\*|[A-Z,-]+) (\?|[A-Z,-]+) \*\)$/
  const [, minute, hour, day, month, weekday] = form.exec(expression) as unknown as string[]
  expect([day, weekday].filter((field) => field === '?')).toHaveLength(1)
  const found: string[] = []
  const at = new Date(after)
  at.setUTCHours(0, 0, 0, 0)
  for (; found.length < count; at.setUTCDate(at.getUTCDate() + 1)) {
    if (!holds(month!, at.getUTCMonth() + 1, months)) continue
    if (!holds(day!, at.getUTCDate()) || !holds(weekday!, at.getUTCDay(), weekdays)) continue
    for (let minutes = 0; minutes < 24 * 60 && found.length < count; minutes++) {
      if (!holds(hour!, Math.floor(minutes / 60)) || !holds(minute!, minutes % 60)) continue
      const time = new Date(at.getTime() + minutes * 60_000)
      if (time > after) found.push(time.toISOString())
    }
  }
  return found
}

const months = ['', 'JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

const holds = (field: string, value: number, names: string[] = []): boolean =>
  field === '*' ||
  field === '?' ||
  field.split(',').some((item) => {
    const [from, to = from] = item
      .split('-')
      .map((end) => (names.includes(end) ? names.indexOf(end) : Number(end)))
    return from! <= value && value <= to!
  })

const items = (least: number, most: number) => {
  const value = fc.integer({ min: least, max: most })
  const range = fc.tuple(value, value).map((ends) => ends.toSorted((a, b) => a - b).join('-'))
  const interval = fc.integer({ min: 1, max: most - least })
  const item = fc.oneof(
    value.map(String),
    range,
    fc.tuple(fc.oneof(range, fc.constant('*')), interval).map(([of, by]) => `${of}/${by}`),
  )
  return fc.oneof(fc.constant('*'), fc.array(item, { minLength: 1, maxLength: 4 }).map(String))
}
const day = fc.oneof(
  fc.tuple(items(1, 28), items(1, 12), fc.constant('*')),
  fc.tuple(fc.constant('*'), items(1, 12), items(0, 7)),
)
const anySchedule = fc.tuple(items(0, 59), items(0, 23), day).map((fields) => fields.flat().join(' '))
