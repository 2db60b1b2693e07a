import type { Result, Run, StartedBatch, View } from '../../../src/api/answers.ts'
import { isOpen } from '../../../src/resources/sign.ts'
import { allPausedMeans, pausedMeans } from '../../../src/resources/views.ts'
import { runbookOf } from '../../../src/sql/runbook.ts'
import { duration, rows } from '../../../src/sql/words.ts'
import { hashOf } from '../address/address.ts'
import { asProblem, get, post } from '../api/client.ts'
import { viewPath } from '../api/paths.ts'
import { notify } from './notices.ts'
import { startPoll } from './poll.ts'
import { lookNow, tab } from './use-live.ts'
import { loadViews } from './views.ts'

// What the buttons do. Each tells by a notice what came of it, and everything on the screen is looked at again.

type Named = Pick<View, 'view' | 'id'>

export const refreshView = (view: Named, options: { strategy?: string; force?: true } = {}): Promise<void> =>
  act(async () => {
    const result = await post<Result>(`${viewPath(view)}/refresh`, options)
    await tellRun(result, `${view.view}: run ${result.runId} has started`)
  })

export const pauseView = (view: Named): Promise<void> =>
  act(async () => {
    await post(`${viewPath(view)}/pause`)
    notify({ tone: 'good', text: `${view.view} is paused: ${pausedMeans}` })
  })

export const resumeView = (view: Named): Promise<void> =>
  act(async () => {
    await post(`${viewPath(view)}/resume`)
    notify({ tone: 'good', text: `${view.view} is refreshed again` })
  })

export const pauseAll = (): Promise<void> =>
  act(async () => {
    await post('/pause')
    notify({ tone: 'good', text: `Everything scheduled is paused: ${allPausedMeans}` })
  })

export const resumeAll = (): Promise<void> =>
  act(async () => {
    await post('/resume')
    notify({ tone: 'good', text: 'Schedules refresh the views again' })
  })

/** Starts a batch and goes to it. */
export const startBatch = (request: object): Promise<void> =>
  act(async () => {
    const { batchId } = await post<StartedBatch>('/batches', request)
    notify({ tone: 'busy', about: aboutBatch(batchId), text: `Batch ${batchId} has started` })
    location.hash = hashOf('batch', batchId)
  })

/** Does again what a run was to do, in the same way, and goes to the new run. */
export const retryRun = ({ view, operation, result: { request } }: Run): Promise<void> =>
  act(async () => {
    const { view: _view, ...options } = request
    const retried = await post<Result>(`${await pathOf(view)}/${operation}`, options)
    location.hash = hashOf('run', retried.runId)
    await tellRun(retried)
  })

/** A run knows the name of its view alone; some names go by id. */
async function pathOf(view: string): Promise<string> {
  const path = viewPath({ view })
  if (!path.includes('%')) return path
  const { views } = await loadViews()
  return viewPath(views.find((each) => each.view === view) ?? { view })
}

export const cancelRun = (runId: number): Promise<void> =>
  act(async () => {
    await tellRun(await post<Result>(`/runs/${runId}/cancel`), `Run ${runId} is asked to stop`)
  })

export const cancelBatch = (batchId: string): Promise<void> =>
  act(async () => {
    await post(`/batches/${batchId}/cancel`)
    notify({ tone: 'good', about: aboutBatch(batchId), text: `Batch ${batchId} is canceled` })
  })

async function act(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (thrown) {
    const { title, message, runbook, runId, runningRunId, openBatchId } = asProblem(thrown)
    const run = runningRunId ?? runId
    const link = openBatchId
      ? { href: hashOf('batch', openBatchId), text: aboutBatch(openBatchId) }
      : run
        ? toRun(run)
        : undefined
    notify({
      tone: 'bad',
      text: `${title}. ${message}`,
      more: runbook && runbookOf(runbook),
      link,
    })
  } finally {
    lookNow()
  }
}

const aboutRun = (runId: number) => `run ${runId}`
const aboutBatch = (batchId: string) => `batch ${batchId}`

const toRun = (runId: number) => ({ href: hashOf('run', runId), text: aboutRun(runId) })

/** The runs that are looked at until they end. */
const followed = new Set<number>()

/** Tells how a run has ended. If it goes on yet, says `busy`, and tells the end when it comes. */
async function tellRun({ runId, status }: Pick<Result, 'runId' | 'status'>, busy?: string): Promise<void> {
  if (status !== 'running') return tellEnd(await get<Run>(`/runs/${runId}`))
  if (busy) notify({ tone: 'busy', about: aboutRun(runId), text: busy, link: toRun(runId) })
  followRun(runId)
}

/** Looks at a run until it has ended, and tells how. */
function followRun(runId: number) {
  if (followed.has(runId)) return
  followed.add(runId)
  const poll = startPoll(async (signal) => {
    const run = await get<Run>(`/runs/${runId}`, signal)
    // A later look tells the end.
    if (signal.aborted) return 0
    if (isOpen(run.status)) return 1500
    poll.stop()
    followed.delete(runId)
    tellEnd(run)
    lookNow()
    return 0
  }, tab)
}

function tellEnd({ id, view, status, durationMs, rowCountAfter, error, result }: Run) {
  const counted = rowCountAfter === null ? '' : `, ${rows(rowCountAfter)}`
  const said =
    status === 'success'
      ? `done after ${duration(durationMs ?? 0)}${counted}`
      : `${status}. ${error?.message ?? result.response.because ?? ''}`
  notify({
    tone: status === 'failed' ? 'bad' : 'good',
    about: aboutRun(id),
    text: `${view}: ${said}`,
    more: error ? runbookOf(error.class) : undefined,
    link: toRun(id),
  })
}
