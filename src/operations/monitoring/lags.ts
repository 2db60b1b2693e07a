import { anyTargetLag, readLagViews } from '../../db/batches/lag-views.ts'
import type { Sql } from '../../db/server/connect.ts'
import { sqlstateOf } from '../../db/server/failures.ts'
import { readDependencies } from '../../db/views/graph.ts'
import { readPause } from '../../db/views/pause.ts'
import { dueViews, type ShortLag, type Suspended, shortLags, suspendedViews } from '../../plan/batches/due.ts'
import type { Looks } from './schedules.ts'

/** How many views a batch refreshes at once, unless said. */
export const usualConcurrency = 2

/** What target lags, and failures in a row, say now. */
interface Lags {
  /** The views whose refresh has to begin now, by their names in SQL. */
  due: string[]
  /** Those whose lag cannot be kept. */
  short: ShortLag[]
  /** Those that scheduled refreshes leave out for a while. */
  suspended: Suspended[]
}

/**
 * What has to begin now for the sake of target lags, which cannot be kept, and what is suspended. `failing` are the definitions of
 * the views that fail: no other is suspended. If no view has a target lag, these are all that is read.
 */
export async function readLags(sql: Sql, looks: Looks, failing: number[] = []): Promise<Lags> {
  const { hasLags, due, ...lags } = await readLook(sql, looks, failing)
  return { ...lags, due: hasLags && (await readPause(sql)) === null ? due() : [] }
}

/** One read of the views, and what follows from it. */
async function readLook(
  sql: Sql,
  { everySeconds, concurrency = usualConcurrency }: Looks,
  failing: number[],
) {
  const hasLags = await anyTargetLag(sql)
  if (failing.length === 0 && (everySeconds === null || !hasLags))
    return { hasLags, due: () => [], short: [], suspended: [] }
  const { now, views } = await readLagViews(sql, hasLags ? null : failing)
  const dependencies = hasLags ? await readDependencies(sql) : new Map<string, string[]>()
  const look = everySeconds === null ? null : { now, everyMs: everySeconds * 1000, concurrency }
  return {
    hasLags,
    due: () => (look === null ? [] : dueViews(views, dependencies, look)),
    short: look === null ? [] : shortLags(views, dependencies, look),
    suspended: suspendedViews(views, dependencies),
  }
}

/** What keeps views from being refreshed in time, by their names. */
export interface Hindrances {
  /** The shortest target lags that can be kept, in milliseconds, if those of the views cannot. */
  works: Map<string, number>
  suspended: Map<string, Suspended>
}

/**
 * What keeps these views from being refreshed in time. A login that may not read the batches is told nothing.
 */
export async function readHindrances(
  sql: Sql,
  of: { id: number | null; targetLagSeconds: number | null; failing: boolean }[],
  looks: Looks = { everySeconds: null },
): Promise<Hindrances> {
  const none: Hindrances = { works: new Map(), suspended: new Map() }
  if (!of.some(({ targetLagSeconds, failing }) => targetLagSeconds !== null || failing)) return none
  try {
    const failing = of.flatMap(({ id, failing }) => (failing && id !== null ? [id] : []))
    const { short, suspended } = await readLook(sql, looks, failing)
    return {
      works: new Map(short.map(({ view, worksMs }) => [view, worksMs])),
      suspended: new Map(suspended.map((each) => [each.view, each])),
    }
  } catch (error) {
    if (sqlstateOf(error) === '42501') return none
    throw error
  }
}
