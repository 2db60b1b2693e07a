import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const advancing = fileURLToPath(new URL('advancing.ts', import.meta.url))

/** A process that is about to advance a batch. */
export interface Driver {
  /** Lets it go, and kills it (-9) so long afterwards. True where it was still at work. */
  advanceAndKill(afterMs: number): Promise<boolean>
}

/** Starts a process that waits to advance a batch. */
export async function readyAdvancer(url: string, batchId: string): Promise<Driver> {
  const child: ChildProcess = spawn(process.execPath, [advancing, url, batchId], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  await once(child.stdout!, 'data')
  return {
    async advanceAndKill(afterMs) {
      child.stdin!.write('go\n')
      await Promise.race([exit, pause(afterMs)])
      child.kill('SIGKILL')
      const [, signal] = await exit
      return signal === 'SIGKILL'
    },
  }
}
