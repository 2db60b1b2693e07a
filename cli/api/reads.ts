import type { BatchDetails, Run, View, ViewDetails, ViewList } from '../../src/edge/http/schemas/answers.ts'
import type { Api } from './api.ts'

/** Every view of the catalog, and what is paused. */
export async function readViews(api: Api): Promise<Omit<ViewList, 'next'>> {
  const views: View[] = []
  for (let cursor: string | undefined; ; ) {
    const { body } = await api.send<ViewList>('GET', '/views', { query: { cursor } })
    views.push(...body.views)
    if (body.next === null) return { views, paused: body.paused }
    cursor = body.next
  }
}

export const readView = async (api: Api, view: string): Promise<ViewDetails> =>
  (await api.send<ViewDetails>('GET', viewPath(view))).body

export const readRun = async (api: Api, id: number): Promise<Run> =>
  (await api.send<Run>('GET', `/runs/${id}`)).body

/** A batch with all its views. */
export async function readBatch(api: Api, id: string): Promise<BatchDetails> {
  const path = `/batches/${encodeURIComponent(id)}`
  const { body } = await api.send<BatchDetails>('GET', path)
  for (let cursor = body.next; cursor !== null; ) {
    const { body: page } = await api.send<BatchDetails>('GET', path, { query: { cursor } })
    body.views.push(...page.views)
    cursor = page.next
  }
  return body
}

/** The path of a view, or of a route below it (`below`: `/refresh`). The client names the view by its id if it must. */
export const viewPath = (view: string, below = ''): string =>
  `/views/${encodeURIComponent(view.trim())}${below}`
