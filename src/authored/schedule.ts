import { Cron } from 'croner'

const month = 'jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec'
const day = 'sun|mon|tue|wed|thu|fri|sat'
const numbers = /^[\d*,/-]+$/
const fields = [numbers, numbers, numbers, words(month), words(day)]

/** What is wrong with a schedule, and what to write; null if nothing is. */
export function scheduleFault(schedule: string): string | null {
  const parts = schedule.split(' ')
  if (parts.length !== 5 || parts.some((part, at) => !fields[at]?.test(part))) {
    return (
      'must be cron with five fields (minute, hour, day of month, month, day of week) of numbers, names, "*", ' +
      '",", "-" and "/", one space apart: "0 6 * * MON-FRI"'
    )
  }
  if (parts[2] !== '*' && parts[4] !== '*') {
    return 'cannot restrict both the day of month and the day of week: write "*" for one of them; the other needs a second view'
  }
  try {
    if (new Cron(schedule, { mode: '5-part', paused: true }).nextRun() !== null) return null
    return 'never comes: there is no such day in that month'
  } catch (error) {
    return `is not cron: ${(error as Error).message.replace(/^CronPattern: /, '')}`
  }
}

function words(names: string): RegExp {
  return new RegExp(`^(?:[\\d*,/-]|${names})+$`, 'i')
}
