import { mayRetry, type ProblemCode, problemCodes } from '../../problem.ts'
import { command } from '../commands.ts'
import { duration, names } from '../words.ts'
import type { Cause, HeldLock } from './cause.ts'
import type { RunFacts, Standing, Surroundings } from './standing.ts'

const longestMessage = 600
const mostNames = 5

/**
 * What of a view itself makes its data as old as they are, the real cause first. Of a view that is well, that it is. Pure.
 */
export function ownCauses(view: Standing, around: Surroundings): Cause[] {
  const gone = goneCause(view, around)
  const open = openCauses(view, around)
  if (gone !== null) return [gone, ...failedCauses(view, around), ...open]
  const isLocked = view.locks.length > 0
  const holdsUp = isLocked && (view.waits || view.locks.some((lock) => stoppedLast(view, lock)))
  return [
    ...pausedCauses(view, around),
    ...(holdsUp ? [lockedCause(view, around)] : []),
    ...failedCauses(view, around),
    ...emptyCauses(view, around, open.length > 0),
    ...open,
    ...(open.length > 0 ? [] : scheduleCauses(view, around)),
    ...wellCauses(view, around),
    ...(isLocked && !holdsUp ? [lockedCause(view, around)] : []),
  ]
}

/** The last run that ended, without drops and runs that had nothing to do. */
export const lastEnded = ({ runs }: Standing): RunFacts | undefined =>
  runs.find(
    ({ finishedAt, operation, status, error }) =>
      finishedAt !== null &&
      error?.class !== 'AlreadyRunning' &&
      (operation === 'refresh' || (operation === 'create' && status !== 'skipped')),
  )

/** The run that the server works on. */
export const runningRun = ({ runs }: Standing): RunFacts | undefined =>
  runs.find(({ status }) => status === 'running')

/** The run that has not ended: the running one if there are several. */
const openRun = (view: Standing): RunFacts | undefined =>
  runningRun(view) ?? view.runs.find(({ finishedAt }) => finishedAt === null)

/** Whether the last run ended because of a lock. */
export const failedAtLock = (view: Standing): boolean => lastEnded(view)?.error?.class === 'LockTimeout'

/** Whether the last run may have ended because of this lock: not if the session began its transaction after the run ended. */
export function stoppedLast(view: Standing, { since }: HeldLock): boolean {
  const end = lastEnded(view)?.finishedAt ?? null
  return failedAtLock(view) && (since === null || end === null || since <= end)
}

function goneCause({ view, aside, missing }: Standing, { environment, clock }: Surroundings): Cause | null {
  if (aside !== null) {
    return {
      code: 'SetAside',
      text: `Role ${aside.by} has set ${view} aside since ${clock(aside.since)}, so it is not in the database. put-back works with DATABASE_URL.`,
      next: command(['put-back'], null),
    }
  }
  if (!missing) return null
  return {
    code: 'Missing',
    text: `${view} was authored, but it is not in the database: somebody dropped it, or it was never created.`,
    next: command(['migrate', 'up', '--repair'], environment),
  }
}

function pausedCauses(
  { view, pausedSince, scheduled }: Standing,
  { allPaused, environment, clock }: Surroundings,
): Cause[] {
  const causes: Cause[] = []
  if (pausedSince !== null) {
    causes.push({
      code: 'Paused',
      text: `${view} has been paused since ${clock(pausedSince)}: nothing refreshes it, except with --force.`,
      next: command(['resume', view], environment),
    })
  }
  if (allPaused !== null && scheduled) {
    const by = allPaused.by === '' ? 'Somebody' : allPaused.by
    causes.push({
      code: 'AllPaused',
      text: `${by} has paused everything scheduled since ${clock(allPaused.since)}, so no schedule refreshes ${view}.`,
      next: command(['resume', '--all'], environment),
    })
  }
  return causes
}

function lockedCause(view: Standing, { environment, clock }: Surroundings): Cause {
  const [first, ...others] = view.locks as [HeldLock, ...HeldLock[]]
  const run = openRun(view)
  const waiting =
    run?.status === 'running' && view.waits
      ? `run ${run.id} waits for it`
      : stoppedLast(view, first)
        ? `run ${lastEnded(view)?.id} gave up waiting for it`
        : `the next refresh of ${view.view} waits for it`
  const more =
    others.length === 0 ? '' : ` ${others.length} more ${others.length === 1 ? 'is' : 'are'} in the way.`
  const next = first.runId === undefined ? first.end : command(['run', String(first.runId)], environment)
  const runId =
    run?.status === 'running' ? run.id : stoppedLast(view, first) ? lastEnded(view)?.id : undefined
  return {
    code: 'Locked',
    text: `${holder(first, clock)} holds ${first.mode} on ${first.relation}: ${waiting}.${more}`,
    next,
    ...(runId === undefined ? {} : { runId }),
  }
}

function holder(
  { pid, role, application, state, since, runId }: HeldLock,
  clock: Surroundings['clock'],
): string {
  if (runId !== undefined) return `Run ${runId} (process ${pid})`
  const what = [
    role === null ? null : `role ${role}`,
    application === null ? null : `application ${JSON.stringify(application)}`,
    state,
    since === null ? null : `transaction began ${clock(since)}`,
  ].filter((part) => part !== null)
  const who = pid === null ? 'A prepared transaction' : `Process ${pid}`
  return what.length === 0 ? who : `${who} (${what.join(', ')})`
}

/** How the last run ended, if not well, and the last batch, if the view had no run in it. */
function failedCauses(view: Standing, around: Surroundings): Cause[] {
  const run = lastEnded(view)
  const isPaused = view.pausedSince !== null || (around.allPaused !== null && view.scheduled)
  const isSaid = run?.status === 'skipped' && run.error === null && isPaused
  return [
    ...batchCauses(view, around, isPaused),
    ...(run === undefined || run.status === 'success' || isSaid ? [] : [runCause(view, run, around)]),
  ]
}

/** That the last batch ended before the view had a run, and no run came after it. */
function batchCauses({ view, batch, runs }: Standing, around: Surroundings, isPaused: boolean): Cause[] {
  const why = batch?.finishedAt == null ? undefined : batch.error?.class
  if (batch === null || why === undefined || why === 'ViewsFailed' || (why === 'Paused' && isPaused))
    return []
  if (runs.some((run) => run.batchId === batch.id || run.requestedAt >= batch.requestedAt)) return []
  const of = { next: command(['refresh', view], around.environment), batchId: batch.id }
  const at = around.clock(batch.requestedAt)
  return why === 'Paused'
    ? [
        {
          code: 'Skipped',
          text: `Batch ${batch.id} did not refresh ${view} at ${at}, because everything scheduled was paused then.`,
          ...of,
        },
      ]
    : [
        {
          code: why === 'Canceled' ? 'Canceled' : 'Lost',
          text: `Batch ${batch.id} ended before ${view} had its turn: ${cut(batch.error?.message ?? '')}`,
          ...of,
        },
      ]
}

/** A run that has ended, as a cause tells it. */
type EndedRun = Pick<
  RunFacts,
  'id' | 'operation' | 'status' | 'batchId' | 'finishedAt' | 'because' | 'error' | 'batchCanceled'
>

/** How a run of a view ended that did not succeed. */
export function runCause(
  { view, lastSuccessAt, populated }: Pick<Standing, 'view' | 'lastSuccessAt' | 'populated'>,
  run: EndedRun,
  { environment, clock }: Surroundings,
): Cause {
  const { id, operation, status, batchId, finishedAt, error } = run
  const at = finishedAt === null ? '' : ` at ${clock(finishedAt)}`
  const message = cut(error?.message ?? run.because ?? '')
  const of = {
    next: command(['refresh', view], environment),
    runId: id,
    ...(batchId === null ? {} : { batchId }),
  }
  if (status === 'skipped')
    return { code: 'Skipped', text: `Run ${id} skipped ${view}${at}: ${message}`, ...of }
  if (status === 'canceled') {
    const what = run.batchCanceled ? `Batch ${batchId}` : `Run ${id} of ${view}`
    return { code: 'Canceled', text: `${what} was canceled${at}.`, ...of }
  }
  if (error?.class === 'RunLost' || error?.class === 'BatchLost')
    return { code: 'Lost', text: `Run ${id} of ${view} was lost${at}: ${message}`, ...of }
  const isMended = lastSuccessAt !== null && finishedAt !== null && lastSuccessAt > finishedAt
  const after =
    lastSuccessAt === null || !populated
      ? ''
      : isMended
        ? ` It has succeeded since, at ${clock(lastSuccessAt)}.`
        : ` Readers still see the data of ${clock(lastSuccessAt)}.`
  const what = operation === 'refresh' ? `of ${view} failed` : `could not ${operation} ${view}`
  const why = error === null ? '' : ` (${[error.class, error.sqlstate].filter(Boolean).join(', ')})`
  return {
    code: 'Failed',
    text: `Run ${id} ${what}${at}: ${ended(`${withoutEnd(message)}${why}`)}${after}`,
    ...of,
    next: nextAfter(error?.class, view, run, environment),
  }
}

function nextAfter(
  why: ProblemCode | undefined,
  view: string,
  { id }: EndedRun,
  environment: string | null,
): string {
  if (why === 'InsufficientPrivilege' || why === 'SwapImpossible')
    return command(['doctor', view], environment)
  if (why === 'UniqueIndexRequired') return command(['refresh', view, '--strategy', 'auto'], environment)
  // A newer version may have written a class that this one does not know.
  return why !== undefined && problemCodes.includes(why) && mayRetry(why)
    ? command(['refresh', view], environment)
    : command(['run', String(id)], environment)
}

/** That a view holds nothing, or data of which no run tells. An open run says more. */
function emptyCauses(view: Standing, { environment }: Surroundings, isOpen: boolean): Cause[] {
  const next = isOpen ? null : command(['refresh', view.view], environment)
  if (!view.populated) {
    return [
      {
        code: 'Unpopulated',
        text: `${view.view} is not populated, so readers get an error from it.`,
        next,
      },
    ]
  }
  return view.lastSuccessAt !== null
    ? []
    : [
        {
          code: 'NeverRefreshed',
          text: `Viewkeeper has never refreshed ${view.view}, so nobody knows how old its data are.`,
          next,
        },
      ]
}

/** What goes on now: a run, or a wait. */
function openCauses(view: Standing, { environment, now, clock }: Surroundings): Cause[] {
  const run = openRun(view)
  const { batch, progress } = view
  const isInBatch = batch !== null && batch.finishedAt === null
  if (run?.status === 'running') {
    const { phase = null, elapsedMs = null, estimatedMs = null } = progress ?? {}
    const time =
      elapsedMs === null
        ? ''
        : ` for ${duration(elapsedMs)}${estimatedMs === null ? '' : ` of about ${duration(estimatedMs)}`}`
    const doing = phase === null ? '' : `: ${phase}`
    return [
      {
        code: 'Running',
        text: `Run ${run.id} has been working on ${view.view}${time}${doing}.`,
        next: command(['run', String(run.id)], environment),
        runId: run.id,
        ...(run.batchId === null ? {} : { batchId: run.batchId }),
      },
    ]
  }
  if (run !== undefined && run.notBefore !== null && run.notBefore > now) {
    return [
      {
        code: 'Pending',
        text: `Run ${run.id} tries ${view.view} again at ${clock(run.notBefore)}.`,
        next: null,
        runId: run.id,
      },
    ]
  }
  const hasTurn = run !== undefined || (isInBatch && !view.runs.some(({ batchId }) => batchId === batch.id))
  if (isInBatch && hasTurn) {
    const what =
      batch.waitsFor.length > 0
        ? `for ${names(batch.waitsFor, mostNames)}`
        : run?.status === 'built'
          ? 'for its exchange: its twin is built'
          : 'for a free slot: other views of the batch are running'
    return [
      {
        code: 'WaitsInBatch',
        text: `${view.view} waits in batch ${batch.id} ${what}.`,
        next: command(['batch', batch.id], environment),
        ...(run === undefined ? {} : { runId: run.id }),
        batchId: batch.id,
      },
    ]
  }
  return run === undefined
    ? []
    : [
        {
          code: 'Pending',
          text: `Run ${run.id} of ${view.view} was requested at ${clock(run.requestedAt)}, and has not begun yet.`,
          next: command(['run', String(run.id)], environment),
          runId: run.id,
        },
      ]
}

/** What schedules have to do with it, if nothing goes on now. */
function scheduleCauses(view: Standing, { environment, clock, allPaused }: Surroundings): Cause[] {
  if (view.pausedSince !== null || (allPaused !== null && view.scheduled)) return []
  const isLate = view.stale || view.lastSuccessAt === null || view.maxStaleMs === null
  const next = command(['refresh', view.view], environment)
  if (view.missedAt !== null) {
    return [
      {
        code: 'ScheduleMissed',
        text: `A schedule was due to refresh ${view.view} at ${clock(view.missedAt)}, and no run began: look at the dead letters (docs/runbook.md#dead-letters).`,
        next,
      },
    ]
  }
  if (!view.scheduled) {
    const text = `No schedule refreshes ${view.view}: it is refreshed only when somebody asks for it.`
    return isLate ? [{ code: 'NotScheduled', text, next }] : []
  }
  if (!view.stale || view.nextRun === null) return []
  const at = clock(view.nextRun)
  return [
    { code: 'NotYetDue', text: `A schedule refreshes ${view.view} next at ${at}, and not sooner.`, next },
  ]
}

/** That the data are fresh, or that nobody says how old they may be. */
function wellCauses(view: Standing, { clock }: Surroundings): Cause[] {
  const { staleMs, maxStaleMs, nextRun, scheduled } = view
  if (view.pausedSince !== null || view.stale || !view.populated) return []
  const age = staleMs === null ? `${view.view} has` : `${view.view} is ${duration(staleMs)} old, and has`
  if (maxStaleMs === null) {
    return [
      {
        code: 'NoLimit',
        text: `${age} no limit: its definition has no maxStalenessSeconds, and ${scheduled ? 'the monitor knows no interval of its schedule yet' : 'no schedule refreshes it'}.`,
        next: null,
      },
    ]
  }
  const then = nextRun === null ? '' : ` A schedule refreshes it next at ${clock(nextRun)}.`
  if (staleMs === null) return []
  const text =
    staleMs <= maxStaleMs
      ? `${view.view} is ${duration(staleMs)} old, and may be ${duration(maxStaleMs)} old.${then}`
      : `${view.view} is ${duration(staleMs)} old. Its limit of ${duration(maxStaleMs)} counts from when it was resumed, or its definition last changed.${then}`
  return [{ code: 'Fresh', text, next: null }]
}

const withoutEnd = (text: string): string => text.replace(/(?<!\.)\.$/, '')
const ended = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

/** A text of a record as a part of a cause, with a full stop. */
const cut = (text: string): string =>
  ended(text.length <= longestMessage ? text : `${text.slice(0, longestMessage).toWellFormed()}...`)
