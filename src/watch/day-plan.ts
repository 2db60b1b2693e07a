import { lagViews, type PromisedLag, promisedLags, suspendedViews } from '../due/plan/lags.ts'
import { type Schedules, type Turns, turnsBetween } from '../due/schedules.ts'
import { readDependencies } from '../record/definitions/read-graph.ts'
import { readFacts } from '../record/definitions/state-facts.ts'
import { readPause } from '../record/runs/skip.ts'
import { readPlanned } from '../record/watch/looks.ts'
import type { Database } from '../server/database.ts'
import { unknownDuration } from '../words/run.ts'

/** What runs in the coming 24 hours. */
export interface DayPlan {
  from: Date
  /** Whether everything scheduled is paused now; the plan is as if it were not. */
  paused: boolean
  /** Each schedule that has a turn, what is due first before the others. */
  schedules: (Omit<Turns, 'views' | 'meets'> & {
    /** The views that a turn refreshes; none of them is paused. A suspended one is among them: it is tried again. */
    views: string[]
    /** How long a turn's refreshes usually take, one after the other, in milliseconds. */
    usualMs: number
    /** The later schedules that refresh some of the same views at the same moment: the second batch waits for what the first builds. */
    meets: { schedule: string; timeZone: string; at: Date; views: string[] }[]
  })[]
  /** The views that are refreshed whenever their data become so old. */
  lags: ({ view: string } & PromisedLag)[]
  /** The views that are left out: while they are paused (`until` is null), or suspended until then. */
  leftOut: { view: string; because: 'paused' | 'suspended'; until: Date | null }[]
}

const dayMs = 24 * 3600_000

const namesOf = (views: { view: string }[]): string[] => views.map(({ view }) => view)

/** What schedules and target lags refresh in the coming 24 hours. Writes nothing. */
export const getPlan = (database: Database, said: Schedules): Promise<DayPlan> =>
  database.withConnection(async (sql) => {
    const schedules = (await readPlanned<Schedules>(sql)) ?? said
    const { now, views } = await readFacts(sql, { planning: true })
    const paused = (await readPause(sql)) !== null
    const known = views.filter(({ id, missing, aside }) => id && !missing && !aside)
    const there = known.filter(({ pausedSince }) => !pausedSince)
    const unknownMs = unknownDuration(there.map(({ planned }) => planned?.usualMs ?? null))
    const dependencies = await readDependencies(sql)
    const lags = schedules.looks?.everySeconds == null ? [] : promisedLags(lagViews(there), dependencies)
    const suspended = suspendedViews(lagViews(there), dependencies).filter(
      ({ until }) => until > now.getTime(),
    )
    const turns = turnsBetween(there, schedules, now, new Date(now.getTime() + dayMs))
    return {
      from: now,
      paused,
      schedules: turns.map(({ views, meets, ...turn }) => ({
        ...turn,
        views: namesOf(views),
        meets: meets.map((each) => ({ ...each, views: namesOf(each.views) })),
        usualMs: Math.round(views.reduce((sum, { planned }) => sum + (planned?.usualMs ?? unknownMs), 0)),
      })),
      lags: [...lags].map(([view, promised]) => ({ view, ...promised })),
      leftOut: [
        ...known
          .filter(({ pausedSince }) => pausedSince)
          .map(({ view }) => ({ view, because: 'paused' as const, until: null })),
        ...suspended.map(({ view, until }) => ({
          view,
          because: 'suspended' as const,
          until: new Date(until),
        })),
      ],
    }
  })
