import { discoverDefinitions } from '../catalog/db/discovered.ts'
import { readFacts } from '../catalog/db/facts.ts'
import { readDependencies } from '../catalog/db/graph.ts'
import { outsideClock } from '../catalog/plan/definition.ts'
import { timeOfDay } from '../catalog/plan/scheduled.ts'
import { lagsOf, nextScheduled, type Schedules } from '../due/schedules.ts'
import type { Database } from '../server/connect.ts'
import { count, names } from '../sql/words.ts'
import type { Logger } from '../watch/log.ts'
import { silenceLines } from '../watch/plan/silence.ts'

const mostNamed = 10

interface Said {
  database: Database
  logger: Logger
  schedules: Schedules
  /** Whether anybody is told what a look finds; null: nobody knows. */
  told?: boolean | null
}

/** Says what the clock refreshes here, what is left to pg_cron, and what would be silence. */
export async function saySchedules({ database, logger, told = null, schedules }: Said): Promise<void> {
  const { now, views, promised } = await database.withConnection(async (sql) => {
    await discoverDefinitions(sql)
    const facts = await readFacts(sql)
    return { ...facts, ...lagsOf(facts, await readDependencies(sql), schedules.looks) }
  })
  const there = views.filter(({ missing, aside, pausedSince }) => !missing && !aside && !pausedSince)
  const {
    nightly = [],
    own = [],
    cron = [],
    nothing = [],
  } = Object.groupBy(there, (view) => {
    if (view.inAll && schedules.nightly !== null) return 'nightly'
    if (promised.has(view.view) || nextScheduled(view, schedules, now) !== null) return 'own'
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
    logger.info(`refreshes ${count(own.length, 'view')} by schedules or target lags of their own`, {})
  if (cron.length > 0)
    logger.info(`leaves ${count(cron.length, 'view')} to pg_cron: ${names(namesOf(cron), mostNamed)}`, {})
  for (const line of silenceLines({ unrefreshed: namesOf(nothing), told, forgotten: [] }))
    logger.warn(line, {})
}
