/** The fields of the HTTP API's answers that the demo reads. */
export interface View {
  view: string
  schema: string
  name: string
  populated: boolean
  dependsOn: string[]
  lastRun: { id: number } | null
}

export interface Run {
  status: string
  durationMs: number | null
  rowCountAfter: number | null
  error: { message: string } | null
  result: { response: { strategy?: string; because?: string } }
}

export interface Batch {
  status: string
  finishedAt: string | null
  views: { view: string; status: string; runs: { runId: number; finishedAt: string | null }[] }[]
}

/** Every view of the database. */
export async function listViews(api: string): Promise<View[]> {
  return (await call<{ views: View[] }>(`${api}/views`)).views
}

/** Starts a batch of these views, and returns its id. */
export async function startBatch(api: string, views: string[]): Promise<string> {
  const { batchId } = await call<{ batchId: string }>(`${api}/batches`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    // Without retries: nobody at a terminal waits five minutes for the second try of a view that failed.
    body: JSON.stringify({ views, retries: 0 }),
  })
  return batchId
}

export const readBatch = (api: string, id: string): Promise<Batch> => call(`${api}/batches/${id}`)

export const readRun = (api: string, id: number): Promise<Run> => call(`${api}/runs/${id}`)

async function call<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init)
  const body = (await response.json()) as T & { code?: string; detail?: string }
  if (!response.ok) throw new Error(`${url}: ${response.status} ${body.detail ?? body.code}`)
  return body
}
