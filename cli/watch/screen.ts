import type { Output } from '../output/terminal.ts'
import { isLive, output, print } from '../output/terminal.ts'

/** Lines that stay, and below them lines that change. Without a terminal there are only lines that stay. */
export interface Screen {
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
export async function openScreen(): Promise<Screen> {
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
