/** What one request was answered. */
export interface Answer {
  asked: 'refresh' | 'view' | 'views' | 'runs'
  /** 0: the connection broke. */
  status: number
  ms: number
  code?: string
  /** Whether a refusal says when to come again. */
  again: boolean
  /** The view that was asked for, and the newest value that was committed when the request was sent. */
  view: string
  newest: number
  runId?: number
}

interface Asking {
  url: string
  views: string[]
  /** The newest value that is committed. */
  newest(): number
}

/** Of ten callers six refresh, two read one view, one reads all views and one the last runs. */
const kinds: Answer['asked'][] = [...Array<'refresh'>(6).fill('refresh'), 'view', 'view', 'views', 'runs']

/** Calls again and again, without a pause and whatever is answered, until `end` (epoch milliseconds). */
export async function callUntil(end: number, caller: number, asking: Asking): Promise<Answer[]> {
  const answers: Answer[] = []
  while (Date.now() < end) answers.push(await ask(asking, caller, answers.length))
  return answers
}

async function ask({ url, views, newest }: Asking, caller: number, turn: number): Promise<Answer> {
  const asked = kinds[caller % kinds.length]!
  const view = views[(caller + turn) % views.length]!
  const sent = { asked, view, newest: newest() }
  const paths = {
    refresh: `/views/${view}/refresh`,
    view: `/views/${view}`,
    views: '/views',
    runs: '/runs?limit=20',
  }
  const start = performance.now()
  try {
    const response = await fetch(`${url}${paths[asked]}`, {
      ...(asked === 'refresh' && { method: 'POST', headers: { prefer: 'wait=20' } }),
    })
    const { code, runId, runningRunId } = (await response.json()) as {
      code?: string
      runId?: number
      runningRunId?: number
    }
    const told = runId ?? runningRunId
    return {
      ...sent,
      status: response.status,
      ms: performance.now() - start,
      again: response.headers.has('retry-after'),
      ...(code !== undefined && { code }),
      ...(told !== undefined && { runId: told }),
    }
  } catch {
    return { ...sent, status: 0, ms: performance.now() - start, again: false }
  }
}
