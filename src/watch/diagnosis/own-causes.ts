import type { HeldLock, RunFacts } from '../../record/plan/watch.ts'
import { quoteIdentifier } from '../../sql/names.ts'
import type { CauseCode } from '../../words/causes.ts'
import { command, newLog } from '../../words/commands.ts'
import { duration, names } from '../../words/phrases.ts'
import { runbookOf } from '../../words/problem.ts'
import { type Cause, type ExaminedView, heldBack, type Surroundings, uncountedWords } from './cause.ts'
import { cause, recorded, runCause } from './run-cause.ts'

const mostNames = 5

/**
 * The causes in the view itself that make its data as old as they are, the real cause first. A view that is well has one cause,
 * which says so. Pure.
 */
export function ownCauses(view: ExaminedView, around: Surroundings): Cause[] {
  const facts = factsOf(view, around)
  const isGone = view.aside !== null || view.missing
  return (isGone ? rulesOfGone : rules).flatMap((rule) => rule(facts) ?? [])
}

/** What the rules know of a view. */
interface Facts extends Surroundings {
  view: ExaminedView
  /** The name of the view. */
  name: string
  /** The run that has not ended: the running one if there are several. */
  run: RunFacts | undefined
  /** The last run that ended. */
  last: RunFacts | undefined
  /** What goes on now. */
  open: Cause | null
  isPaused: boolean
  /** Whether the first lock keeps a run from going on, or kept the last one. */
  isHeldUp: boolean
  /** A command line of the environment. */
  type: (...words: string[]) => string
}

function factsOf(view: ExaminedView, around: Surroundings): Facts {
  const type = (...words: string[]) => command(words, around.typed)
  const run = runningRun(view) ?? view.runs.find(({ finishedAt }) => finishedAt === null)
  const isPaused = view.pausedSince !== null || (around.allPaused !== null && view.scheduled)
  const isHeldUp = view.locks.length > 0 && (view.waits || view.locks.some((lock) => stoppedLast(view, lock)))
  const last = lastEnded(view, isPaused)
  const known = { ...around, view, name: view.view, run, last, isPaused, isHeldUp, type }
  return { ...known, open: openCause(known) }
}

/** Says that something makes a view's data as old as they are; null if it does not. */
type Rule = (facts: Facts) => Cause | null

/** The last run that ended, without drops and runs that had nothing to do; of a paused view without what the pause left out. */
export const lastEnded = ({ runs }: ExaminedView, isPaused = false): RunFacts | undefined =>
  runs.find(
    ({ finishedAt, operation, status, error }) =>
      finishedAt !== null &&
      error?.class !== 'AlreadyRunning' &&
      !(isPaused && status === 'skipped' && (error === null || error.class === 'Paused')) &&
      (operation === 'refresh' || (operation === 'create' && status !== 'skipped')),
  )

/** The run that the server works on. */
export const runningRun = ({ runs }: ExaminedView): RunFacts | undefined =>
  runs.find(({ status }) => status === 'running')

/** Whether the last run ended because of a lock. */
export const failedAtLock = (view: ExaminedView): boolean => lastEnded(view)?.error?.class === 'LockTimeout'

/** Whether the last run may have ended because of this lock: not if the session began its transaction after the run ended. */
export function stoppedLast(view: ExaminedView, { since }: HeldLock): boolean {
  const end = lastEnded(view)?.finishedAt ?? null
  return failedAtLock(view) && (since === null || end === null || since <= end)
}

const setAside: Rule = ({ view: { aside, strategy }, name, clock }) =>
  aside &&
  cause(
    'SetAside',
    `Role ${aside.by} has set ${name} aside since ${clock(aside.since)}, so ${strategy === 'difference' ? 'its rows stay as they are' : 'it is not in the database'}. put-back works with DATABASE_URL.`,
    command(['put-back'], null),
  )

const missing: Rule = ({ view, name, type }) =>
  view.aside === null
    ? cause(
        'Missing',
        view.gone ?? `${name} is authored and missing: somebody dropped it, or it was never made.`,
        type('migrate', 'up', '--repair'),
      )
    : null

const paused: Rule = ({ view: { pausedSince }, name, clock, type }) =>
  pausedSince &&
  cause(
    'Paused',
    `${name} has been paused since ${clock(pausedSince)}: nothing refreshes it, except with --force.`,
    type('resume', name),
  )

const allPaused: Rule = ({ allPaused: pause, view: { scheduled }, name, clock, type }) =>
  pause && scheduled
    ? cause(
        'AllPaused',
        `${pause.by || 'Somebody'} has paused everything scheduled since ${clock(pause.since)}, so no schedule refreshes ${name}.`,
        type('resume', '--all'),
      )
    : null

const heldUp: Rule = (facts) => (facts.isHeldUp ? locked(facts) : null)

const inTheWay: Rule = (facts) => (facts.view.locks.length > 0 && !facts.isHeldUp ? locked(facts) : null)

/** That the last batch ended before the view had a run, and no run came after it. */
const endedBatch: Rule = ({ view: { batch, runs }, name, isPaused, clock, type }) => {
  const why = batch?.finishedAt == null ? undefined : batch.error?.class
  if (batch === null || why === undefined || why === 'ViewsFailed' || (why === 'Paused' && isPaused))
    return null
  if (runs.some((run) => run.batchId === batch.id || run.requestedAt >= batch.requestedAt)) return null
  const [code, text]: [CauseCode, string] =
    why === 'Paused'
      ? [
          'Skipped',
          `did not refresh ${name} at ${clock(batch.requestedAt)}, because everything scheduled was paused then.`,
        ]
      : [
          why === 'Canceled' ? 'Canceled' : 'Failed',
          `ended before ${name} had its turn: ${recorded(batch.error?.message ?? '')}`,
        ]
  return cause(code, `Batch ${batch.id} ${text}`, type('refresh', name), { batchId: batch.id })
}

const endedRun: Rule = ({ last, isPaused, view, ...around }) => {
  if (last === undefined || last.status === 'success' || last.unneeded) return null
  const ended = runCause(view, last, around)
  const words = ['refresh', view.view] as const
  return ended.next === around.type(...words)
    ? { ...ended, next: around.type(...words, ...forced(isPaused)) }
    : ended
}

/** What failed before the pause comes before it: the end of the pause mends nothing. */
const failedAndPaused: Rule = (facts) =>
  facts.isPaused && facts.last?.status === 'failed' && facts.view.failure !== null ? endedRun(facts) : null
const endedUnlessSaid: Rule = (facts) => (failedAndPaused(facts) === null ? endedRun(facts) : null)

/** That schedules try the view less often, because it has failed too often. */
const suspended: Rule = ({ view: { suspended: since }, name, clock, type }) =>
  since
    ? cause(
        'Suspended',
        `Scheduled refreshes of ${name} have failed ${since.failures} times in a row, so the next one is tried at ${clock(since.until)} and not at every turn. A success or a changed definition ends this.`,
        type('refresh', name),
      )
    : null

/** That the target lag cannot be kept. */
const lagTooShort: Rule = ({ view: { lagWorksMs, targetLagSeconds, planned }, name }) => {
  if (lagWorksMs === null || targetLagSeconds === null) return null
  const lag = `The target lag of ${name}, ${duration(targetLagSeconds * 1000)},`
  const works = duration(lagWorksMs)
  const { unused = false, owner = null, asker = '' } = planned?.followed ?? {}
  if (owner === null && !unused)
    return cause(
      'LagTooShort',
      `${lag} cannot be kept: by the usual durations of what has to be refreshed, ${works} can. Write targetLagSeconds: ${lagWorksMs / 1000}, or make the refreshes faster.`,
    )
  const [because, next] =
    owner === null
      ? ['its change log is not used', newLog(name)]
      : [
          `role ${asker} may not ask its change log, which belongs to ${owner}`,
          `grant ${quoteIdentifier(owner)} to ${quoteIdentifier(asker)}`,
        ]
  return cause('LagTooShort', `${lag} is not kept, but ${works}, because ${because}.`, next)
}

/** A pause leaves out every refresh that is not forced. */
const forced = (isPaused: boolean): string[] => (isPaused ? ['--force'] : [])

const unpopulated: Rule = ({ view: { populated }, name, isPaused, open, type }) =>
  populated
    ? null
    : cause(
        'Unpopulated',
        `${name} is not populated, so readers get an error from it.`,
        open === null ? type('refresh', name, ...forced(isPaused)) : null,
      )

const neverRefreshed: Rule = ({ view: { populated, lastSuccessAt }, name, isPaused, open, type }) =>
  populated && lastSuccessAt === null
    ? cause(
        'UnknownAge',
        `Viewkeeper has never refreshed ${name}, so nobody knows how old its data are.`,
        open === null ? type('refresh', name, ...forced(isPaused)) : null,
      )
    : null

/** Whether the data are older than the last refresh: because of a view that it read, or because it was one by slices. */
const isOlder = (view: ExaminedView): boolean =>
  heldBack(view) !== null || (view.heldBackBy === view.view && view.asOf !== null)

/** That a refresh succeeded, and yet the data are old. */
const olderData: Rule = ({ view, name, clock, type }) =>
  isOlder(view) && view.stale && view.populated
    ? cause(
        'HeldBack',
        `${dataOf(view, name, clock)}.`,
        view.heldBackBy === name ? type('refresh', name) : type('refresh', '--select', `${view.heldBackBy}+`),
      )
    : null

const unknownAge: Rule = ({ view, name, isPaused, open, type }) =>
  view.populated && view.lastSuccessAt !== null && view.asOf === null && heldBack(view) === null
    ? cause(
        'UnknownAge',
        view.unseen == null
          ? `Nobody knows how old the data of ${name} are: ${view.outside ?? 'it was filled outside the record'}.`
          : `Nobody knows how old the data of ${name} are: ${view.unseen}. Name in dependsOn the views and tables that are read there.`,
        open === null && view.unseen == null ? type('refresh', name, ...forced(isPaused)) : null,
      )
    : null

/** As of when the data of a view are, in spite of its last success. */
const dataOf = (
  { asOf, heldBackBy, lastSuccessAt }: ExaminedView,
  name: string,
  clock: Surroundings['clock'],
): string => {
  const at = lastSuccessAt && clock(lastSuccessAt)
  const success = !at || at === (asOf && clock(asOf)) ? '' : `, although its last refresh succeeded at ${at}`
  return asOf === null
    ? `Nobody knows how old the data of ${name} are${success}: nobody knew the age of ${heldBackBy}, which it reads`
    : `${name} is as of ${clock(asOf)}${success}: ${heldBackBy === name ? 'since then only slices of it were computed anew' : `${heldBackBy}, which it reads, was not fresher`}`
}

const byLog = 'when its log has rows, at the latest'

const goesOn: Rule = ({ open }) => open

/** What schedules have to do with it, if nothing goes on now. */
const schedule: Rule = ({ view, name, isPaused, open, clock, type }) => {
  if (isPaused || open !== null) return null
  const { stale, lastSuccessAt, maxStaleMs, missedAt, nextRun, nextBy, scheduled } = view
  if (missedAt !== null)
    return cause(
      'ScheduleMissed',
      `A schedule was due to refresh ${name} at ${clock(missedAt)}, and no run began: ${runbookOf('stale-views')} says where to look.`,
      type('refresh', name),
    )
  if (!scheduled)
    return stale || lastSuccessAt === null || maxStaleMs === null
      ? cause(
          'NotScheduled',
          `No schedule refreshes ${name}: it is refreshed only when somebody asks for it.`,
          type('refresh', name),
        )
      : null
  return stale && nextRun !== null
    ? cause(
        'NotYetDue',
        nextBy === 'log'
          ? `${name} is refreshed ${byLog} at ${clock(nextRun)}.`
          : `A schedule refreshes ${name} next at ${clock(nextRun)}, and not sooner${view.tooRare ? `; ${view.tooRare}` : ''}.`,
        type('refresh', name),
      )
    : null
}

/** That the data are fresh, or that nobody says how old they may be. */
const well: Rule = ({ view, name, clock }) => {
  const { staleMs, maxStaleMs, nextRun, nextBy, scheduled } = view
  if (!['fresh', 'unlimited'].includes(view.state)) return null
  const age = staleMs === null ? name : `${name} is ${duration(staleMs)} old`
  if (maxStaleMs === null) {
    const why = scheduled ? 'the monitor knows no interval of its schedule yet' : 'no schedule refreshes it'
    return cause(
      'Well',
      `${age}${staleMs === null ? '' : ', and'} has no limit: its definition has no maxStalenessSeconds, and ${why}.`,
    )
  }
  if (staleMs === null) return null
  const by = nextBy === 'log' ? `it is refreshed ${byLog}` : 'a schedule refreshes it next'
  const then = nextRun === null ? '' : `; ${by} at ${clock(nextRun)}`
  const limit = duration(maxStaleMs)
  const old = isOlder(view) ? ` ${dataOf(view, name, clock)}.` : ''
  return cause(
    'Well',
    staleMs <= maxStaleMs
      ? `${age}, and may be ${limit} old${then}.${old}`
      : `${age}. Its limit of ${limit} counts from when it was resumed, or its definition last changed${then}.`,
  )
}

/** That `skipUnchanged` is asked for, and does not help. */
const notSkipped: Rule = ({ view: { uncounted }, name, clock }) => {
  const words = uncounted == null ? null : uncountedWords(name, uncounted, clock)
  return words && cause('NotSkipped', words.text, words.next)
}

/** That the view has a change log, and all its rows are computed nevertheless. */
const logUnused: Rule = ({ view: { unusedLog }, name }) =>
  unusedLog === null
    ? null
    : cause(
        'LogUnused',
        `Each refresh computes all rows of ${name}: its change log is not used, because ${unusedLog.because}.`,
        unusedLog.next ?? newLog(name),
      )

/** In this order they are told. */
const rules = [
  failedAndPaused,
  paused,
  allPaused,
  heldUp,
  endedBatch,
  endedUnlessSaid,
  suspended,
  unpopulated,
  neverRefreshed,
  olderData,
  lagTooShort,
  goesOn,
  schedule,
  unknownAge,
  well,
  inTheWay,
  notSkipped,
  logUnused,
]
const rulesOfGone = [setAside, missing, endedBatch, endedRun, goesOn]

function locked({ view, name, run, last, clock, type }: Facts): Cause {
  const [first, ...others] = view.locks as [HeldLock, ...HeldLock[]]
  const gaveUp = stoppedLast(view, first) ? last : undefined
  const running = run?.status === 'running' ? run : undefined
  const waiting =
    running !== undefined && view.waits
      ? `run ${running.id} waits for it`
      : gaveUp !== undefined
        ? `run ${gaveUp.id} gave up waiting for it`
        : `the next refresh of ${name} waits for it`
  const more =
    others.length === 0 ? '' : `, and ${others.length} more ${others.length === 1 ? 'is' : 'are'} in the way`
  return cause(
    'Locked',
    `${holder(first, clock)} holds ${first.mode} on ${first.relation}${more}: ${waiting}.${first.runId !== undefined ? '' : first.end === null ? ' Let it end.' : ` Let it end, or end it as ${first.endBy}.`}`,
    first.runId === undefined ? first.end : type('runs', String(first.runId)),
    { id: (running ?? gaveUp)?.id },
  )
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
  const hidden =
    pid !== null && state === null ? ['since when is not seen without role pg_read_all_stats'] : []
  return what.length === 0 ? who : `${who} (${[...what, ...hidden].join(', ')})`
}

/** What goes on now: a run, or a wait. */
function openCause({ view, name, run, now, clock, type }: Omit<Facts, 'open'>): Cause | null {
  const { batch, progress } = view
  if (run?.status === 'running') {
    const { phase = null, elapsedMs = null, estimatedMs = null } = progress ?? {}
    const of = estimatedMs === null ? '' : ` of about ${duration(estimatedMs)}`
    const time = elapsedMs === null ? '' : ` for ${duration(elapsedMs)}${of}`
    const doing = phase === null ? '' : `: ${phase}`
    const text = `Run ${run.id} has been working on ${name}${time}${doing}.`
    return cause('InProgress', text, type('runs', String(run.id)), run)
  }
  if (run !== undefined && run.notBefore !== null && run.notBefore > now)
    return cause('InProgress', `Run ${run.id} tries ${name} again at ${clock(run.notBefore)}.`, null, {
      id: run.id,
    })
  const hasTurn = run !== undefined || !view.runs.some(({ batchId }) => batchId === batch?.id)
  if (batch !== null && batch.finishedAt === null && hasTurn) {
    const what =
      batch.waitsFor.length > 0
        ? `for ${names(batch.waitsFor, mostNames)}`
        : run?.status === 'built'
          ? 'for its exchange: its shadow is built'
          : 'for a free slot: other views of the batch are running'
    return cause('InProgress', `${name} waits in batch ${batch.id} ${what}.`, type('batches', batch.id), {
      id: run?.id,
      batchId: batch.id,
    })
  }
  if (run === undefined) return null
  const text = `Run ${run.id} of ${name} was requested at ${clock(run.requestedAt)}, and has not begun yet.`
  return cause('InProgress', text, type('runs', String(run.id)), { id: run.id })
}
