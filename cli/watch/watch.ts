import { setTimeout as pause } from 'node:timers/promises'
import { command } from '../../src/sql/commands.ts'
import type { Api } from '../api/api.ts'
import { exitCodeOf, failed, interrupted as interruptedCode, unavailable } from '../output/problem.ts'
import { isLive, type Output, output, print, printJson } from '../output/terminal.ts'

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
export async function watch<T>(
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
      `${noun} ${id} goes on without you`,
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
