import { dependents, viewsAbove } from '../../catalog/plan/graph.ts'
import { command } from '../../sql/commands.ts'
import { duration, utc } from '../../sql/words.ts'
import { type Cause, wordsOf } from '../diagnosis/cause.ts'
import { ownCauses } from '../diagnosis/own-causes.ts'
import { runCause } from '../diagnosis/run-cause.ts'
import type { Examined, RunFacts, Surroundings } from '../diagnosis/standing.ts'
import { whyOf } from '../diagnosis/why.ts'
import type { ToldCause } from './notice.ts'
import type { EndedBatch, NoticeFacts, SlowRun, ToldTrouble } from './notice-facts.ts'

/** Finds the causes of news: those that `viewkeeper why` tells, each with what a notice groups and types. */
export class Causes {
  private readonly facts: NoticeFacts
  private readonly around: Surroundings
  private readonly readers: Map<string, string[]>
  private readonly known = new Map<Examined, ToldCause>()

  constructor(facts: NoticeFacts, environment: string) {
    this.facts = facts
    this.around = { now: facts.now, clock: utc, environment, allPaused: facts.pause }
    this.readers = dependents(facts.reads)
  }

  /** Why a view is in trouble: the cause may be a view that it reads, directly or through others. */
  ofTrouble({ name, trouble }: Pick<ToldTrouble, 'name' | 'trouble'>): ToldCause {
    const view = this.facts.views.get(name)
    if (trouble === 'aside')
      return cause('SetAside', [], '', {
        look: [command(['put-back', '--dry-run'], null)],
        next: command(['put-back'], null),
      })
    if (trouble === 'failing' && view !== undefined) return this.ofFailing(view)
    const code = ({ lag: 'LagTooShort', suspended: 'Suspended', paused: 'Paused' } as const)[
      trouble as string
    ]
    const own = view && ownCauses(view, this.around).find((each) => each.code === code)
    if (view !== undefined && own !== undefined) return this.told(own, view)
    return view === undefined ? cause('NotScheduled', [], '', {}) : this.ofView(view)
  }

  /** Why a view fails: its own failure, also if the view has succeeded since. */
  private ofFailing(view: Examined): ToldCause {
    const run = view.runs.find(({ status }) => status === 'failed')
    const own = ownCauses(view, this.around).find(({ runId }) => runId !== undefined && runId === run?.id)
    if (own === undefined && run === undefined) return this.ofView(view)
    return this.told(own ?? runCause(view, run as RunFacts, this.around), view)
  }

  ofBatch({ id, status, error, finishedAt }: EndedBatch): ToldCause {
    const isLost = error.class === 'BatchLost'
    const ended = status === 'canceled' ? 'was canceled' : 'failed'
    return cause(
      status === 'canceled' ? 'Canceled' : 'Failed',
      [id],
      `Batch ${id} ${ended} at ${utc(finishedAt)}: ${error.message.replace(/\.?$/, '.')}`,
      {
        error,
        batchId: id,
        at: finishedAt,
        look: [this.type('batch', id)],
        mend: this.type('refresh', '--all'),
        runbook: isLost ? 'BatchLost' : 'failed-batches',
      },
    )
  }

  ofSlow({ id, view, durationMs, usualMs, finishedAt }: SlowRun): ToldCause {
    return cause(
      'Slow',
      [view],
      `${view} took ${duration(durationMs)}; it usually takes ${duration(usualMs)}.`,
      {
        view,
        runId: id,
        at: finishedAt,
        look: [this.type('run', String(id)), this.type('metrics', view)],
      },
    )
  }

  private type(...words: string[]): string {
    return command(words, this.around.environment)
  }

  private ofView(view: Examined): ToldCause {
    const found = this.known.get(view) ?? this.findCause(view)
    this.known.set(view, found)
    return found
  }

  private findCause(view: Examined): ToldCause {
    const { views, reads } = this.facts
    const above = viewsAbove(view.view, reads).flatMap((each) => views.get(each) ?? [])
    const [first] = whyOf(view, above, (each) => reads.get(each) ?? [], this.around)
    if (first === undefined) return cause('NotScheduled', [], '', {})
    const fault = views.get(first.view ?? '')
    // What is paused as a whole is no cause of a view above.
    const own =
      fault &&
      ownCauses(fault, { ...this.around, allPaused: null }).find(({ code }) => code === first.upstream)
    return fault && own ? this.told(own, fault) : this.told(first, view)
  }

  /** A cause of `viewkeeper why`, as a notice tells it. */
  private told(diagnosis: Cause, view: Examined): ToldCause {
    const { code, text, next, runId = null, batchId = null } = diagnosis
    const { now, pause } = this.facts
    const run = view.runs.find(({ id }) => id === runId)
    const isOfBatch = code === 'Canceled' && run?.batchCanceled === true
    const fault = wordsOf(code).brief === undefined || isOfBatch ? null : view.view
    const error = ['Failed', 'CheckFailed', 'Locked'].includes(code) ? (run?.error ?? null) : null
    const success = lastFresh(view)
    const ended = run?.finishedAt ?? null
    const at = ended ?? (code === 'AllPaused' ? (pause?.since ?? null) : null)
    const isMended = ended !== null && success !== null && success > ended
    const refresh = this.type('refresh', view.view)
    const again =
      run === undefined || run.operation === 'refresh'
        ? this.type('refresh', '--select', `${view.view}+`)
        : this.type(run.operation, view.view)
    const isAgain = fault !== null && (run !== undefined || next === refresh)
    const open = view.runs.find(({ finishedAt }) => finishedAt === null)
    return cause(code, [fault ?? (isOfBatch ? batchId : null), error?.class, error?.sqlstate], text, {
      view: fault,
      error,
      runId,
      batchId,
      at,
      lastSuccessAt: !isMended && error !== null ? success : null,
      mendedAt: isMended ? success : null,
      nextTryAt: isMended ? null : (open?.notBefore ?? null),
      behind: fault === null || isMended ? [] : this.behind(fault, at ?? success ?? now),
      look: fault !== null ? [this.type('why', fault)] : isOfBatch ? [this.type('batch', batchId ?? '')] : [],
      next: next === refresh || isMended ? null : next,
      mend: isAgain && !isMended ? again : null,
      ...(error === null ? {} : { runbook: error.class }),
    })
  }

  /** The views that read a view, directly or through others, and have no success since `at`. */
  private behind(view: string, at: Date): string[] {
    return viewsAbove(view, this.readers)
      .filter((each) => !isFreshSince(this.facts.views.get(each), at))
      .sort()
  }
}

/** A cause of which nothing is known but what is given. */
const cause = (
  code: ToldCause['code'],
  key: (string | null | undefined)[],
  text: string,
  more: Partial<ToldCause>,
): ToldCause => ({
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
  runbook: wordsOf(code).section,
  ...more,
})

/** When a run last made the data fresh, or proved that they are; null: never. */
function lastFresh({ lastSuccessAt, runs }: Examined): Date | null {
  const provedAt = runs.find(({ unneeded }) => unneeded)?.finishedAt ?? null
  return provedAt !== null && provedAt > (lastSuccessAt ?? 0) ? provedAt : lastSuccessAt
}

const isFreshSince = (view: Examined | undefined, at: Date): boolean =>
  view !== undefined && (lastFresh(view) ?? 0) > at
