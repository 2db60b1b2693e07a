import { CronPattern } from 'croner'
import { scheduleFault } from '../../src/authored/schedule.ts'
import { Problem } from '../../src/problem.ts'

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

/**
 * Turns the schedule of a view, cron with five fields, into EventBridge Scheduler's cron with six fields.
 * EventBridge numbers weekdays differently, and counts differently after `*` and a slash. So every field is
 * written as a list of values, with names for months and weekdays: both kinds of cron read such a list in the
 * same way. Refuses what authoring refuses.
 */
export function eventBridgeCron(schedule: string): string {
  const fault = scheduleFault(schedule)
  if (fault !== null)
    throw new Problem('InvalidRequest', `schedule ${JSON.stringify(schedule)} ${fault}`, {
      field: 'schedule',
    })
  const { minute, hour, day, month, dayOfWeek } = new CronPattern(schedule, undefined, { mode: '5-part' })
  const everyDay = dayOfWeek.every(Boolean)
  const fields = [
    field(minute, String),
    field(hour, String),
    everyDay ? field(day, (at) => String(at + 1)) : '?',
    field(month, (at) => months[at] as string),
    everyDay ? '?' : field(dayOfWeek, (at) => weekdays[at] as string),
  ]
  return `cron(${fields.join(' ')} *)`
}

/**
 * `*` for all values, else a list. Three or more values in a row are a range: an expression has at most 256
 * characters.
 */
function field(chosen: number[], name: (at: number) => string): string {
  if (chosen.every(Boolean)) return '*'
  const items: string[] = []
  for (let at = 0; at < chosen.length; at++) {
    if (!chosen[at]) continue
    const start = at
    while (chosen[at + 1]) at++
    const range = Array.from({ length: at - start + 1 }, (_, offset) => name(start + offset))
    items.push(...(range.length < 3 ? range : [`${range[0]}-${range.at(-1)}`]))
  }
  return items.join(',')
}
