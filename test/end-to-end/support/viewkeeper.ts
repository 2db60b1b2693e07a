import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished, vi } from 'vitest'
import { readLock } from '../../../local/embedded/lock.ts'
import { findFreePort } from '../../../serve/process.ts'
import { hangsMs } from '../../support/waiting/until.ts'

const commandLine = fileURLToPath(new URL('../../../cli/viewkeeper.js', import.meta.url))
const { DATABASE_URL: _, ...inherited } = process.env

export interface Started {
  port: number
  folder: string
  /** All that was printed so far. */
  printed(): string
  /** Resolves when the output matches. */
  sees(pattern: RegExp): Promise<RegExpExecArray>
  /** What Ctrl-C does in a terminal: the signal reaches npm and Node, and npm passes it on once more. */
  interrupt(): void
  /** Kills Node and npm, giving them no chance to stop anything. */
  kill(): void
  exitCode: Promise<number | null>
}

/** Runs `npm start` as a person would, with these variables; whatever is left of it ends with the test. */
export const npmStart = (env: Record<string, string> = {}, more: string[] = []): Promise<Started> =>
  startHere(['npm', 'start', '--silent', ...more], { env })

/** The same for `viewkeeper dev` in a folder; its data are in the folder, too. */
export const viewkeeperDev = (cwd: string, env: Record<string, string> = {}): Promise<Started> =>
  startHere([process.execPath, commandLine, 'dev'], {
    cwd,
    env: { DATA_DIR: join(cwd, '.viewkeeper'), ...env },
  })

async function startHere(
  [file, ...args]: [string, ...string[]],
  { cwd, env }: { cwd?: string; env: Record<string, string> },
): Promise<Started> {
  const { DATA_DIR: folder = temporaryFolder(), PORT = `${await findFreePort()}` } = env
  const child = spawn(file, args, {
    cwd,
    detached: true,
    env: { ...inherited, ...env, DATA_DIR: folder, PORT, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exitCode = once(child, 'close').then(([code]) => code as number | null)
  const output = collect(child)
  const signal = (name: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, name)
  }
  onTestFinished(async () => {
    // Not kill -9: the server would still be writing to a folder that is about to be removed.
    signal('SIGINT')
    await exitCode
  })
  return {
    port: Number(PORT),
    folder,
    ...output,
    interrupt: () => signal('SIGINT'),
    kill: () => signal('SIGKILL'),
    exitCode,
  }
}

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 }))
  return folder
}

/** The pid of the PostgreSQL server that keeps its data in this folder. */
export const serverPid = (folder: string): number | undefined => readLock(join(folder, 'postgres-18'))?.pid

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function collect(child: ChildProcess): Pick<Started, 'printed' | 'sees'> {
  let text = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
  }
  const sees = async (pattern: RegExp) => {
    const found = () => pattern.exec(text)
    const ended = () => child.exitCode !== null || child.signalCode !== null
    await vi.waitUntil(() => found() || ended(), { timeout: hangsMs, interval: 20 }).catch(() => {})
    const match = found()
    if (!match) throw new Error(`never printed ${pattern}; only:\n${text}`)
    return match
  }
  return { printed: () => text, sees }
}
