import * as z from 'zod'

const time = '([01]\\d|2[0-3]):[0-5]\\d'
const day = '(Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const dayMinutes = 24 * 60
const weekMinutes = 7 * dayMinutes
/** The shortest window that RDS accepts. */
const shortestMinutes = 30

/** The daily time of a backup, UTC: `01:00-02:00`. At least 30 minutes; may pass midnight. */
export const backupWindow = z
  .string()
  .regex(new RegExp(`^${time}-${time}$`), { error: 'must look like "01:00-02:00"', abort: true })
  .refine((text) => lengthOf(text, dayMinutes) >= shortestMinutes, 'must be at least 30 minutes long')

/** The weekly time of maintenance, UTC: `Sun:03:00-Sun:04:00`. At least 30 minutes, less than 24 hours. */
export const maintenanceWindow = z
  .string()
  .regex(new RegExp(`^${day}:${time}-${day}:${time}$`), {
    error: 'must look like "Sun:03:00-Sun:04:00"',
    abort: true,
  })
  .refine((text) => lengthOf(text, weekMinutes) >= shortestMinutes, 'must be at least 30 minutes long')
  .refine((text) => lengthOf(text, weekMinutes) < dayMinutes, 'must be shorter than 24 hours')

/** Whether the weekly window shares a minute with the daily one on any day. RDS refuses two such windows. */
export function windowsOverlap(daily: string, weekly: string): boolean {
  const [maintenance] = ends(weekly)
  const maintenanceLength = lengthOf(weekly, weekMinutes)
  const [backup] = ends(daily)
  const untilBackup = modulo(backup - maintenance, dayMinutes)
  const untilMaintenance = modulo(maintenance - backup, dayMinutes)
  return untilBackup < maintenanceLength || untilMaintenance < lengthOf(daily, dayMinutes)
}

/** Minutes from the first end of a window to the second, in a cycle of a day or of a week. */
function lengthOf(window: string, cycle: number): number {
  const [from, to] = ends(window)
  return modulo(to - from, cycle)
}

/** Both ends of a window, in minutes from Monday (or, without days, from midnight). */
const ends = (window: string): [number, number] => {
  const [from = '', to = ''] = window.split('-')
  return [minuteOf(from), minuteOf(to)]
}

function minuteOf(moment: string): number {
  const [minute = 0, hour = 0] = moment.split(':').slice(-2).reverse().map(Number)
  const day = Math.max(0, days.indexOf(moment.split(':')[0] ?? ''))
  return day * dayMinutes + hour * 60 + minute
}

const modulo = (number: number, cycle: number): number => ((number % cycle) + cycle) % cycle
