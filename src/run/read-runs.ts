import { findDefinitionId } from '../record/definitions/definitions.ts'
import { readView } from '../record/definitions/look.ts'
import {
  mayCloseRuns,
  type Progress,
  type RunFilter,
  readDefinitionNames,
  readProgress,
  readRuns,
} from '../record/runs/history.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { type RunRow, readRun } from '../record/runs/runs.ts'
import type { Database, Sql } from '../server/database.ts'
import { matchesGlob } from '../words/glob.ts'
import { Problem } from '../words/problem.ts'
import { resultOf, unknown } from './call.ts'
import { insistOnCharacters, resolveName } from './name.ts'

/** As `readRunNow`, over a connection of its own. */
export const getRun = (database: Database, runId: number): Promise<RunNow> =>
  database.withConnection((sql) => readRunNow(sql, runId))

export type RunNow = RunRow & { progress?: Progress }

/** A run as people read it: the record, and the answer of its operation as `result`. The error is told once. */
export type ShownRun = Awaited<ReturnType<typeof shown>>

export async function shown(run: RunNow) {
  const { meta: _meta, result: _result, definitionId: _definition, ...told } = run
  const { error: _error, ...result } = await resultOf(run)
  return { ...told, result }
}

/**
 * One run, with its progress while it is running. A run whose server process is gone is closed first, if the
 * login may do so.
 */
export async function readRunNow(sql: Sql, runId: number): Promise<RunNow> {
  const read = async () => {
    const run = await readRun(sql, runId)
    if (run === undefined) throw unknown('run', runId)
    return run
  }
  const run = await read()
  if (run.finishedAt !== null) return run
  const isLost = (await mayCloseRuns(sql)) && (await closeLostRuns(sql, { runId })).includes(runId)
  if (isLost) return read()
  const progress = await readProgress(sql, run)
  return { ...run, ...(progress === undefined ? {} : { progress }) }
}

/** A page of runs, newest first. `next` is the `before` of the next page, null on the last page. */
export function listRuns(
  database: Database,
  { view, pattern, ...filter }: Omit<RunFilter, 'definitionId' | 'definitionIds'> & OfViews,
): Promise<{ runs: ShownRun[]; next: number | null }> {
  return database.withConnection(async (sql) => {
    if (view !== undefined && pattern !== undefined)
      throw new Problem('InvalidRequest', 'pattern: cannot be combined with view. Send one of them.', {
        field: 'pattern',
      })
    await insistOnCharacters(sql, { pattern })
    const definitionId = view === undefined ? undefined : await findDefinitionIdOf(sql, view)
    if (definitionId === null) return { runs: [], next: null }
    const definitionIds = pattern === undefined ? undefined : await findDefinitionIdsOf(sql, pattern)
    const { rows, next } = await readRuns(sql, { ...filter, definitionId, definitionIds })
    return { runs: await Promise.all(rows.map(shown)), next }
  })
}

/** Whose runs: of one view, by its name or id, or of all views whose `schema.name` matches a glob. */
interface OfViews {
  view?: string | undefined
  pattern?: string | undefined
}

const findDefinitionIdsOf = async (sql: Sql, pattern: string): Promise<number[]> =>
  (await readDefinitionNames(sql)).flatMap(({ id, schema, name }) =>
    matchesGlob(pattern, [schema, name]) ? [id] : [],
  )

/**
 * The id of a view's definition, also if the view is gone: its runs stay readable. Null for a view that has no
 * definition yet.
 */
export async function findDefinitionIdOf(sql: Sql, view: string): Promise<number | null> {
  const name = await resolveName(sql, view)
  const id = await findDefinitionId(sql, name)
  if (id === undefined) await readView(sql, name)
  return id ?? null
}
