import { type LiveDetails, readViewDetails } from '../catalog/db/read-live-view.ts'
import { dependents } from '../catalog/plan/graph.ts'
import { timeOfDay } from '../catalog/plan/scheduled.ts'
import { type Schedules, unscheduled } from '../due/schedules.ts'
import { readView, unknownView } from '../record/definitions/look.ts'
import { type QuietWindow, readPauseEnds } from '../record/definitions/pauses.ts'
import type { FailingChannel, ListedIncident, Silence } from '../record/plan/watch.ts'
import { readRuns } from '../record/runs/history.ts'
import type { Pause } from '../record/runs/skip.ts'
import { readFailedRun } from '../record/runs/went-wrong.ts'
import { type Action, type ActionFilter, readActions } from '../record/watch/actions.ts'
import { readOpenIncidents } from '../record/watch/incidents.ts'
import { readFailingChannels, readSilence } from '../record/watch/looks.ts'
import {
  type DaysOfView,
  type MetricsOfView,
  readDays,
  readViewMetrics,
  readViewStatus,
  type ViewStatus,
} from '../record/watch/metrics.ts'
import { resolveName } from '../run/name.ts'
import { findDefinitionIdOf, readRunNow, type ShownRun, shown } from '../run/read-runs.ts'
import type { Database, Sql } from '../server/database.ts'
import type { CommandTarget } from '../words/commands.ts'
import type { QualifiedName } from '../words/names.ts'
import type { Cause, Standing } from './diagnosis/cause.ts'
import { causeOf } from './diagnosis/run-cause.ts'
import { silenceOf } from './plan/silence.ts'
import { readStandings, type Standings } from './standings.ts'

type Unlisted =
  | 'minIntervalSeconds'
  | 'expectedSince'
  | 'pausedSince'
  | 'failure'
  | 'leftOutSince'
  | 'planned'
  | 'scheduled'
  | 'lagWorksMs'
  | 'tooRare'
  | 'suspended'

/** How a view stands, as people read it. */
export interface ListedView extends Omit<Standing, Unlisted> {
  paused: boolean
  /** When its pause ends by itself; null: when somebody ends it. */
  pausedUntil: Date | null
  /** The views that this one reads, directly or through plain views and functions. */
  dependsOn: string[]
  /** The views that read this one. */
  neededBy: string[]
  /** The shortest target lag that can be kept, in seconds, if that of the definition cannot; otherwise null. */
  lagWorksSeconds: number | null
  /** When the batch of every view refreshes it, `02:00 Etc/UTC`; null if it does not. */
  nightly: string | null
  /** What the last look of the monitor found wrong with it; null: nothing. */
  incident: ListedIncident | null
  /** When schedules try the view again that has failed too often in a row; null if it is not suspended. */
  suspendedUntil: Date | null
}

interface DetailedView extends ListedView, LiveDetails {
  /** Why its change log is not used, or that nothing checks it; null: nothing is to be said of it. */
  logNote: string | null
  recentRuns: ShownRun[]
}

const recentRuns = 10

/** Lists every view that the catalog has now, and every authored view that is missing or set aside. */
export function listViews(
  database: Database,
  schedules: Schedules = unscheduled,
  typed: CommandTarget = null,
): Promise<{
  views: ListedView[]
  paused: Pause | null
  quiet: QuietWindow | null
  failing: FailingChannel[]
  silence: Silence
}> {
  return database.withConnection(async (sql) => {
    const standings = await readStandings(sql, schedules, { sizes: true })
    const listed = await listing(sql, standings)
    return {
      views: standings.views.map(listed),
      paused: standings.pause,
      quiet: standings.quiet,
      failing: await readFailingChannels(sql),
      silence: silenceOf(await readSilence(sql), typed),
    }
  })
}

/** One view by name or id: its entry in the list, its query, its indexes and its most recent runs. */
export function getView(
  database: Database,
  view: string,
  schedules: Schedules = unscheduled,
): Promise<DetailedView> {
  return database.withConnection(async (sql) => {
    const name = await resolveName(sql, view)
    const standings = await readStandings(sql, schedules, { sizes: true })
    const found = await insistOnView(sql, standings.views, name)
    const { id } = found
    const details = await readViewDetails(sql, name)
    return {
      ...(await listing(sql, standings))(found),
      ...details,
      logNote: details.logBytes === null ? null : await readNote(sql, name),
      recentRuns: await readRecentRuns(sql, id, recentRuns),
    }
  })
}

/** What proves slices is loaded only for a view that has a change log. */
async function readNote(sql: Sql, name: QualifiedName): Promise<string | null> {
  const { readLogNote } = await import('../slices/slices.ts')
  return readLogNote(sql, await readView(sql, name))
}

/** The most recent runs of a view, newest first; of one without a definition, none. */
export const readRecentRuns = async (sql: Sql, id: number | null, limit: number): Promise<ShownRun[]> =>
  id === null ? [] : Promise.all((await readRuns(sql, { definitionId: id, limit })).rows.map(shown))

/** The view with this name; throws UnknownView, which says what else there is. */
export async function insistOnView(sql: Sql, views: Standing[], name: QualifiedName): Promise<Standing> {
  const found = views.find((view) => view.schema === name.schema && view.name === name.name)
  if (found !== undefined) return found
  await readView(sql, name)
  throw await unknownView(sql, name)
}

/** How views are listed. */
async function listing(
  sql: Sql,
  { dependencies, schedules: { nightly } }: Standings,
): Promise<(view: Standing) => ListedView> {
  const neededBy = dependents(dependencies)
  const ends = await readPauseEnds(sql)
  const incidents = await readOpenIncidents(sql)
  return ({
    minIntervalSeconds: _minInterval,
    expectedSince: _expected,
    failure: _failure,
    leftOutSince: _leftOut,
    planned: _planned,
    scheduled: _scheduled,
    pausedSince,
    lagWorksMs,
    tooRare: _tooRare,
    suspended,
    ...shown
  }) => ({
    ...shown,
    paused: pausedSince !== null,
    pausedUntil: pausedSince === null ? null : (ends.get(shown.id ?? 0) ?? null),
    dependsOn: dependencies.get(shown.view) ?? [],
    neededBy: neededBy.get(shown.view) ?? [],
    lagWorksSeconds: lagWorksMs === null ? null : lagWorksMs / 1000,
    nightly: shown.inAll && nightly !== null ? timeOfDay(nightly) : null,
    suspendedUntil: suspended?.until ?? null,
    incident: incidents.get(shown.view) ?? null,
  })
}

/** A page of who did what, newest first. `next` is the `before` of the next page, null on the last page. */
export const listActions = (
  database: Database,
  { view, ...filter }: Omit<ActionFilter, 'view'> & { view?: string | undefined },
): Promise<{ actions: Action[]; next: number | null }> =>
  database.withConnection(async (sql) => {
    const name = view === undefined ? undefined : await resolveName(sql, view)
    if (view !== undefined) await findDefinitionIdOf(sql, view)
    const { rows: actions, next } = await readActions(sql, { ...filter, view: name })
    return { actions, next }
  })

/** The state of a view, and the metrics of its runs. */
interface MeasuredView extends MetricsOfView, ViewStatus {}

/** The state now, and the metrics of the runs in a time window, of every view or of one. */
export const getMetrics = (
  database: Database,
  { view, windowSeconds }: { view?: string | undefined; windowSeconds: number },
): Promise<MeasuredView[]> =>
  database.withConnection(async (sql) => {
    const id = view === undefined ? null : await findDefinitionIdOf(sql, view)
    if (view !== undefined && id === null) return []
    const metrics = new Map((await readViewMetrics(sql, windowSeconds, id)).map((each) => [each.id, each]))
    return (await readViewStatus(sql, id)).flatMap((status) => {
      const measured = metrics.get(status.id)
      // A view without metrics got its definition between the two queries.
      return measured === undefined ? [] : [{ ...measured, ...status }]
    })
  })

/** How the runs of each view ended on each of the last days, today among them. */
export const getDays = (database: Database, days: number): Promise<DaysOfView[]> =>
  database.withConnection((sql) => readDays(sql, days))

/** One run; if it has failed or was canceled, with the cause, as `why` tells it. */
export const explainRun = (
  database: Database,
  runId: number,
  typed: CommandTarget,
): Promise<ShownRun & { cause?: Cause }> =>
  database.withConnection(async (sql) => {
    const run = await readRunNow(sql, runId)
    const failed = run.error === null ? undefined : await readFailedRun(sql, runId)
    const told = await shown(run)
    return failed === undefined ? told : { ...told, cause: causeOf(failed, typed) }
  })
