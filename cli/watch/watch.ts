import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { BatchDetails, Run, ToldBatchView } from '../../src/api/answers.ts'
import { ask, readBatch, readRun } from '../../src/api/ask.ts'
import { command } from '../../src/words/commands.ts'
import { elapsed, names } from '../../src/words/phrases.ts'
import { Problem } from '../../src/words/problem.ts'
import { isEnded, type Operation } from '../../src/words/run.ts'
import type { Api } from '../api/api.ts'
import {
  batchTitle,
  briefEnd,
  endLine,
  endOfBatch,
  failureLines,
  groupLines,
  insteadLines,
  nameWidth,
  progressLine,
  progressText,
  stateText,
  viewLinesOf,
} from '../output/run-lines.ts'
import {
  exitCodeOf,
  failed,
  interrupted as interruptedCode,
  isLive,
  type Output,
  output,
  print,
  printJson,
  short,
  signed,
  typed,
  unavailable,
} from '../output/terminal.ts'

/** Lines that stay, and below them lines that change. Without a terminal there are only lines that stay. */
interface Screen {
  readonly live: boolean
  /** Writes lines that stay. */
  keep(...lines: string[]): void
  /** Shows what `lines` makes now, and again some times a second, until the next call. */
  show(lines: (output: Output & { height: number }) => string[]): void
  /** Takes the changing lines away. */
  close(): void
}

const frameMs = 200

/** A screen of its own, or plain lines if standard output is no terminal. */
async function openScreen(): Promise<Screen> {
  if (!isLive()) return { live: false, keep: print, show() {}, close() {} }
  const { createLogUpdate } = await import('log-update')
  const update = createLogUpdate(process.stdout)
  let lines: Parameters<Screen['show']>[0] = () => []
  const draw = () => update(lines({ ...output(), height: process.stdout.rows }).join('\n'))
  const timer = setInterval(draw, frameMs)
  return {
    live: true,
    keep: (...kept) => {
      if (kept.length > 0) update.persist(kept.join('\n'))
    },
    show(next) {
      lines = next
      draw()
    },
    close() {
      clearInterval(timer)
      update.clear()
      update.done()
    },
  }
}

/**
 * Does some work until it is done or somebody presses Ctrl-C; then `leave` is called, and says what goes on, and the
 * process ends.
 */
export async function unlessInterrupted<T>(work: Promise<T>, leave: () => void): Promise<T> {
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<void>()
  // Not `once`: the library that hides the cursor kills the process at a signal to which nobody else listens.
  process.on('SIGINT', interrupt)
  try {
    return await Promise.race([
      work,
      interrupted.then(() => {
        leave()
        // A request may still be under way; nobody waits for its answer.
        return process.exit(interruptedCode)
      }),
    ])
  } finally {
    process.off('SIGINT', interrupt)
  }
}

/** A run or a batch that is watched. */
interface Watched<T> {
  noun: 'run' | 'batch'
  id: string
  read: () => Promise<T>
  hasEnded: (found: T) => boolean
  /** Whether it did what it was asked. */
  isDone: (found: T) => boolean
  /** Lines that stay, at each look those that are new. */
  kept?: (found: T) => Promise<string[]>
  /** Lines that change, `sinceMs` after the look. */
  live: (found: T, sinceMs: number, room: Output & { height: number }) => string[]
  /** A line for a log in which nothing changes. */
  pulse: (found: T) => string
  /** What is said when it has ended. */
  rest: (found: T) => Promise<string[]>
}

const pulseMs = 60_000

/**
 * Watches a run or a batch until it has ended, and tells how; with `json`, without a word until then. If it does not do what it was
 * asked, the exit code is 1.
 */
async function watch<T>(
  api: Api,
  watched: Watched<T>,
  { json = false }: { json?: boolean | undefined },
): Promise<T> {
  const found = await (json ? readUntil(watched) : watchOnScreen(api, watched))
  if (json) printJson(found)
  else print(...(await watched.rest(found)))
  if (!watched.isDone(found)) process.exitCode = failed
  return found
}

async function watchOnScreen<T>(api: Api, watched: Watched<T>): Promise<T> {
  const { noun, id } = watched
  const screen = await openScreen()
  return unlessInterrupted(readUntil(watched, drawnOn(screen, watched)), () => {
    screen.close()
    print(
      api.attend && noun === 'batch'
        ? `batch ${id} begins no more runs; what runs goes on in the server`
        : `${noun} ${id} goes on without you`,
      `  watch it again: ${command([noun, id, '--watch'], api.typed)}`,
      `  cancel it:      ${command(['cancel', id], api.typed)}`,
    )
  }).finally(() => screen.close())
}

/** What is done at each look: new lines stay, others change; without a terminal there is a pulse each minute. */
function drawnOn<T>(
  screen: Screen,
  { kept = async () => [], hasEnded, live, pulse }: Watched<T>,
): (found: T) => Promise<void> {
  let toldAt = Date.now()
  return async (found) => {
    const lookedAt = Date.now()
    const lines = await kept(found)
    screen.keep(...lines)
    if (hasEnded(found)) return
    screen.show((room) => live(found, Date.now() - lookedAt, room))
    if (screen.live || (lines.length === 0 && Date.now() - toldAt < pulseMs)) return
    if (lines.length === 0) screen.keep(`  ${pulse(found)}`)
    toldAt = Date.now()
  }
}

const firstPauseMs = 250
const longestPauseMs = 2000
/** What is watched may go on for hours: a connection that is away for a moment does not end the watching. */
const patienceMs = 30_000

/**
 * Reads something again and again until it has ended, and returns it: quickly at first, later every two seconds. Each time
 * `each` is called first. If the API cannot be had for half a minute, its last problem is thrown.
 */
async function readUntil<T>(
  { read, hasEnded }: Pick<Watched<T>, 'read' | 'hasEnded'>,
  each: (value: T) => unknown = () => {},
): Promise<T> {
  let lastAnswer = Date.now()
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.2, longestPauseMs)) {
    const value = await read().catch((error) => {
      if (exitCodeOf(error) !== unavailable || Date.now() - lastAnswer > patienceMs) throw error
    })
    if (value !== undefined) {
      lastAnswer = Date.now()
      await each(value)
      if (hasEnded(value)) return value
    }
    await pause(pauseMs)
  }
}

/** Watches a run until it has ended, and tells how. If the run does not succeed, the exit code is 1. */
export const watchRun = (api: Api, id: number, options: { json?: boolean | undefined } = {}): Promise<Run> =>
  watch(
    api,
    {
      noun: 'run',
      id: String(id),
      read: () => readRun(api, id),
      hasEnded,
      isDone,
      live: (run, sinceMs, { paint }) => [`${signed('running', paint)} ${runningLine(run, sinceMs)}`],
      pulse: (run) => runningLine(run, 0),
      rest: async (run) => endLines(api, run),
    },
    options,
  )

export const hasEnded = ({ status }: Pick<Run, 'status'>): boolean => isEnded(status)

/** Whether a run did what it was asked: also a `create` of a view that exists, and a `drop` of one that does not. */
const isDone = ({ status, operation }: Run): boolean =>
  status === 'success' || (status === 'skipped' && operation !== 'refresh')

function runningLine(run: Run, sinceMs: number): string {
  const { progress, status, view } = run
  const state =
    progress === undefined
      ? `${status}   ${elapsed(Date.now() - Date.parse(run.requestedAt))}`
      : progressText(progress.phase, (progress.elapsedMs ?? 0) + sinceMs, progress.estimatedMs)
  return `${short(view)}   ${state}   run ${run.id}`
}

/** How a run ended; if it failed, also why, and what to do. */
export function endLines({ typed: target }: Api, run: Run): string[] {
  const end = endLine(run, output())
  if (run.status === 'skipped' && run.operation === 'refresh')
    return [end, `  next: ${command(['why', typed(run.view)], target)}`]
  return run.error === null
    ? [end, ...groupLines(run, output()), ...insteadLines(run, output())]
    : [end, ...failureLines(run, target, output())]
}

/** If more views end at once, their lines have only what the batch says: their runs are not read one by one. */
const mostRead = 10
const mostFailures = 5
const mostSkipped = 20

/**
 * Watches a batch until it has ended. A view that is done is told once, in a line that stays; on a terminal the other
 * views stand below, with what they do or wait for. If the batch does not succeed, the exit code is 1.
 */
export async function watchBatch(
  api: Api,
  id: string,
  options: { json?: boolean | undefined } = {},
): Promise<BatchDetails> {
  await api.attend?.(id)
  const told = new Set<string>()
  let isTitled = false
  return watch(
    api,
    {
      noun: 'batch',
      id,
      read: () => readBatch(api, id),
      hasEnded: ({ finishedAt }) => finishedAt !== null,
      isDone: ({ status }) => status === 'success',
      async kept(batch) {
        const title = isTitled ? [] : [batchTitle(batch, output())]
        isTitled = true
        return [...title, ...(await newLines(api, batch, told))]
      },
      live(batch, sinceMs, room) {
        const at = { batch, sinceMs, now: new Date() }
        const open = batch.views.filter(({ view }) => !told.has(view))
        return [
          ...viewLinesOf(open, at, { ...room, height: Math.max(1, room.height - 4) }),
          '',
          progressLine(at, room),
        ]
      },
      pulse: (batch) =>
        `${progressLine({ batch, sinceMs: 0, now: new Date() }, output())}${runningText(batch)}`,
      rest: (batch) => restLines(api, batch),
    },
    options,
  )
}

const runningText = ({ views }: BatchDetails): string =>
  `   ${names(
    views.filter(({ status }) => status === 'running').map(({ view }) => short(view)),
    3,
  )}`.trimEnd()

/** A line for each view that has succeeded since the last look, and for each try that failed. */
async function newLines(api: Api, batch: BatchDetails, told: Set<string>): Promise<string[]> {
  const now = new Date()
  const at = { batch, sinceMs: 0, now }
  const done = batch.views
    .filter(({ view, status }) => status === 'success' && !told.has(view))
    .toSorted(byEnd)
  for (const { view } of done) told.add(view)
  const name = nameWidth(batch, output().width)
  const lines = await Promise.all(
    done.map(async (view, n) => {
      const run = n < mostRead ? await lastRunOf(api, view) : null
      return run === null ? briefEnd(view, at, output()) : endLine(run, { ...output(), name })
    }),
  )
  const tries = batch.views.filter(
    (view) => view.status === 'pending' && view.runs.length > 1 && !told.has(tryKey(view)),
  )
  for (const view of tries) told.add(tryKey(view))
  return [...lines, ...tries.map((view) => `! ${short(view.view).padEnd(name)}   ${stateText(view, at)}`)]
}

/** The last run of a view; null if the API cannot be had at this moment, which does not end the watching. */
const lastRunOf = (api: Api, { runs }: ToldBatchView): Promise<Run | null> =>
  readRun(api, runs.at(-1)?.runId as number).catch((error) => {
    if (exitCodeOf(error) !== unavailable) throw error
    return null
  })

const tryKey = ({ view, runs }: ToldBatchView): string => `${view} ${runs.length}`

const byEnd = (a: ToldBatchView, b: ToldBatchView): number => endOf(a).localeCompare(endOf(b))
const endOf = ({ runs }: ToldBatchView): string => runs.at(-1)?.finishedAt ?? ''

/** What is said when a batch has ended: the views that were not refreshed with the reasons, a sum, and what to do. */
async function restLines(api: Api, batch: BatchDetails): Promise<string[]> {
  const at = { batch, sinceMs: 0, now: new Date() }
  const not = (status: ToldBatchView['status']) => batch.views.filter((view) => view.status === status)
  const failures = not('failed')
  const reasons = await Promise.all(
    failures.slice(0, mostFailures).map(async (view) => {
      const run = await lastRunOf(api, view)
      return run === null ? [briefEnd(view, at, output())] : endLines(api, run)
    }),
  )
  const others = [...failures.slice(mostFailures), ...not('canceled'), ...not('skipped')]
  return [
    ...reasons.flat(),
    ...others.slice(0, mostSkipped).map((view) => briefEnd(view, at, output())),
    ...(others.length > mostSkipped ? [`  and ${others.length - mostSkipped} more`] : []),
    ...(batch.views.length === 0 ? [] : ['']),
    endOfBatch(batch, output()),
    ...(batch.error === null || batch.status === 'canceled' || failures.length > 0
      ? []
      : [`  ${batch.error.message}`]),
    ...(failures.length === 0
      ? []
      : [`  when the cause is gone: ${command(['retry', batch.id], api.typed)}`]),
  ]
}

interface Wait {
  /** False: only until the server has begun. */
  wait: boolean
  /** The caller prints JSON, so that nothing else may be printed. */
  json?: boolean | undefined
}

/** A run that has just begun is told without a line that changes if it ends within this time. */
const firstWaitSeconds = 1

/** Starts an operation on a view, and tells how it ends. If the run does not succeed, the exit code is 1. */
export async function startRun(
  api: Api,
  { view, operation, body }: { view: string; operation: Operation; body: object },
  { wait, json }: Wait,
): Promise<void> {
  const id = await unlessInterrupted(
    idOf(api, operation, { view, body, wait: wait ? firstWaitSeconds : 0 }),
    () => print(`whether a run has begun: ${command(['runs', view], api.typed)}`),
  )
  const run = await readRun(api, id)
  if (!json && /^[a-z_]\w*$/.test(view) && run.view !== `public.${view}`)
    print(`${view} is ${typed(run.view)}, the view that the name without a schema means`)
  if (!hasEnded(run) && wait) return void (await watchRun(api, id, { json }))
  if (json) printJson(run)
  else print(...(hasEnded(run) ? await endLines(api, run) : begun(api, run)))
  if (hasEnded(run) && !isDone(run)) process.exitCode = failed
}

/** The run of a request; also the run that failed while the request waited. */
async function idOf(
  api: Api,
  operation: Operation,
  request: { view: string; body: object; wait: number },
): Promise<number> {
  try {
    return (await ask(api, `${operation}View`, { ...request, idempotencyKey: randomUUID() })).runId
  } catch (error) {
    const details = error instanceof Problem ? error.details : {}
    // Another run of the view is in the way: the problem says so better than the record.
    if (details.runId === undefined || details.runningRunId !== undefined) throw error
    return details.runId
  }
}

const begun = (api: Api, { id, view, operation }: Run): string[] => [
  `run ${id}: ${operation} of ${view} has begun`,
  `  watch it: ${command(['runs', String(id), '--watch'], api.typed)}`,
]

/** Starts a batch, and watches it until its end, or tells that it has begun. */
export async function startBatch(api: Api, body: object, { wait, json }: Wait): Promise<void> {
  if (!wait && api.attend)
    throw new Problem(
      'InvalidRequest',
      'Nothing was begun: no server runs on the database of DATABASE_URL that would go on with several views. Leave out --no-wait, or start `npx viewkeeper serve`.',
      { field: '--no-wait' },
    )
  const started = await ask(api, 'startBatch', { body, idempotencyKey: randomUUID() })
  const id = started.batchId
  if (wait) await watchBatch(api, id, { json })
  else if (json) printJson(started)
  else print(`batch ${id} has begun`, `  watch it: ${command(['batches', id, '--watch'], api.typed)}`)
}
