import type { Strategy } from '../../catalog/plan/definition.ts'
import { dependents } from '../../catalog/plan/graph.ts'
import type { ViewTimes } from '../../catalog/plan/scheduled.ts'
import type { Selectable, Selection } from '../../record/plan/batch.ts'
import { reached } from '../../sql/walks.ts'
import { matchesGlob } from '../../words/glob.ts'
import { didYouMean, parseName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { isScheduled, type Trigger } from '../../words/run.ts'

/** Which views a batch is to refresh: at most one of the first six fields. None of them means all views. */
export interface SelectionRequest {
  all?: boolean | undefined
  /** Names as SQL reads them, or ids. */
  views?: string[] | undefined
  /** A glob on `schema.name`: `sales.*`. */
  pattern?: string | undefined
  /** The views whose definitions have this schedule and time zone, written in the same way. */
  scheduled?: ViewTimes | undefined
  /** The views that the batch with this id did not refresh: they failed, were canceled, or were skipped because of others. */
  retryOf?: string | undefined
  /** The views that fail, or were skipped because another view failed. */
  failed?: boolean | undefined
  /** Also every view that the selected views read, directly or not. */
  ancestors?: boolean | undefined
  /** Also every view that reads the selected views, directly or not. */
  descendants?: boolean | undefined
}

/**
 * Refuses a selection of nothing, or by several fields at once; the problem names the field. Empty lists were
 * refused before.
 */
export function insistOnSelection(request: SelectionRequest): void {
  const { all, views, pattern, scheduled, retryOf } = request
  const failed = request.failed || undefined
  const requested = Object.entries({
    all: all || undefined,
    views,
    pattern,
    scheduled,
    retryOf,
    failed,
  }).filter(([, value]) => value !== undefined)
  if (requested.length > 1) {
    const names = requested.map(([name]) => name)
    throw invalid(
      names[1] as string,
      `cannot be combined with ${names[0]}. Send only one of all, views, pattern, retryOf, failed.`,
    )
  }
  if (all === false && requested.length === 0)
    throw invalid('all', 'false selects nothing. Send views or pattern, or leave out the field "all".')
  if (request.failed === false && requested.length === 0)
    throw invalid('failed', 'false selects nothing. Send views or pattern, or leave out the field "failed".')
}

/** The canonical form of a selection. `named` holds the names in `views` as SQL writes them. */
export function canonicalSelection(request: SelectionRequest, named: string[]): Selection {
  const { pattern, scheduled, ancestors, descendants } = request
  const views = request.views && [...new Set(named)].sort()
  return {
    ...(pattern !== undefined
      ? { pattern }
      : scheduled !== undefined
        ? { scheduled }
        : views !== undefined
          ? { views }
          : { all: true }),
    ...(ancestors ? { ancestors: true } : {}),
    ...(descendants ? { descendants: true } : {}),
  }
}

/**
 * The selected views of `views`; none if there is nothing to select from. `dependencies` says which views each
 * view reads. Refuses names that no view has (UnknownView), and a pattern that fits none of the views, because
 * it is probably misspelled (InvalidRequest). Both problems name the field.
 */
export function selectViews<View extends Selectable>(
  views: View[],
  dependencies: Map<string, string[]>,
  selection: Selection,
): View[] {
  const chosen = new Set(chooseViews(views, selection))
  if ('pattern' in selection && chosen.size === 0 && views.length > 0) {
    throw invalid('pattern', `no view's schema.name matches ${JSON.stringify(selection.pattern)}.`)
  }
  const along = (edges: Map<string, string[]>) => reached(chosen, (each) => edges.get(each) ?? [])
  const above = selection.ancestors ? along(dependencies) : chosen
  const below = selection.descendants ? along(dependents(dependencies)) : chosen
  return views.filter(({ view }) => above.has(view) || below.has(view))
}

function chooseViews(views: Selectable[], selection: Selection): string[] {
  if ('views' in selection) {
    const there = new Set(views.map(({ view }) => view))
    const unknown = selection.views.filter((view) => !there.has(view))
    if (unknown.length === 0) return selection.views
    throw new Problem(
      'UnknownView',
      `views: there is no materialized view ${firstOf(unknown)} in this database.${meantBy(unknown, views)}`,
      { field: 'views' },
    )
  }
  return views.filter(wantedBy(selection)).map(({ view }) => view)
}

function wantedBy(selection: Exclude<Selection, { views: string[] }>): (view: Selectable) => boolean {
  if ('pattern' in selection) return ({ schema, name }) => matchesGlob(selection.pattern, [schema, name])
  if ('scheduled' in selection) {
    const { scheduled } = selection
    return ({ schedule, timeZone }) => schedule === scheduled.schedule && timeZone === scheduled.timeZone
  }
  return ({ inAll }) => inAll
}

/** Asks about the first name only. An id is not similar to anything. */
const meantBy = ([first = '']: string[], views: Selectable[]): string =>
  /^[0-9]+$/.test(first) ? '' : didYouMean(parseName(first), views)

const mostTold = 10

/** A refusal stays short, however many names the request has. */
const firstOf = (names: string[]): string =>
  names.length <= mostTold
    ? names.join(', ')
    : `${names.slice(0, mostTold).join(', ')} (and ${names.length - mostTold} more)`

const invalid = (field: string, why: string): Problem =>
  new Problem('InvalidRequest', `${field}: ${why}`, { field })

/**
 * Whether a batch leaves out what cannot have changed. A request that names views or a strategy wants a refresh of these
 * views. Pure.
 */
export const mayLeaveOut = (batch: {
  selection: Selection
  strategy: Strategy | null
  trigger: Trigger
}): boolean => (isScheduled(batch.trigger) || !('views' in batch.selection)) && batch.strategy === null
