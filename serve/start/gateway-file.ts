import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { portOf } from '../process.ts'

/** Where commands look for the local gateway if none runs on the current folder. */
export const usualPort = 8787

/** What a gateway that runs on a folder says of itself, for the commands of the folder. */
export interface RunningGateway {
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
