import { fileURLToPath } from 'node:url'
import pty from '@lydell/node-pty'
import xterm from '@xterm/headless'
import { onTestFinished, vi } from 'vitest'
import { hangsMs } from '../../support/waiting/until.ts'

const commandLine = fileURLToPath(new URL('../../../cli/viewkeeper.js', import.meta.url))

export interface Terminal {
  /** The lines of the screen with those that have scrolled away, without empty ones at the end. */
  lines(): string[]
  /** The lines that are the rest of the line before, which was longer than the terminal is wide. */
  wrapped(): string[]
  /** Resolves when the lines, joined, match. */
  sees(pattern: RegExp): Promise<void>
  /** Types keys: Ctrl-C is `\x03`. */
  type(keys: string): void
  /** All bytes that were written. */
  written(): string
  exitCode: Promise<number>
}

interface TerminalOptions {
  cwd: string
  env?: Record<string, string>
  columns?: number
  rows?: number
}

/** Runs `viewkeeper` in a terminal, as a person sees it. Whatever is left of it ends with the test. */
export function terminalWith(
  args: string[],
  { cwd, env = {}, columns = 80, rows = 24 }: TerminalOptions,
): Terminal {
  const screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 10_000 })
  const child = pty.spawn(process.execPath, [commandLine, ...args], {
    cwd,
    cols: columns,
    rows,
    name: 'xterm-256color',
    env: {
      PATH: process.env.PATH ?? '',
      HOME: cwd,
      TERM: 'xterm-256color',
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      ...env,
    },
  })
  let written = ''
  let drawn = Promise.resolve()
  let ended = false
  child.onData((data) => {
    written += data
    drawn = drawn.then(() => new Promise((done) => screen.write(data, done)))
  })
  const exitCode = new Promise<number>((resolve) =>
    child.onExit(({ exitCode }) => {
      ended = true
      void drawn.then(() => resolve(exitCode))
    }),
  )
  const lines = () => {
    const { active } = screen.buffer
    const all = Array.from(
      { length: active.length },
      (_, at) => active.getLine(at)?.translateToString(true) ?? '',
    )
    while (all.at(-1) === '') all.pop()
    return all
  }
  onTestFinished(() => {
    if (!ended) child.kill('SIGKILL')
    screen.dispose()
  })
  const wrapped = () => {
    const { active } = screen.buffer
    return lines().filter((_, at) => active.getLine(at)?.isWrapped)
  }
  return {
    lines,
    wrapped,
    async sees(pattern) {
      const found = () => pattern.test(lines().join('\n'))
      await vi.waitUntil(found, { timeout: hangsMs, interval: 20 }).catch(() => {
        throw new Error(`the terminal never showed ${pattern}; only:\n${lines().join('\n')}`)
      })
    },
    type: (keys) => child.write(keys),
    written: () => written,
    exitCode,
  }
}
