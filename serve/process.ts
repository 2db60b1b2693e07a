import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from '../src/keeper/terms.ts'
import { forPeople, visibly } from '../src/words/for-people.ts'

/** A problem that the person at the terminal can solve. It is shown as one line, without a stack. */
export class LocalProblem extends Error {
  override name = 'LocalProblem'
}

interface LocalOptions {
  /** Where to listen; undefined: at the usual port, or at a free one near it. */
  port: number | undefined
  /** The folder for the data, the log and the password of the embedded server. */
  folder: string
  /** Another PostgreSQL, used instead of the embedded one. */
  databaseUrl?: string
}

/** Reads PORT, DATA_DIR and DATABASE_URL. An empty variable counts as not set. */
export function readOptions(env: NodeJS.ProcessEnv): LocalOptions {
  return {
    port: portOf(env),
    folder: env.DATA_DIR || '.viewkeeper',
    databaseUrl: env.DATABASE_URL || undefined,
  }
}

/** The port that PORT names; undefined if it names none. Refuses what is no port. */
export function portOf(env: NodeJS.ProcessEnv): number | undefined {
  if (!env.PORT) return undefined
  const port = Number(env.PORT)
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port
  throw new LocalProblem(
    `PORT is ${env.PORT}: it must be a number from 1 to 65535. Change it, or: unset PORT`,
  )
}

/** A port on 127.0.0.1 that nobody uses at this moment, below those that systems give to connections, which take one at any moment. */
export async function findFreePort(): Promise<number> {
  const port = 10_000 + Math.floor(Math.random() * 22_000)
  return (await isPortFree(port)) ? port : findFreePort()
}

/** Whether nobody listens on this port of an address of this machine. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

export interface Life {
  /**
   * Registers how to stop what was just started. If everything is being stopped, stops the new part at once
   * and rejects.
   */
  onStop(stop: () => Promise<void>): Promise<void>
  /** Stops everything for this reason, unless it is being stopped already. */
  fail(reason: Error): void
}

/** Ends the process with 1 after an error that nobody has caught, with one line on standard error. */
export function endOn(error: unknown): never {
  const { stack = String(error) } = Object(error) as { stack?: string }
  process.stderr.write(`viewkeeper: ended by a defect: ${stack.replace(/\s*\n\s*/g, ' ')}\n`)
  process.exit(1)
}

/**
 * npm passes on a signal that the terminal has delivered already. A second signal within this time is the
 * same Ctrl-C.
 */
const sameSignalMs = 500

/** The longest wait for the start to end after everything was stopped. */
const settleMs = 1000

/** Who sends a signal, usually: the system does not say who has. */
const senders = {
  SIGINT: 'Ctrl-C',
  SIGTERM: 'what runs the process, as systemd, Docker or Kubernetes do, or kill',
  SIGHUP: 'the terminal, which has ended',
}

/**
 * Runs `start`, and goes on until Ctrl-C, SIGTERM or the end of the terminal. This signal stops what was
 * started, in reverse order, also in the middle of the start, and then ends the process with 0. A second
 * signal ends the process at once. If the start or something that was started fails, everything is stopped
 * and the reason is thrown. The log says that the process stops, by which signal, and last that it ends.
 */
export async function untilSignal(
  start: (life: Life) => Promise<void>,
  logger?: ProcessLogger,
): Promise<never> {
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  const stops: (() => Promise<void>)[] = []
  let stoppingSince: number | undefined

  const stopAll = async () => {
    stoppingSince = Date.now()
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop()
  }
  const started = start({
    fail,
    async onStop(stop) {
      stops.push(stop)
      if (stoppingSince === undefined) return
      await stopAll()
      throw new Error('everything is being stopped')
    },
  })
  const end = (signal: NodeJS.Signals, exit: number): never => {
    logger?.info('ends', { signal, exit, stoppedForMs: Date.now() - (stoppingSince ?? 0) })
    process.exit(exit)
  }
  const onSignal = async (signal: keyof typeof senders) => {
    if (stoppingSince !== undefined) {
      if (Date.now() - stoppingSince > sameSignalMs) end(signal, 130)
      return
    }
    logger?.info('stops', { signal, sentBy: senders[signal], pid: process.pid, parentPid: process.ppid })
    await stopAll()
    // A start that is still going on loses its database or calls onStop, and so ends soon. It may hang
    // instead: postgres.js can lose a query when its connection breaks.
    await Promise.race([started.catch(() => {}), pause(settleMs)])
    end(signal, 0)
  }
  for (const signal of Object.keys(senders) as (keyof typeof senders)[]) process.on(signal, onSignal)
  // If the server ends in the middle of a transaction or a copy, postgres.js 3.4.9 still writes to the closed
  // socket. Its error cannot be caught anywhere else. Whoever called ends the process: what is thrown to nobody comes back here.
  process.off('uncaughtException', endOn)
  process.on('uncaughtException', (error) => {
    if (stoppingSince === undefined) fail(error)
  })
  started.catch(fail)
  try {
    return await failed
  } catch (error) {
    // The failure is a consequence of stopping: onSignal ends the process.
    if (stoppingSince !== undefined) return await new Promise(() => {})
    await stopAll()
    throw error
  }
}

const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL', 'SILENT'] as const
type Level = (typeof levels)[number]

/** The log of a process: one line an event. */
export interface ProcessLogger extends Logger {
  debug(message: string, fields: Record<string, unknown>): void
  /** The same, with these fields in each line. */
  with(fields: Record<string, unknown>): ProcessLogger
}

interface LogLine {
  level: Level
  message: string
  timestamp: string
}

/** Logs from this level on, each line as it is formed. */
export function makeLogger(
  level: Level,
  form: (line: LogLine & Record<string, unknown>) => string = (line) => JSON.stringify(line, visibly),
  write: (line: string) => unknown = (line) => process.stdout.write(line),
  always: Record<string, unknown> = {},
): ProcessLogger {
  const at = (own: Level) => (message: string, fields: Record<string, unknown>) => {
    if (levels.indexOf(own) < levels.indexOf(level)) return
    const line = { level: own, message, timestamp: new Date().toISOString(), ...always, ...fields }
    write(`${form(line)}\n`)
  }
  return {
    debug: at('DEBUG'),
    info: at('INFO'),
    warn: at('WARN'),
    error: at('ERROR'),
    with: (fields) => makeLogger(level, form, write, { ...always, ...fields }),
  }
}

/** The level that `LOG_LEVEL` names; undefined: it names none. */
export const levelIn = ({ LOG_LEVEL = '' }: NodeJS.ProcessEnv): Level | undefined =>
  levels.find((level) => level === LOG_LEVEL.toUpperCase())

/** The log of a process at a terminal: warnings and errors as text, or, with `LOG_LEVEL`, JSON from that level on. */
export function terminalLogger(env: NodeJS.ProcessEnv): { logger: ProcessLogger; mute(): Promise<void> } {
  const said = levelIn(env)
  if (said !== undefined) return { logger: makeLogger(said), mute: async () => {} }
  let muted = false
  return {
    logger: makeLogger('WARN', readable, (line) => muted || process.stdout.write(line)),
    async mute() {
      muted = true
    },
  }
}

/** `  09:05:34 ERROR run ended   runId 8   view public.slow   status failed` */
function readable({ level, message, timestamp, ...fields }: LogLine & Record<string, unknown>): string {
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${forPeople(typeof value === 'string' ? value : JSON.stringify(value))}`)
  return `  ${timestamp.slice(11, 19)} ${[`${level} ${message}`, ...shown].join('   ')}`
}

/** Where commands look for the local gateway if none runs on the current folder. */
export const usualPort = 8787

/** What a gateway that runs on a folder says of itself, for the commands of the folder. */
interface RunningGateway {
  pid: number
  url: string
}

const fileIn = (folder: string): string => join(folder, 'gateway.json')

/** The gateway that runs on a folder; undefined if none does. */
export function findGateway(folder: string): RunningGateway | undefined {
  try {
    const found = JSON.parse(readFileSync(fileIn(folder), 'utf8')) as RunningGateway
    process.kill(found.pid, 0)
    return found
  } catch (error) {
    // EPERM: the process lives, and is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
      ? (JSON.parse(readFileSync(fileIn(folder), 'utf8')) as RunningGateway)
      : undefined
  }
}

/** Lets commands of the folder find the gateway of this process. Returns what takes that back. */
export function announceGateway(folder: string, url: string): () => Promise<void> {
  mkdirSync(folder, { recursive: true })
  writeFileSync(fileIn(folder), JSON.stringify({ pid: process.pid, url } satisfies RunningGateway))
  return async () => rmSync(fileIn(folder), { force: true })
}

/**
 * The address of the local gateway: of the one that runs on the current folder, whatever its port, or else the usual one. PORT
 * may be the port of another program, so it counts only if no gateway runs here.
 */
export function localGateway(env: NodeJS.ProcessEnv = process.env): string {
  const running = findGateway(env.DATA_DIR || '.viewkeeper')
  return running?.url ?? `http://127.0.0.1:${portOf(env) ?? usualPort}`
}
