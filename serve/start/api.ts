import type { BatchDetails, Run, StartedBatch, View, ViewList } from '../../src/api/answers.ts'

/** Every view of the database. */
export async function listViews(api: string): Promise<View[]> {
  return (await call<ViewList>(`${api}/views`)).views
}

/** Starts a batch of these views, and returns its id. */
export async function startBatch(api: string, views: string[]): Promise<string> {
  const { batchId } = await call<StartedBatch>(`${api}/batches`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    // Without retries: nobody at a terminal waits five minutes for the second try of a view that failed.
    body: JSON.stringify({ views, retries: 0 }),
  })
  return batchId
}

export const readBatch = (api: string, id: string): Promise<BatchDetails> => call(`${api}/batches/${id}`)

export const readRun = (api: string, id: number): Promise<Run> => call(`${api}/runs/${id}`)

async function call<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init)
  const body = (await response.json()) as T & { code?: string; detail?: string }
  if (!response.ok) throw new Error(`${url}: ${response.status} ${body.detail ?? body.code}`)
  return body
}
