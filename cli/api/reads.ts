import type {
  BatchDetails,
  MetricsList,
  Run,
  RunList,
  View,
  ViewDetails,
  ViewList,
} from '../../src/edge/http/schemas/answers.ts'
import { reached } from '../../src/sql/walks.ts'
import type { Api, SendOptions } from './api.ts'

/** The pages of a list, of which each names the next. */
async function readPages<Page extends { next: string | null }>(
  api: Pick<Api, 'send'>,
  path: string,
  query: SendOptions['query'] = {},
): Promise<[Page, ...Page[]]> {
  const pages: Page[] = []
  for (let cursor: string | undefined; ; ) {
    const { body } = await api.send<Page>('GET', path, { query: { ...query, cursor } })
    pages.push(body)
    if (body.next === null) return pages as [Page, ...Page[]]
    cursor = body.next
  }
}

/** Every view of the catalog, and what is paused. */
export async function readViews(api: Pick<Api, 'send'>): Promise<Omit<ViewList, 'next'>> {
  const pages = await readPages<ViewList>(api, '/views')
  return { views: pages.flatMap(({ views }) => views), paused: pages[0].paused, replicas: pages[0].replicas }
}

/** The metrics of one view, or of all. */
export const readMetrics = async (
  api: Api,
  query: { view?: string | undefined; window: string },
): Promise<MetricsList['metrics']> =>
  (await readPages<MetricsList>(api, '/metrics', query)).flatMap(({ metrics }) => metrics)

export const readView = async (api: Api, view: string): Promise<ViewDetails> =>
  (await api.send<ViewDetails>('GET', viewPath(view))).body

/** The last successful refreshes of a view, newest first. */
export const readRefreshes = async (api: Api, view: string): Promise<Run[]> =>
  (
    await api.send<RunList>('GET', '/runs', {
      query: { view, operation: 'refresh', status: 'success', limit: 60 },
    })
  ).body.runs

export const readRun = async (api: Api, id: number): Promise<Run> =>
  (await api.send<Run>('GET', `/runs/${id}`)).body

/** A batch with all its views. */
export async function readBatch(api: Api, id: string): Promise<BatchDetails> {
  const pages = await readPages<BatchDetails>(api, `/batches/${encodeURIComponent(id)}`)
  return { ...pages[0], views: pages.flatMap(({ views }) => views) }
}

/** The path of a view, or of a route below it (`below`: `/refresh`). The client names the view by its id if it must. */
export const viewPath = (view: string, below = ''): string =>
  `/views/${encodeURIComponent(view.trim())}${below}`

/** All that read a view, directly or through other views, the nearest first. */
export function readersOf(view: string, views: Pick<View, 'view' | 'neededBy'>[]): string[] {
  const neededBy = new Map(views.map((each) => [each.view, each.neededBy]))
  return [...reached([view], (each) => neededBy.get(each) ?? [])].slice(1)
}
