import { count, dim, report } from '../cli/report.ts'
import { inDependencyOrder } from '../src/plan/graph.ts'
import { listViews, type RefreshAnswer, refreshView, type View } from './api.ts'

/**
 * Refreshes those of the views named that have no data yet, each after the views it reads, through the gateway, and
 * prints how each went. A view that fails does not keep the others from being tried.
 */
export async function refreshFirst(api: string, names: string[]): Promise<void> {
  const views = await listViews(api)
  const empty = views.filter(
    (view) => view.schema === 'public' && names.includes(view.name) && !view.populated,
  )
  if (empty.length === 0) {
    report.line(`${count(views.length, 'view')}, left alone: nothing is refreshed until asked`)
    return
  }
  report.line(`refreshing ${count(empty.length, 'view')} in dependency order`)
  const widths = { name: Math.max(...empty.map(({ name }) => name.length)), strategy: 'concurrent'.length }
  const byName = new Map(empty.map((view) => [view.view, view]))
  let fresh = 0
  for (const name of inDependencyOrder(new Map(empty.map((view) => [view.view, view.dependsOn])))) {
    const view = byName.get(name)!
    if (describe(view, await refreshView(api, view.view), widths)) fresh++
  }
  report.line(`${fresh} of ${empty.length} fresh`)
}

/** Prints how a refresh ended; true where it brought the view up to date. */
function describe(view: View, answer: RefreshAnswer, widths: { name: number; strategy: number }): boolean {
  const name = view.name.padEnd(widths.name)
  if (answer.status !== 'updated' || !answer.response) {
    const why = answer.detail ?? answer.error?.message ?? `${answer.status}`
    report.failure(`${name}  ${why}  ${dim(`run ${answer.runId}`)}`)
    return false
  }
  const { strategy, rowCountAfter, durationMs } = answer.response
  const time = `${((durationMs ?? 0) / 1000).toFixed(2)} s`
  const rows = rowCountAfter === null ? '' : count(rowCountAfter, 'row')
  const after = view.dependsOn.map((other) => other.replace(/^public\./, '')).join(', ')
  const said = `${name}  ${strategy.padEnd(widths.strategy)}  ${time}  ${rows.padStart(11)}`
  report.success(after ? `${said}   ${dim(`after ${after}`)}` : said)
  return true
}
