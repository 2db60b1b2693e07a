import { reached } from '../sql/walks.ts'
import type { BatchDetails, DayList, MetricsList, Run, View, ViewDetails, ViewList } from './answers.ts'
import { type Api, ask } from './ask.ts'

/** The pages of a list, of which each names the next. */
async function readPages<Page extends { next: string | null }>(
  readPage: (cursor: string | undefined) => Promise<Page>,
): Promise<[Page, ...Page[]]> {
  const first = await readPage(undefined)
  const pages: [Page, ...Page[]] = [first]
  for (let { next } = first; next !== null; { next } = pages.at(-1)!) pages.push(await readPage(next))
  return pages
}

/** Every view of the catalog, and what is true of all. */
export async function readViews(api: Api): Promise<Omit<ViewList, 'next'>> {
  const pages = await readPages((cursor) => ask(api, 'listViews', { query: { cursor } }))
  const { next: _, ...first } = pages[0]
  return { ...first, views: pages.flatMap(({ views }) => views) }
}

/** The metrics of one view, or of all. */
export const readMetrics = async (
  api: Api,
  query: { view?: string | undefined; window: string },
): Promise<MetricsList['metrics']> =>
  (await readPages((cursor) => ask(api, 'getMetrics', { query: { ...query, cursor } }))).flatMap(
    ({ metrics }) => metrics,
  )

/** How the runs of the last days ended, for each view. */
export const readDays = async (api: Api, days: number): Promise<DayList['views']> =>
  (await readPages((cursor) => ask(api, 'listDays', { query: { days, cursor } }))).flatMap(
    ({ views }) => views,
  )

export const readView = (api: Api, view: string): Promise<ViewDetails> => ask(api, 'getView', { view })

/** The last successful refreshes of a view, newest first. */
export const readRefreshes = async (api: Api, view: string): Promise<Run[]> =>
  (await ask(api, 'listRuns', { query: { view, operation: 'refresh', status: 'success', limit: 60 } })).runs

export const readRun = (api: Api, id: number | string): Promise<Run> => ask(api, 'getRun', { id })

/** A batch with all its views. */
export async function readBatch(api: Api, id: string): Promise<BatchDetails> {
  const pages = await readPages((cursor) => ask(api, 'getBatch', { id, query: { cursor } }))
  return { ...pages[0], views: pages.flatMap(({ views }) => views) }
}

/** All that read a view, directly or through other views, the nearest first. */
export function readersOf(view: string, views: Pick<View, 'view' | 'neededBy'>[]): string[] {
  const neededBy = new Map(views.map((each) => [each.view, each.neededBy]))
  return [...reached([view], (each) => neededBy.get(each) ?? [])].slice(1)
}
