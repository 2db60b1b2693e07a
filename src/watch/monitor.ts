import { type Looks, lagsOf } from '../due/plan/lags.ts'
import { quietUntil, type Schedules, scheduledInterval } from '../due/schedules.ts'
import { dropShadows } from '../record/batches/batch-groups.ts'
import { type Batch, closeLostBatch, findUnadvancedBatches } from '../record/batches/batches.ts'
import { discoverDefinitions } from '../record/definitions/discovered.ts'
import { expectFrom, writeExpectations } from '../record/definitions/expectations.ts'
import { endPauses, readQuiet } from '../record/definitions/pauses.ts'
import { readDependencies } from '../record/definitions/read-graph.ts'
import { readUnwell } from '../record/definitions/state-facts.ts'
import { forgetEvents, readWaitingSeconds } from '../record/events/outbox.ts'
import { isSlow } from '../record/plan/batch.ts'
import type { Heard } from '../record/plan/watch.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { readPause } from '../record/runs/skip.ts'
import {
  type EndedRun,
  publishEndedBatches,
  publishEndedRuns,
  readFailedBatches,
  readSlowRuns,
} from '../record/watch/ended.ts'
import { isAnyUntold } from '../record/watch/incidents.ts'
import {
  mendEnds,
  noteLook,
  noteSteps,
  readClock,
  readFailingChannels,
  readLasting,
} from '../record/watch/looks.ts'
import type { Database, Sql } from '../server/database.ts'
import { sendAhead } from '../server/transactions.ts'
import { foldLogs } from '../slices/db/long.ts'
import { batchName, stepName, type ViewIncidentKind, viewKinds } from '../words/event.ts'
import { type Hearers, usualTelling } from './plan/hearers.ts'
import { unheardOf } from './plan/silence.ts'
import { type Finding, findWrong } from './plan/wrong.ts'
import { Steps } from './steps.ts'

/** The monitor was away if its last look is longer ago than this, and than its telling lets expect. */
const absentSeconds = 10 * 60

/** Enough for one minute, unless the monitor did not run for days. The next look publishes the rest. */
const atOnce = 1000

/**
 * Publishes what the monitor found. Each function is called at every look, also with an empty list. `told` are the names
 * that people are told of now.
 */
export interface Publisher {
  runs(ended: EndedRun[]): void
  batches(ended: Batch[]): void
  incidents(kind: ViewIncidentKind, found: Finding[], told: string[]): void
}

/** The result of one look. */
export interface Monitored {
  incidents: Finding[]
  /** Runs closed because their server process is gone. */
  lost: number
  publishedRuns: number
  publishedBatches: number
  /** For how long the oldest message or event has waited to be sent; null: nothing waits. */
  waitingSeconds: number | null
  /** How many views have to be refreshed now for the sake of a target lag. */
  due: number
}

/**
 * Ends the pauses whose time is over, mends ends in the future, closes the runs whose server process is gone and the batches that nobody advances, drops the shadows of batches that have
 * ended, publishes every run and batch that has ended since the last look, and finds the views that fail, are stale,
 * missing, set aside or paused for long, and those that are due, if `looks` says how often somebody looks. In a quiet time limits count from its end,
 * and nothing is told before it. What is not well is an incident. Views without a definition get one here, so that a
 * view that is never refreshed is noticed too. After an outage, batches have some minutes to be advanced again before they are
 * closed. What is a step fails alone, and is an incident if it does so twice. `programs` null: nothing becomes an event; `people` null: nobody takes messages.
 */
export function monitor(
  database: Database,
  {
    schedules,
    publish,
    telling = usualTelling,
    programs = { typed: null },
    people = null,
    looks = { everySeconds: null },
    told = null,
    newestMigration = null,
    heard = null,
  }: Partial<Hearers> & {
    schedules: Schedules
    publish: Publisher
    looks?: Looks | undefined
    /** Whether anybody is told what is found; null: nobody knows. */
    told?: boolean | null | undefined
    /** The number of the newest migration that was deployed; null: nobody knows. */
    newestMigration?: number | null | undefined
    /** Who listens to what people are told, if that was counted now. */
    heard?: Heard | null | undefined
  },
): Promise<Monitored> {
  return database.withConnection(
    async (sql) => {
      const steps = new Steps()
      await steps.do('pauses', () => endPauses(sql), undefined)
      await steps.do('clock', () => mendEnds(sql), undefined)
      const absent = Math.max(absentSeconds, telling.apartSeconds)
      const { settled, heard: listeners } = await noteLook(sql, absent, {
        told,
        heard,
        newestMigration,
        typed: people?.typed ?? null,
        schedules: { ...schedules, looks },
      })
      const closed = await steps.do('lost-runs', () => closeLostRuns(sql), [])
      const closeBatches = async () => {
        for (const id of await findUnadvancedBatches(sql)) await closeLostBatch(sql, id)
      }
      if (settled) await steps.do('lost-batches', closeBatches, undefined)
      await steps.do('shadows', () => dropShadows(sql), undefined)
      await steps.do('logs', () => foldLogs(sql), undefined)
      const suspects: string[] = []
      const publishRuns = (ended: EndedRun[]) => {
        publish.runs(ended)
        suspects.push(...ended.flatMap((run) => (isSlow(run.durationMs, run.usualMs) ? [run.view] : [])))
      }
      const publishedRuns = await steps.do(
        'runs',
        () => publishEndedRuns(sql, atOnce, publishRuns, programs !== null),
        0,
      )
      const publishedBatches = await steps.do(
        'batches',
        () => publishEndedBatches(sql, atOnce, publish.batches, programs !== null),
        0,
      )
      const isAnyNew = await steps.do('views', () => discoverDefinitions(sql), false)
      // What views of others are made of may be of any size: what must happen does not wait for it.
      const { lookForLost, readAllLost } = await import('../record/watch/parts.ts')
      const looksForLost = () => lookForLost(sql, isAnyNew || suspects.length > 0)
      await steps.do('parts', () => briefly(sql, looksForLost), undefined)
      const lost = await steps.do('lost-parts', () => briefly(sql, () => readAllLost(sql)), [])
      const pause = await readPause(sql)
      const window = await readQuiet(sql)
      const clock = window || telling.quiet ? await readClock(sql) : new Date()
      const until = [
        pause?.until,
        window && window.from <= clock ? window.until : null,
        telling.quiet && quietUntil(telling.quiet, clock),
      ]
      const quiet = until.reduce<Date | null>(
        (latest, end) => (end && end > (latest ?? 0) ? end : latest),
        null,
      )
      await expectFrom(sql, quiet)
      const before = await readUnwell(sql)
      const isPlanned = before.views.some(({ planned }) => planned !== null)
      const lags = lagsOf(before, isPlanned ? await readDependencies(sql) : new Map(), looks)
      const { short, suspended } = lags
      const due = pause === null ? lags.due : []
      const isNew = await writeExpectations(sql, (definition) => ({
        interval: scheduledInterval(definition, schedules),
        promised: lags.promised.get(definition.view),
      }))
      // When a view is stale follows from what is expected of it.
      const facts = isNew ? await readUnwell(sql) : before
      const planned = { lag: short.map(nameOf), suspended: suspended.map(nameOf) }
      const slow = await steps.do('slow-runs', () => readSlowRuns(sql, suspects), [])
      const { wrong, waits, ...lasting } = await readLasting(sql)
      const batches = await readFailedBatches(sql)
      const channels = await readFailingChannels(sql)
      const unheard = unheardOf(listeners, told)
      const failing = await noteSteps(sql, steps)
      const found = findWrong(facts.views, planned, {
        ...lasting,
        wrong: wrong.map(({ view }) => view),
        lost: lost.map(({ view }) => view),
        slow: [...new Set([...slow.map(({ view }) => view), ...waits])],
        step: failing.map(({ step }) => stepName(step)),
        batch: batches.map(({ id }) => batchName(id)),
        channel: [...channels, ...unheard].map(({ channel }) => channel),
      })
      /** Of what people are told now. */
      let hearing = new Set<string>()
      if (found.length > 0 || (await isAnyUntold(sql))) {
        const { noteIncidents } = await import('./note.ts')
        const hearers = { telling, programs, people: quiet === null ? people : null }
        const at = { readAt: facts.now, schedules: { ...schedules, looks } }
        hearing = await noteIncidents(
          sql,
          found,
          { slow, waits, wrong, lost, steps: failing, batches, channels, unheard },
          { ...hearers, ...at, unseen: steps.unseen },
        )
      }
      for (const kind of viewKinds) {
        const of = found.filter((each) => each.kind === kind)
        publish.incidents(
          kind,
          quiet === null ? of : [],
          of.flatMap(({ name }) => (hearing.has(name) ? [name] : [])),
        )
      }
      if (programs === null) await forgetEvents(sql)
      return {
        lost: closed.length,
        publishedRuns,
        publishedBatches,
        waitingSeconds: await readWaitingSeconds(sql),
        due: due.length,
        incidents: found,
      }
    },
    { writes: true },
  )
}

/** A look has 20 s: what reads as much as others have made leaves most of them to what must happen. */
const brieflyMs = 5000

async function briefly<T>(sql: Sql, work: () => Promise<T>): Promise<T> {
  sendAhead(sql, `set statement_timeout to ${brieflyMs}`)
  try {
    return await work()
  } finally {
    sendAhead(sql, 'reset statement_timeout')
  }
}

const nameOf = ({ view }: { view: string }): string => view
