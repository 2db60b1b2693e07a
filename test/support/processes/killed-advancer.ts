import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const advancing = fileURLToPath(new URL('advancing.ts', import.meta.url))

/** A process that is about to advance a batch. */
export interface ReadyAdvancer {
  /** Lets the process go on, and kills it (-9) after so many milliseconds, or after `when`. True if it was still at work. */
  advanceAndKill(when: number | (() => Promise<unknown>)): Promise<boolean>
}

/** Starts a process that waits to advance a batch. */
export async function readyAdvancer(url: string, batchId: string): Promise<ReadyAdvancer> {
  const child: ChildProcess = spawn(process.execPath, [advancing, url, batchId], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  await once(child.stdout!, 'data')
  return {
    async advanceAndKill(when) {
      child.stdin!.write('go\n')
      try {
        await Promise.race([exit, typeof when === 'number' ? pause(when) : when()])
      } finally {
        child.kill('SIGKILL')
      }
      const [, signal] = await exit
      return signal === 'SIGKILL'
    },
  }
}
