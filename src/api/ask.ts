import type * as z from 'zod/mini'
import { reached } from '../sql/walks.ts'
import type { BatchDetails, DayList, MetricsList, Run, View, ViewDetails, ViewList } from './answers.ts'
import type { Route } from './route.ts'
import { type Answer, type RouteName, type Routes, routes } from './routes.ts'

export interface SendOptions {
  query?: Record<string, string | number | undefined>
  body?: object
  wait?: number
  idempotencyKey?: string
}

/** The routes, wherever they are answered: over HTTP, or in this process. */
export interface Api {
  /**
   * Sends a request, and gives the body of an answer 2xx. `path` is encoded already and has no query. `wait` is in
   * seconds (`Prefer: wait`). Any other answer is thrown as a {@link Problem} with its code, its detail and its ids.
   */
  send<Body>(
    method: 'GET' | 'POST',
    path: string,
    options?: SendOptions,
  ): Promise<{ status: number; body: Body }>
}

/** A path with these parameters; those that are undefined are left out. */
export function withQuery(path: string, query: SendOptions['query'] = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  )
  const search = new URLSearchParams(given).toString()
  return search === '' ? path : `${path}?${search}`
}

/** What a route takes in its path, its query and its body. */
type Asks<Name extends RouteName> =
  Routes[Name] extends Route<infer _Method, infer Path, infer Query, infer Body, infer _Gives>
    ? (Path extends z.ZodMiniObject ? Record<keyof Path['shape'], string | number> : unknown) &
        (Query extends z.ZodMiniObject
          ? { query?: Partial<Record<keyof Query['shape'], string | number | undefined>> }
          : unknown) &
        (Body extends z.ZodMiniObject ? { body?: z.input<Body> } : unknown)
    : never

/**
 * Asks a route, and gives what it answers with a status of 2xx. What it takes and answers is what its declaration says. Throws as
 * `send` does.
 */
export async function ask<Name extends RouteName>(
  api: Api,
  name: Name,
  asked: Asks<Name> & Pick<SendOptions, 'wait' | 'idempotencyKey'>,
): Promise<Answer<Name>> {
  const { view, id, ...options } = asked as SendOptions & { view?: string | number; id?: string | number }
  const { method, path } = routes[name]
  const whole = path.replace(/\{\w+\}/, encodeURIComponent(String(view ?? id).trim()))
  return (await api.send<Answer<Name>>(method, whole, options)).body
}

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
