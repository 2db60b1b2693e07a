import type { Plan, PlannedView, RecommendationList } from '../../src/edge/http/schemas/answers.ts'
import { count, duration } from '../../src/plan/words.ts'
import { short } from './names.ts'
import { type Column, tableLines } from './table.ts'
import type { Output } from './terminal.ts'
import { harmless, wrap } from './width.ts'

type Told = Omit<Plan, 'next'>

/** The coming day: the load by hour, the views with the longest load first, and the promises that break. */
export function planLines({ from, paused, hours, views }: Told, output: Output): string[] {
  const told = views.filter(({ refreshes, broken }) => refreshes > 0 || broken.length > 0)
  const refreshes = hours.reduce((sum, hour) => sum + hour.refreshes, 0)
  const busyMs = hours.reduce((sum, hour) => sum + hour.busyMs, 0)
  const since = `24 hours from ${moment(from)}${paused ? ', as if schedules were not paused' : ''}`
  return [
    `${since}: ${count(refreshes, 'refresh', 'refreshes')}, ${duration(busyMs)} of work`,
    ...(refreshes === 0 ? [] : ['', ...hoursTable(hours, output)]),
    ...(told.length === 0 ? [] : ['', ...viewsTable(told, output)]),
    '',
    ...promiseLines(views, output),
  ]
}

function promiseLines(views: PlannedView[], { width, paint }: Output): string[] {
  const broken = views.flatMap(({ view, broken }) => broken.map(({ text }) => `${short(view)}: ${text}`))
  const lines = (texts: string[], sign: string) =>
    texts.flatMap((text) =>
      wrap(harmless(text), width - 2).map((line, at) => `${at === 0 ? sign : ' '} ${line}`),
    )
  return [
    ...(broken.length === 0 ? ['Every promise is kept, if refreshes take as long as usual.'] : []),
    ...lines(broken, paint('red', '✗')),
    ...lines(heldTexts(views), paint('yellow', '!')),
  ]
}

/** The views that become older than promised because a paused view holds them back. That is no broken promise. */
function heldTexts(views: PlannedView[]): string[] {
  const paused = new Set(views.flatMap(({ view, paused }) => (paused ? [view] : [])))
  return views.flatMap(({ view, heldBackBy, oldestMs, targetLagMs, maxStaleMs, paused: own }) =>
    !own &&
    heldBackBy !== null &&
    paused.has(heldBackBy) &&
    (oldestMs ?? 0) > (targetLagMs ?? maxStaleMs ?? Infinity)
      ? [`${short(view)}: held back by ${short(heldBackBy)}, which is paused`]
      : [],
  )
}

/** `2026-11-21 09:00 UTC` */
const moment = (at: string): string => `${at.slice(0, 10)} ${at.slice(11, 16)} UTC`

const barWidth = 24

/** The hours in which something is refreshed. */
function hoursTable(hours: Plan['hours'], output: Output): string[] {
  const most = Math.max(...hours.map(({ busyMs }) => busyMs), 1)
  return tableLines(
    [
      { title: 'HOUR', cell: ({ at }) => at.slice(11, 16) },
      { title: 'REFRESHES', cell: ({ refreshes }) => String(refreshes), right: true },
      { title: 'WORK', cell: ({ busyMs }) => duration(busyMs), right: true },
      { title: 'AT ONCE', cell: ({ atOnce }) => String(atOnce), right: true },
      { title: 'LOAD', cell: ({ busyMs }) => '█'.repeat(Math.ceil((busyMs / most) * barWidth)), leaveOut: 0 },
    ],
    hours.filter(({ refreshes, busyMs }) => refreshes > 0 || busyMs > 0),
    output,
  )
}

function viewsTable(views: PlannedView[], output: Output): string[] {
  const time = (
    title: string,
    of: (view: PlannedView) => number | null,
    leaveOut: number,
  ): Column<PlannedView> => ({
    title,
    cell: (view) => {
      const ms = of(view)
      return ms === null ? '' : duration(ms)
    },
    right: true,
    leaveOut,
  })
  return tableLines(
    [
      { title: 'VIEW', cell: ({ view }) => short(view) },
      { title: 'REFRESHES', cell: ({ refreshes }) => String(refreshes), right: true },
      {
        title: 'LEFT OUT',
        cell: ({ leftOut }) => (leftOut === 0 ? '' : String(leftOut)),
        right: true,
        leaveOut: 3,
      },
      time('USUAL', ({ usualMs }) => usualMs, 2),
      { title: 'WORK', cell: ({ busyMs }) => duration(busyMs), right: true },
      {
        ...time('OLDEST', ({ oldestMs }) => oldestMs, 0),
        style: ({ broken }) => (broken.length > 0 ? 'red' : undefined),
      },
      time('PROMISE', ({ targetLagMs, maxStaleMs }) => targetLagMs ?? maxStaleMs, 1),
    ],
    views.toSorted((a, b) => b.busyMs - a.busyMs),
    output,
  )
}

/** What to change about views: the evidence, the line to write, and by how many refreshes. */
export function recommendationLines(
  list: RecommendationList['recommendations'],
  { width, paint }: Output,
): string[] {
  if (list.length === 0) return ['Nothing to change, by what the record says.']
  return list.flatMap(({ view, text, change, refreshes, confidence }) => [
    ...wrap(harmless(`${short(view)}: ${text}`), width - 2).map(
      (line, at) => `${at === 0 ? paint('bold', '▸') : ' '} ${line}`,
    ),
    ...(change === null
      ? []
      : wrap(
          harmless(
            `change: ${change} (confidence ${confidence}, ${count(refreshes, 'refresh', 'refreshes')})`,
          ),
          width - 2,
        ).map((line) => `  ${line}`)),
  ])
}
