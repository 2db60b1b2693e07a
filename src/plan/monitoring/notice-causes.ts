import { command } from '../commands.ts'
import { runbookOf } from '../runbook.ts'
import { type Cause as Diagnosis, wordsOf } from '../views/cause.ts'
import { dependents, viewsAbove } from '../views/graph.ts'
import { ownCauses, runCause } from '../views/own-causes.ts'
import type { Standing, Surroundings } from '../views/standing.ts'
import { whyOf } from '../views/why.ts'
import { duration } from '../words.ts'
import { type Cause, utc } from './notice.ts'
import type { EndedBatch, FailedRun, NoticeFacts, SlowRun, ToldTrouble } from './notice-facts.ts'

/** Finds the causes of news: those that `viewkeeper why` tells, each with what a notice groups and types. */
export interface Causes {
  /** Why a view is in trouble: the cause may be a view that it reads, directly or through others. */
  ofTrouble(trouble: Pick<ToldTrouble, 'name' | 'trouble'>): Cause
  ofFailure(run: FailedRun): Cause
  ofBatch(batch: EndedBatch): Cause
  ofSlow(run: SlowRun): Cause
}

export function findCauses(facts: NoticeFacts, environment: string): Causes {
  const { now, views, reads, pause } = facts
  const around: Surroundings = { now, clock: utc, environment, allPaused: pause }
  const readers = dependents(reads)
  const type = (...words: string[]) => command(words, environment)

  /** The views that read a view, directly or through others, and have no success since `at`. */
  const behind = (view: string, at: Date): string[] =>
    viewsAbove(view, readers)
      .filter((each) => !isFreshSince(views.get(each), at))
      .sort()

  const known = new Map<Standing, Cause>()
  function ofView(view: Standing): Cause {
    const found = known.get(view) ?? findCause(view)
    known.set(view, found)
    return found
  }

  function findCause(view: Standing): Cause {
    const above = viewsAbove(view.view, reads).flatMap((each) => views.get(each) ?? [])
    const [first] = whyOf(view, above, (each) => reads.get(each) ?? [], around)
    if (first === undefined) return cause('NotScheduled', [], '', {})
    const fault = views.get(first.view ?? '')
    // What is paused as a whole is no cause of a view above.
    const own =
      fault && ownCauses(fault, { ...around, allPaused: null }).find(({ code }) => code === first.upstream)
    return fault && own ? told(own, fault) : told(first, view)
  }

  /** A cause of `viewkeeper why`, as a notice tells it. */
  function told(
    diagnosis: Diagnosis,
    view: Pick<Standing, 'view'> & Partial<Standing>,
    failed?: FailedRun,
  ): Cause {
    const { code, text, next, runId = null, batchId = null } = diagnosis
    const run = failed ?? view.runs?.find(({ id }) => id === runId)
    const isOfBatch = code === 'Canceled' && run !== undefined && 'batchCanceled' in run && run.batchCanceled
    const fault = wordsOf(code).brief === undefined || isOfBatch ? null : view.view
    const error = ['Failed', 'Lost', 'Locked'].includes(code) ? (run?.error ?? null) : null
    const success = view.lastSuccessAt ?? null
    const at = run?.finishedAt ?? (code === 'AllPaused' ? (pause?.since ?? null) : null)
    const ended = run?.finishedAt ?? null
    const mendedAt = ended !== null && success !== null && success > ended ? success : null
    const refresh = type('refresh', view.view)
    const isRunAtFault = fault !== null && run !== undefined
    const again =
      run === undefined || run.operation === 'refresh'
        ? type('refresh', '--select', `${view.view}+`)
        : type(run.operation, view.view)
    return cause(code, [fault ?? (isOfBatch ? batchId : null), error?.class, error?.sqlstate], text, {
      view: fault,
      error,
      runId,
      batchId,
      at,
      lastSuccessAt: mendedAt === null && error !== null ? success : null,
      mendedAt,
      nextTryAt:
        mendedAt === null
          ? (view.runs?.find(({ finishedAt }) => finishedAt === null)?.notBefore ?? null)
          : null,
      behind: fault === null || mendedAt !== null ? [] : behind(fault, at ?? success ?? now),
      look: fault === null ? (isOfBatch ? [type('batch', batchId ?? '')] : []) : [type('why', fault)],
      next: next === refresh || mendedAt !== null ? null : next,
      mend: mendedAt === null && (isRunAtFault || (next === refresh && fault !== null)) ? again : null,
      ...(error === null ? {} : { runbook: runbookOf(error.class) }),
    })
  }

  return {
    ofTrouble({ name, trouble }) {
      const view = views.get(name)
      if (trouble === 'aside' || view === undefined)
        return cause(trouble === 'aside' ? 'SetAside' : 'NotScheduled', [], '', {
          look: trouble === 'aside' ? [command(['put-back', '--dry-run'], null)] : [],
          next: trouble === 'aside' ? command(['put-back'], null) : null,
        })
      return ofView(view)
    },
    ofFailure(run) {
      const view = views.get(run.view)
      if (view !== undefined && run.error?.class === 'NotExchanged' && !isFreshSince(view, run.finishedAt))
        return ofView(view)
      const own = view && ownCauses(view, around).find(({ runId }) => runId === run.id)
      const bare = { view: run.view, lastSuccessAt: null, populated: false }
      return told(
        own ?? runCause(view ?? bare, { ...run, because: null, batchCanceled: false }, around),
        view ?? bare,
        run,
      )
    },
    ofBatch: ({ id, status, error, finishedAt }) =>
      cause(
        error.class === 'BatchLost' ? 'Lost' : status === 'canceled' ? 'Canceled' : 'Failed',
        [id],
        `Batch ${id} ${status === 'canceled' ? 'was canceled' : 'failed'} at ${utc(finishedAt)}: ${error.message.replace(/\.?$/, '.')}`,
        {
          error,
          batchId: id,
          at: finishedAt,
          look: [type('batch', id)],
          mend: type('refresh', '--all'),
          runbook: runbookOf(error.class === 'BatchLost' ? 'BatchLost' : 'failed-batches'),
        },
      ),
    ofSlow: ({ id, view, durationMs, usualMs, finishedAt }) =>
      cause('Slow', [view], `${view} took ${duration(durationMs)}; it usually takes ${duration(usualMs)}.`, {
        view,
        runId: id,
        at: finishedAt,
        look: [type('run', String(id)), type('metrics', view)],
      }),
  }
}

/** A cause of which nothing is known but what is given. */
const cause = (
  code: Cause['code'],
  key: (string | null | undefined)[],
  text: string,
  more: Partial<Cause>,
): Cause => ({
  code,
  key: [code, ...key].filter(Boolean).join(' '),
  view: null,
  text: text === '' ? (wordsOf(code).several ?? '') : text,
  error: null,
  runId: null,
  batchId: null,
  at: null,
  lastSuccessAt: null,
  mendedAt: null,
  nextTryAt: null,
  views: [],
  behind: [],
  look: [],
  next: null,
  mend: null,
  runbook: runbookOf(wordsOf(code).section),
  ...more,
})

const isFreshSince = (view: Standing | undefined, at: Date): boolean =>
  view?.lastSuccessAt != null && view.lastSuccessAt > at
