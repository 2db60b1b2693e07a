import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findLiveServer } from './lock.ts'

/** The address of the embedded server that runs on a folder, with its password; undefined if none runs. */
export function findLiveUrl(folder: string): string | undefined {
  const server = findLiveServer(join(folder, 'postgres-18'))
  if (server === undefined) return undefined
  const password = readFileSync(join(folder, 'password'), 'utf8')
  return `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`
}
