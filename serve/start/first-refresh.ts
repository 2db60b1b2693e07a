import { setTimeout as pause } from 'node:timers/promises'
import { getBatch } from '../../src/batch/read.ts'
import { startBatch } from '../../src/batch/start.ts'
import type { Run } from '../../src/run/db/runs.ts'
import { getRun } from '../../src/run/read.ts'
import type { Database } from '../../src/server/database.ts'
import { displayName } from '../../src/sql/names.ts'
import { count, dim, person, report } from '../../src/terminal/report.ts'
import { type ListedView, listViews } from '../../src/watch/read.ts'

const pauseMs = 50

/**
 * Refreshes the views of these names (with schema) that have no data yet, in one batch, and prints each result as it comes. If a
 * view fails, the others are refreshed all the same.
 */
export async function refreshFirst(
  database: Database,
  names: string[],
  advance: (batchId: string) => unknown,
): Promise<void> {
  const { views } = await listViews(database)
  const empty = views.filter((view) => names.includes(displayName(view)) && !view.populated)
  if (views.length === 0) return
  report.line()
  if (empty.length === 0) {
    report.line(
      `${count(views.length, 'view')}, not refreshed now: each waits for its schedule or for your request`,
    )
    return
  }
  report.line(
    `filling ${count(empty.length, 'view')} in dependency order: regular, because nobody can read a view without data yet`,
  )
  const by = { trigger: 'http', requestedBy: person(), caller: person(), idempotencyKey: null } as const
  // Without retries: nobody at a terminal waits five minutes for the second try of a view that failed.
  const request = { views: empty.map(({ view }) => view), retries: 0 }
  const { batchId } = await startBatch(request, { ...by, database })
  advance(batchId)
  const byName = new Map(empty.map((view) => [view.view, view]))
  const width = Math.max(...empty.map((view) => shown(view).length))
  let fresh = 0
  for await (const { view, runId } of endsOf(database, batchId)) {
    if (describe(byName.get(view)!, runId, await getRun(database, runId), width)) fresh++
  }
  report.line(`${fresh} of ${empty.length} fresh`)
}

/**
 * The latest run of each view of a batch, in the order in which they end. A failed view may be tried again,
 * so it ends only with its batch.
 */
async function* endsOf(database: Database, batchId: string): AsyncGenerator<{ view: string; runId: number }> {
  const shown = new Set<string>()
  for (;;) {
    const batch = await getBatch(database, batchId)
    const ended = batch.views
      .flatMap(({ view, status, runs }) => ({ view, status, last: runs.at(-1) }))
      .filter(
        ({ view, status, last }) =>
          last?.finishedAt && !shown.has(view) && (status === 'success' || batch.finishedAt),
      )
      .sort((a, b) => a.last!.finishedAt!.getTime() - b.last!.finishedAt!.getTime())
    for (const { view, last } of ended) {
      shown.add(view)
      yield { view, runId: last!.runId }
    }
    if (batch.finishedAt) return
    await pause(pauseMs)
  }
}

/** The name of a view without schema `public`. */
const shown = ({ schema, name, view }: ListedView): string => (schema === 'public' ? name : view)

/** Prints how a refresh ended; true if it succeeded. */
function describe(view: ListedView, runId: number, run: Run, width: number): boolean {
  const name = shown(view).padEnd(width)
  if (run.status !== 'success') {
    report.failure(
      `${name}  ${run.error?.message ?? run.meta.response.because ?? run.status}  ${dim(`run ${runId}`)}`,
    )
    return false
  }
  const time = `${((run.durationMs ?? 0) / 1000).toFixed(2)} s`
  const rows = run.rowCountAfter === null ? '' : count(run.rowCountAfter, 'row')
  const after = view.dependsOn.map((other) => other.replace(/^public\./, '')).join(', ')
  const result = `${name}  ${(run.meta.response.strategy ?? '').padEnd('concurrent'.length)}  ${time}  ${rows.padStart(11)}`
  report.success(after ? `${result}   ${dim(`after ${after}`)}` : result)
  return true
}
