/** What the answers of the HTTP API hold that is used here. */
export interface View {
  view: string
  schema: string
  name: string
  populated: boolean
  dependsOn: string[]
  lastRun: { id: number } | null
}

export interface RefreshAnswer {
  runId?: number
  status: string | number
  detail?: string
  response?: { strategy: string; rowCountAfter: number | null; durationMs: number | null }
  error?: { class: string; message: string }
}

/** Every view of the database. */
export async function listViews(api: string): Promise<View[]> {
  return (await call<{ views: View[] }>(`${api}/views`)).views
}

/** Refreshes a view and waits for the end of the run, as long as it takes. A failed run is an answer with `error` or `detail`. */
export async function refreshView(api: string, view: string): Promise<RefreshAnswer> {
  let answer = await call<RefreshAnswer>(`${api}/views/${encodeURIComponent(view)}/refresh`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=20' },
    body: JSON.stringify({ rowCountStrategy: 'exact' }),
  })
  while (answer.status === 'running') {
    await new Promise((resolve) => setTimeout(resolve, 500))
    answer = (await call<{ result: RefreshAnswer }>(`${api}/runs/${answer.runId}`)).result
  }
  return answer
}

async function call<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init)
  const body = (await response.json()) as T & { runId?: number; code?: string; detail?: string }
  // A run that failed is a problem too, and one to show; any other problem ends the start.
  if (!response.ok && body.runId === undefined)
    throw new Error(`${url}: ${response.status} ${body.detail ?? body.code}`)
  return body
}
