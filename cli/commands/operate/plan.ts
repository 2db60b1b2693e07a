import type { Command } from 'commander'
import type { Plan } from '../../../src/api/answers.ts'
import { ask } from '../../../src/api/ask.ts'
import { timeOfDay } from '../../../src/catalog/plan/scheduled.ts'
import { count, duration, moment, names } from '../../../src/words/phrases.ts'
import { tableLines } from '../../output/table.ts'
import { harmless, type Output, short, wrap } from '../../output/terminal.ts'
import { answer, operating } from '../asking.ts'

/** Declares `plan`, which prints the schedules that have a turn in the coming day, and what target lags refresh. */
export function addTo(program: Command): void {
  operating(program, 'plan')
    .description('list what runs in the coming 24 hours')
    .action(async (asking) => {
      await answer(
        asking,
        (api) => ask(api, 'getPlan', {}),
        (plan, { output }) => planLines(plan, output),
      )
    })
}

/** What runs in the coming day: the schedules, what is due first before the others, what target lags refresh, and what is left out. */
export function planLines({ from, paused, schedules, lags, leftOut }: Plan, output: Output): string[] {
  const now = new Date(from)
  const turns = schedules.reduce((sum, { count }) => sum + count, 0)
  return [
    `24 hours from ${moment(from, now)}${paused ? ', as if schedules were not paused' : ''}: ${count(turns, 'turn')} of schedules`,
    ...(schedules.length === 0 ? [] : ['', ...turnsTable(schedules, now, output)]),
    ...meetings(schedules, now, output),
    ...(lags.length === 0 ? [] : ['', ...lagLines(lags, output)]),
    ...(leftOut.length === 0 ? [] : ['', ...leftOutLines(leftOut, now, output)]),
  ]
}

const turnsTable = (schedules: Plan['schedules'], now: Date, output: Output): string[] =>
  tableLines(
    [
      { title: 'FIRST', cell: ({ first }) => moment(first, now) },
      { title: 'TURNS', cell: ({ count }) => String(count), right: true },
      {
        title: 'SCHEDULE',
        cell: (turn) =>
          turn.by === 'nightly' ? `nightly ${timeOfDay(turn)}` : `${turn.schedule} ${turn.timeZone}`,
      },
      { title: 'TAKES', cell: ({ usualMs }) => duration(usualMs), right: true },
      { title: 'VIEWS', cell: ({ views }) => names(views.map(short), 3), leaveOut: 0, least: 20 },
    ],
    schedules,
    output,
  )

const meetings = (schedules: Plan['schedules'], now: Date, { width }: Output): string[] => {
  const lines = schedules.flatMap(({ schedule, timeZone, meets = [] }) =>
    meets.flatMap(({ at, views, ...other }) =>
      wrap(
        harmless(
          `${schedule} ${timeZone} and ${other.schedule} ${other.timeZone} meet at ${moment(at, now)} in ${names(views.map(short), 3)}: the second batch waits for what the first builds`,
        ),
        width,
      ),
    ),
  )
  return lines.length === 0 ? lines : ['', ...lines]
}

const lagLines = (lags: Plan['lags'], { width }: Output): string[] =>
  lags.flatMap(({ view, lagMs, for: reader }) =>
    wrap(
      harmless(
        `${short(view)}: whenever its data become ${duration(lagMs)} old${reader === null ? '' : `, for ${short(reader)}`}`,
      ),
      width,
    ),
  )

const leftOutLines = (leftOut: Plan['leftOut'], now: Date, { width }: Output): string[] =>
  leftOut.flatMap(({ view, because, until }) =>
    wrap(
      harmless(`${short(view)}: ${because}${until === null ? '' : ` until ${moment(new Date(until), now)}`}`),
      width,
    ),
  )
