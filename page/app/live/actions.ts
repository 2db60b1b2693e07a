import type { Result, Run, StartedBatch, View } from '../../../src/edge/http/schemas/answers.ts'
import { duration, rows } from '../../../src/plan/words.ts'
import { hashOf } from '../address/address.ts'
import { asProblem, get, post } from '../api/client.ts'
import { viewPath } from '../api/paths.ts'
import { isOpen } from '../words/sign.ts'
import { tab } from './browser.ts'
import { notify } from './notices.ts'
import { startPoll } from './poll.ts'
import { lookNow } from './use-live.ts'

// What the buttons do. Each tells by a notice what came of it, and everything on the screen is looked at again.

type Named = Pick<View, 'view' | 'id'>

export const refreshView = (view: Named, options: { strategy?: string; force?: true } = {}): Promise<void> =>
  act(async () => {
    const { runId, status } = await post<Result>(`${viewPath(view)}/refresh`, options)
    if (status !== 'running') return tellEnd(await get<Run>(`/runs/${runId}`))
    notify({ tone: 'busy', text: `${view.view}: run ${runId} has started`, link: toRun(runId) })
    followRun(runId)
  })

export const pauseView = (view: Named): Promise<void> =>
  act(async () => {
    await post(`${viewPath(view)}/pause`)
    notify({
      tone: 'good',
      text: `${view.view} is paused: schedules and batches skip it, unless readers of another view would have to wait`,
    })
  })

export const resumeView = (view: Named): Promise<void> =>
  act(async () => {
    await post(`${viewPath(view)}/resume`)
    notify({ tone: 'good', text: `${view.view} is refreshed again` })
  })

export const pauseAll = (): Promise<void> =>
  act(async () => {
    await post('/pause')
    notify({ tone: 'good', text: 'Everything scheduled is paused' })
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
    notify({ tone: 'busy', text: `Batch ${batchId} has started` })
    location.hash = hashOf('batch', batchId)
  })

export const cancelRun = (runId: number): Promise<void> =>
  act(async () => {
    const { status } = await post<Result>(`/runs/${runId}/cancel`)
    if (status === 'running') notify({ tone: 'busy', text: `Run ${runId} is asked to stop` })
    else tellEnd(await get<Run>(`/runs/${runId}`))
  })

export const cancelBatch = (batchId: string): Promise<void> =>
  act(async () => {
    await post(`/batches/${batchId}/cancel`)
    notify({ tone: 'good', text: `Batch ${batchId} is canceled` })
  })

async function act(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (thrown) {
    const { title, message, runbook, runId, runningRunId, openBatchId } = asProblem(thrown)
    const run = runningRunId ?? runId
    const link = openBatchId
      ? { href: hashOf('batch', openBatchId), text: `batch ${openBatchId}` }
      : run
        ? toRun(run)
        : undefined
    notify({
      tone: 'bad',
      text: `${title}. ${message}`,
      more: runbook && `docs/runbook.md, section ${runbook}`,
      link,
    })
  } finally {
    lookNow()
  }
}

const toRun = (runId: number) => ({ href: hashOf('run', runId), text: `run ${runId}` })

/** Looks at a run until it has ended, and tells how. */
function followRun(runId: number) {
  const poll = startPoll(async (signal) => {
    const run = await get<Run>(`/runs/${runId}`, signal)
    // A later look tells the end.
    if (signal.aborted) return 0
    if (isOpen(run.status)) return 1500
    poll.stop()
    tellEnd(run)
    lookNow()
    return 0
  }, tab)
}

function tellEnd({ id, view, status, durationMs, rowCountAfter, error, result }: Run) {
  const counted = rowCountAfter === null ? '' : `, ${rows(rowCountAfter)}`
  if (status === 'success')
    return notify({
      tone: 'good',
      text: `${view}: done after ${duration(durationMs ?? 0)}${counted}`,
      link: toRun(id),
    })
  const why = error?.message ?? result.response.because
  const more = error ? `docs/runbook.md, section ${error.class}` : undefined
  notify({
    tone: status === 'failed' ? 'bad' : 'good',
    text: `${view}: ${status}. ${why ?? ''}`,
    more,
    link: toRun(id),
  })
}
