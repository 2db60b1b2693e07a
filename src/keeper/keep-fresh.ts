import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Cron } from 'croner'
import { startBatch, startDueBatch } from '../batch/start.ts'
import { outsideClock } from '../catalog/plan/definition.ts'
import { intruders, refuseIntruders, trustOf } from '../catalog/plan/intruders.ts'
import type { Obstacle } from '../catalog/plan/rights.ts'
import {
  batchesOf,
  type ScheduledBatch,
  scheduledViews,
  timeOfDay,
  type ViewTimes,
} from '../catalog/plan/scheduled.ts'
import type { ViewStateFacts } from '../catalog/plan/state.ts'
import { lagOfLooks, lagsOf } from '../due/plan/lags.ts'
import { nextScheduled, nextTurn, type Schedules } from '../due/schedules.ts'
import { readOpenBatches, readTurnsOfSchedules } from '../record/batches/batches.ts'
import { hasShortLags } from '../record/definitions/behind-logs.ts'
import { discoverDefinitions } from '../record/definitions/discovered.ts'
import { readScheduled } from '../record/definitions/expectations.ts'
import { readDependencies } from '../record/definitions/read-graph.ts'
import { readFacts } from '../record/definitions/state-facts.ts'
import { isAnythingToSend } from '../record/events/outbox.ts'
import { readClock, readLastLook } from '../record/watch/looks.ts'
import type { Database, Sql } from '../server/database.ts'
import type { Monitored, Publisher } from '../watch/monitor.ts'
import { silenceLines } from '../watch/plan/silence.ts'
import { lineOf } from '../words/commands.ts'
import { count, names } from '../words/phrases.ts'
import { isOpenBatch } from '../words/run.ts'
import { type Advancer, patiently } from './advancer.ts'
import { followLogs } from './follow-logs.ts'
import { look, removeHistory } from './jobs.ts'
import { askEveryMs, type Leader } from './lead.ts'
import type { KeptDatabase, Logger, Terms } from './terms.ts'

/** A turn that nobody has begun for so long is not caught up. */
const mostLateMs = 24 * 3_600_000

/**
 * The last turn of a schedule after `since`, and until `now` at the latest; null if there was none. Earlier turns that nobody
 * has begun are left out, because a later refresh has newer data.
 */
export function dueTurn({ schedule, timeZone }: ViewTimes, since: Date, now: Date): Date | null {
  const cron = new Cron(schedule, { timezone: timeZone, paused: true })
  // Croner seeks the runs before a moment, without the moment itself.
  const [turn] = cron.previousRuns(1, new Date(now.getTime() + 1))
  const earliest = Math.max(since.getTime(), now.getTime() - mostLateMs)
  return turn !== undefined && turn.getTime() > earliest ? turn : null
}

const mostNamed = 10

interface Said {
  database: Database
  logger: Logger
  schedules: Schedules
  /** Whether anybody is told what a look finds; null: nobody knows. */
  told?: boolean | null
}

/** Says what the clock refreshes here, what is left to pg_cron, and what would be silence. */
async function saySchedules({ database, logger, told = null, schedules }: Said): Promise<void> {
  const { now, views, promised } = await database.withConnection(async (sql) => {
    await discoverDefinitions(sql)
    const facts = await readFacts(sql)
    return { ...facts, ...lagsOf(facts, await readDependencies(sql), schedules.looks) }
  })
  const there = views.filter(({ missing, aside, pausedSince }) => !missing && !aside && !pausedSince)
  const isOwn = (view: ViewStateFacts) =>
    promised.has(view.view) || nextScheduled(view, { ...schedules, nightly: null }, now) !== null
  const own = there.filter(isOwn)
  const {
    nightly = [],
    cron = [],
    nothing = [],
  } = Object.groupBy(there, (view) => {
    if (view.inAll && schedules.nightly !== null) return 'nightly'
    if (isOwn(view)) return 'own'
    if (view.schedule !== outsideClock) return 'nothing'
    return view.source === 'discovered' ? 'cron' : 'others'
  })
  const namesOf = (some: typeof views) => some.map(({ view }) => view)
  if (schedules.nightly !== null)
    logger.info(
      `refreshes ${count(nightly.length, 'view')} each night at ${timeOfDay(schedules.nightly)}; \`schedules\` changes that`,
      {},
    )
  if (own.length > 0)
    logger.info(
      `refreshes ${own.length} of ${count(there.length, 'view')} by schedules or target lags of their own`,
      {},
    )
  if (cron.length > 0)
    logger.info(`leaves ${count(cron.length, 'view')} to pg_cron: ${names(namesOf(cron), mostNamed)}`, {})
  for (const line of silenceLines(
    { unrefreshed: namesOf(nothing), told, forgotten: [], waitingSince: null },
    null,
  ))
    logger.warn(lineOf(line, null), {})
}

/** What the leading copy works with. */
interface Keeping extends Terms, KeptDatabase {
  looks: Terms['looks']
  advancer: Advancer
  /** Is told what each look publishes, beside the log. */
  publish?: Publisher | undefined
  /** Hears of each look of the monitor, and of each that failed. */
  onLook?: ((look: Monitored | Error) => void) | undefined
}

/** Nobody else gives these names, so the times themselves are the name. */
const nameOf = ({ schedule, timeZone }: ViewTimes): string => `${schedule} ${timeZone}`

const daily: ViewTimes = { schedule: '17 3 * * *', timeZone: 'UTC' }
/** Incremental tables that follow their logs have many runs. */
const hourly: ViewTimes = { schedule: '17 * * * *', timeZone: 'UTC' }

const longestPruneMs = 15 * 60_000

/** If nothing is due for so long, no connection is kept: a server that stops when nobody uses it may stop. */
const shortestSleepMs = 5 * 60_000

/**
 * Does what the clock asks for while this copy leads: begins the batches of schedules and target lags, looks with the monitor, follows change logs,
 * removes old history, and advances batches that nobody advances. The server's clock decides. A turn that came while nobody led is
 * caught up once; a turn that an earlier leader has begun has its key on record, and does not begin twice. Returns for how many
 * milliseconds nothing is due, if those are some minutes.
 */
export async function keepFresh(keeping: Keeping, leader: Leader): Promise<number> {
  const { logger, advancer, monitorEveryMs, looks } = keeping
  const { signal } = leader
  const begun = await leader.ask(readBegun)
  const slept = leader.hasSlept ? begun.looked : null
  let last = slept ?? begun.now
  let looked = slept?.getTime() ?? Number.NEGATIVE_INFINITY
  const busy = new Set<string>()
  const aside = (name: string, work: () => Promise<unknown>) => {
    if (busy.has(name)) return
    busy.add(name)
    work()
      .catch((error: Error) => {
        if (!signal.aborted) logger.error(`${name} failed`, { problem: error.message })
      })
      .finally(() => busy.delete(name))
  }
  const follow = followLogs(advancer, leader, aside)
  if (slept === null) aside('the first look at the schedules', () => saySchedules(keeping))
  for (let first = true; !signal.aborted; first = false) {
    const [now, scheduled, open, follows] = await leader.ask(readNow)
    const batches = batchesNow(scheduled, keeping)
    for (const batch of batches) {
      const since = begun.turns.get(batch.name) ?? (first ? begun.otherwise : last)
      const turn = dueTurn(batch, since, now)
      begun.turns.set(batch.name, turn ?? since)
      if (turn !== null)
        aside(`schedule ${nameOf(batch)} at ${turn.toISOString()}`, () =>
          beginBatch(keeping, signal, batch, turn),
        )
    }
    if (monitorEveryMs !== null && now.getTime() - looked >= monitorEveryMs - askEveryMs / 2) {
      looked = now.getTime()
      aside('monitor', () => lookAndBegin(keeping))
    }
    if (dueTurn(follows ? hourly : daily, last, now))
      aside('prune', () => removeHistory(keeping, Date.now() + longestPruneMs))
    for (const batchId of advancer.takeOver(open)) logger.info('takes a batch over', { batchId })
    last = now
    // Without a monitor, no record would tell what was begun before.
    const nextLook = monitorEveryMs === null ? Number.NEGATIVE_INFINITY : looked + monitorEveryMs
    const turns = batches.flatMap(
      ({ schedule, timeZone }) => nextTurn(schedule, timeZone, now)?.getTime() ?? [],
    )
    const idleMs = Math.min(nextLook, ...turns) - now.getTime()
    const isIdle = busy.size === 0 && open.length === 0 && !follows
    const mayWait = isIdle && idleMs >= shortestSleepMs
    if (mayWait && (keeping.programs === null || !(await leader.ask(isAnythingToSend)))) return idleMs
    const waits =
      follows && looks.everySeconds !== null ? follow(askEveryMs) : pause(askEveryMs, undefined, { signal })
    await waits.catch((error) => {
      if (!signal.aborted) throw error
    })
  }
  return 0
}

const readNow = (sql: Sql) =>
  Promise.all([readClock(sql), readScheduled(sql), readOpenBatches(sql), hasShortLags(sql, lagOfLooks)])

/** The batches that schedules begin, as the record has them now: what is migrated meanwhile has its schedule at once. */
function batchesNow(
  scheduled: Awaited<ReturnType<typeof readScheduled>>,
  { schedules: { nightly, views } }: Keeping,
): ScheduledBatch[] {
  const own = views ? batchesOf(scheduledViews(scheduled), nameOf) : []
  return nightly === null ? own : [{ name: 'nightly', ...nightly, selection: { all: true } }, ...own]
}

async function beginBatch(
  { database, batchDefaults, advancer }: Keeping,
  signal: AbortSignal,
  { name, selection }: ScheduledBatch,
  turn: Date,
): Promise<void> {
  const idempotencyKey = `${name} ${turn.toISOString()}`
  const call = { database, trigger: 'schedule', requestedBy: name, caller: name, idempotencyKey } as const
  const batch = await patiently(() => startBatch(selection, call, batchDefaults), { signal })
  if (isOpenBatch(batch)) advancer.advance(batch.batchId)
}

/** One look of the monitor. If refreshes are due by target lags, begins their batch. */
async function lookAndBegin({ advancer, publish, onLook, ...keeping }: Keeping): Promise<void> {
  try {
    const monitored = await look(keeping, publish)
    onLook?.(monitored)
    if (monitored.due === 0) return
    const { database, looks, batchDefaults } = keeping
    const batch = await startDueBatch({ database, idempotencyKey: randomUUID() }, looks, batchDefaults)
    if (batch !== null) advancer.advance(batch.batchId)
  } catch (error) {
    onLook?.(error as Error)
    throw error
  }
}

/** Up to when schedules have begun their batches. */
interface Begun {
  /** The last turn of each schedule, by its name, that is on record since two hours. */
  turns: Map<string, Date>
  /** When the monitor last looked; null: never. */
  looked: Date | null
  /** The same, or else now: a schedule without a turn on record has missed none before. */
  otherwise: Date
  /** By the server's clock. */
  now: Date
}

/**
 * Reads what the schedules of earlier leaders have begun. Refuses a database in whose schema `viewkeeper` others have a hand.
 */
async function readBegun(sql: Sql): Promise<Begun> {
  const [now, looked, [schema], turns] = await Promise.all([
    readClock(sql),
    readLastLook(sql),
    sql.unsafe<[{ found: Obstacle[] }]>(`select ${intruders(trustOf(null))} as found`),
    readTurnsOfSchedules(sql),
  ])
  refuseIntruders(schema.found)
  return {
    turns,
    looked,
    otherwise: looked ?? now,
    now,
  }
}
