import { command } from '../commands.ts'
import type { Operation } from '../run.ts'
import { runbookOf } from '../runbook.ts'
import { dependents } from '../views/graph.ts'
import { duration } from '../words.ts'
import { type Cause, type CauseCode, type NoticeError, utc } from './notice.ts'
import type { EndedBatch, FailedRun, NoticeFacts, SlowRun, ViewFact } from './notice-facts.ts'

/** Finds what is at fault. */
export interface Causes {
  /** Why a view is not fresh: the cause may be a view that it reads, directly or through others. */
  ofView(view: string): Cause
  ofFailure(run: FailedRun): Cause
  ofBatch(batch: EndedBatch): Cause
  ofSlow(run: SlowRun): Cause
}

export function findCauses(facts: NoticeFacts, environment: string): Causes {
  const { now, views, reads, pause } = facts
  const readers = dependents(reads)
  const type = (...words: string[]) => command(words, environment)

  const cause = (code: CauseCode, key: string, text: string, more: Partial<Cause>): Cause => ({
    code,
    key: `${code} ${key}`.trim(),
    view: null,
    text,
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
    mend: null,
    runbook: runbookOf('stale-views'),
    ...more,
  })

  /** Every view that reads `view`, directly or through others, and has no success since `at`. */
  function behind(view: string, at: Date): string[] {
    const found = new Set<string>()
    const open = [view]
    for (let each = open.pop(); each !== undefined; each = open.pop())
      for (const reader of readers.get(each) ?? [])
        if (!found.has(reader) && reader !== view) {
          found.add(reader)
          open.push(reader)
        }
    return [...found].filter((each) => !isFreshSince(views.get(each), at)).sort()
  }

  const failure = (
    view: string,
    run: Pick<FailedRun, 'id' | 'operation' | 'batchId' | 'finishedAt'> & { error: NoticeError | null },
  ): Cause => {
    const { id, operation, batchId, finishedAt, error } = run
    const lost = error?.class === 'RunLost'
    const fact = views.get(view)
    const mended = isFreshSince(fact, finishedAt)
    return cause(
      lost ? 'Lost' : 'Failed',
      [view, error?.class, error?.sqlstate].filter(Boolean).join(' '),
      lost
        ? `${view} was lost with its server process at ${utc(finishedAt)}`
        : `${view} ${failedAs[operation]} at ${utc(finishedAt)}`,
      {
        view,
        error,
        runId: id,
        batchId,
        at: finishedAt,
        lastSuccessAt: mended ? null : (fact?.lastSuccessAt ?? null),
        mendedAt: mended ? (fact?.lastSuccessAt ?? null) : null,
        nextTryAt: mended ? null : (fact?.open?.notBefore ?? null),
        behind: mended ? [] : behind(view, finishedAt),
        look: [type('why', view), type('run', String(id))],
        mend: mended
          ? null
          : operation === 'refresh'
            ? type('refresh', '--select', `${view}+`)
            : type(operation, view),
        runbook: runbookOf(error?.class ?? 'failed-runs'),
      },
    )
  }

  const canceled = (view: string, run: NonNullable<ViewFact['last']>): Cause => {
    const { id, batchId, batchCanceled, finishedAt } = run
    const at = utc(finishedAt)
    const more = { batchId, runId: id, at: finishedAt, runbook: runbookOf('Canceled') }
    return batchCanceled && batchId !== null
      ? cause('Canceled', batchId, `Batch ${batchId} was canceled at ${at}`, {
          ...more,
          look: [type('batch', batchId)],
        })
      : cause('Canceled', view, `${view} was canceled at ${at}`, {
          ...more,
          view,
          behind: behind(view, finishedAt),
          look: [type('why', view), type('run', String(id))],
          mend: type('refresh', '--select', `${view}+`),
        })
  }

  /** The cause that lies in the view itself; undefined if it lies above the view, or nowhere. */
  function own(view: string): Cause | undefined {
    const fact = views.get(view)
    if (facts.aside.has(view))
      return cause(
        'SetAside',
        '',
        'Views were set aside for a change of a table: whoever reads one gets an error',
        {
          look: ['viewkeeper put-back --dry-run'],
          mend: 'viewkeeper put-back',
          runbook: runbookOf('set-aside-views'),
        },
      )
    if (fact?.missing)
      return cause(
        'Missing',
        view,
        `${view} is not in the database: somebody dropped it, and whoever reads it gets an error`,
        {
          view,
          behind: behind(view, fact.lastSuccessAt ?? now),
          look: [type('why', view)],
          mend: type('migrate', 'up', '--repair'),
          runbook: runbookOf('missing-views'),
        },
      )
    const last = fact?.last
    // A pause keeps a canceled view from its next refresh, so the pause is told.
    if (last?.status === 'canceled' && pause === null) return canceled(view, last)
    return last?.status === 'failed' && last.error?.class !== 'NotExchanged' ? failure(view, last) : undefined
  }

  /** The nearest view above that is at fault itself. */
  function above(view: string): Cause | undefined {
    const seen = new Set([view])
    const queue = [view]
    for (let each = queue.shift(); each !== undefined; each = queue.shift())
      for (const read of (reads.get(each) ?? []).toSorted()) {
        if (seen.has(read)) continue
        seen.add(read)
        const found = own(read)
        if (found !== undefined) return found
        queue.push(read)
      }
    return undefined
  }

  function ofView(view: string): Cause {
    const itself = own(view)
    if (itself !== undefined) return itself
    const fact = views.get(view)
    const last = fact?.last
    const waitsForOthers = ['UpstreamFailed', 'NotExchanged'].includes(last?.error?.class ?? '')
    const over = waitsForOthers || last?.status === undefined ? above(view) : undefined
    if (over !== undefined) return over
    if (last?.status === 'failed') return failure(view, last)
    if (pause !== null)
      return cause('AllPaused', '', `Everything has been paused since ${utc(pause.since)} by ${pause.by}`, {
        at: pause.since,
        mend: type('resume', '--all'),
      })
    if (fact?.open) return cause('Running', '', 'A refresh is going on, or waits for its turn', {})
    return cause('NotRefreshed', '', 'Nothing has tried to refresh the views since their last success', {})
  }

  return {
    ofView,
    ofFailure(run) {
      const waits = run.error?.class === 'NotExchanged' && !isFreshSince(views.get(run.view), run.finishedAt)
      return waits ? ofView(run.view) : failure(run.view, run)
    },
    ofBatch: ({ id, status, error, finishedAt }) =>
      cause(
        error.class === 'BatchLost' ? 'BatchLost' : status === 'canceled' ? 'Canceled' : 'BatchFailed',
        id,
        `Batch ${id} ${status === 'canceled' ? 'was canceled' : 'failed'} at ${utc(finishedAt)}`,
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
      cause('Slow', view, `${view} took ${duration(durationMs)}; it usually takes ${duration(usualMs)}`, {
        view,
        runId: id,
        at: finishedAt,
        look: [type('run', String(id)), type('metrics', view)],
        runbook: runbookOf('slow-runs'),
      }),
  }
}

const failedAs: Record<Operation, string> = {
  refresh: 'failed',
  create: 'could not be created',
  drop: 'could not be dropped',
}

const isFreshSince = (fact: ViewFact | undefined, at: Date): boolean =>
  fact?.lastSuccessAt != null && fact.lastSuccessAt > at
