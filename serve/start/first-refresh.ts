import { setTimeout as pause } from 'node:timers/promises'
import type { Run, View } from '../../src/api/answers.ts'
import { displayName } from '../../src/sql/names.ts'
import { count, dim, report } from '../../src/terminal/report.ts'
import { listViews, readBatch, readRun, startBatch } from './api.ts'

const pauseMs = 50

/**
 * Refreshes the views of these names (with schema) that have no data yet, in one batch, and prints each result as it comes. If a
 * view fails, the others are refreshed all the same.
 */
export async function refreshFirst(api: string, names: string[]): Promise<void> {
  const views = await listViews(api)
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
  const batchId = await startBatch(
    api,
    empty.map(({ view }) => view),
  )
  const byName = new Map(empty.map((view) => [view.view, view]))
  const width = Math.max(...empty.map((view) => shown(view).length))
  let fresh = 0
  for await (const { view, runId } of endsOf(api, batchId)) {
    if (describe(byName.get(view)!, runId, await readRun(api, runId), width)) fresh++
  }
  report.line(`${fresh} of ${empty.length} fresh`)
}

/**
 * The latest run of each view of a batch, in the order in which they end. A failed view may be tried again,
 * so it ends only with its batch.
 */
async function* endsOf(api: string, batchId: string): AsyncGenerator<{ view: string; runId: number }> {
  const shown = new Set<string>()
  for (;;) {
    const batch = await readBatch(api, batchId)
    const ended = batch.views
      .flatMap(({ view, status, runs }) => ({ view, status, last: runs.at(-1) }))
      .filter(
        ({ view, status, last }) =>
          last?.finishedAt && !shown.has(view) && (status === 'success' || batch.finishedAt),
      )
      .sort((a, b) => a.last!.finishedAt!.localeCompare(b.last!.finishedAt!))
    for (const { view, last } of ended) {
      shown.add(view)
      yield { view, runId: last!.runId }
    }
    if (batch.finishedAt) return
    await pause(pauseMs)
  }
}

/** The name of a view without schema `public`. */
const shown = ({ schema, name, view }: View): string => (schema === 'public' ? name : view)

/** Prints how a refresh ended; true if it succeeded. */
function describe(view: View, runId: number, run: Run, width: number): boolean {
  const name = shown(view).padEnd(width)
  if (run.status !== 'success') {
    report.failure(
      `${name}  ${run.error?.message ?? run.result.response.because ?? run.status}  ${dim(`run ${runId}`)}`,
    )
    return false
  }
  const time = `${((run.durationMs ?? 0) / 1000).toFixed(2)} s`
  const rows = run.rowCountAfter === null ? '' : count(run.rowCountAfter, 'row')
  const after = view.dependsOn.map((other) => other.replace(/^public\./, '')).join(', ')
  const result = `${name}  ${(run.result.response.strategy ?? '').padEnd('concurrent'.length)}  ${time}  ${rows.padStart(11)}`
  report.success(after ? `${result}   ${dim(`after ${after}`)}` : result)
  return true
}
