import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Client } from './struck.ts'
import type { Scene, WayName } from './ways.ts'

const driver = fileURLToPath(new URL('driver.ts', import.meta.url))

/** A process that is about to go a way. */
export interface ReadyClient {
  go(way: WayName, scene: Scene, wrongMs?: number): Client
  /** Ends the process, whether or not it has gone. */
  end(): void
}

/** Starts a process that waits until it is told which way to go. */
export async function readyClient(url: string): Promise<ReadyClient> {
  const child = spawn(process.execPath, [driver, url], { stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  await once(child.stdout, 'data')
  let told = ''
  child.stdout.on('data', (text) => {
    told += text
  })
  return {
    go(way, scene, wrongMs = 0) {
      child.stdin.write(`${JSON.stringify([way, scene, wrongMs])}\n`)
      return {
        told: closed.then(([, signal]) => signal ?? told),
        signal: (signal) => void child.kill(signal),
      }
    },
    end: () => void child.kill('SIGKILL'),
  }
}
