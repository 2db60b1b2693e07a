import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readOptions } from '../../serve/process.ts'

export interface Lock {
  pid: number
  port: number
  status: string
}

/** The content of `postmaster.pid` in a data folder; undefined if the file does not exist. */
export function readLock(data: string): Lock | undefined {
  try {
    // The lines: pid, data folder, start time, port, socket folder, listen address, shared memory key,
    // status.
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]), status: lines[7]?.trim() ?? '' }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The server that uses a data folder now, if any. PostgreSQL removes the lock of a dead server itself, unless
 * another process has that pid now (after a restart of the machine): then this function removes the lock.
 */
export function findLiveServer(data: string): Lock | undefined {
  const lock = readLock(data)
  if (!lock?.pid || !isAlive(lock.pid)) return undefined
  if (commandOf(lock.pid).includes('postgres')) return lock
  rmSync(join(data, 'postmaster.pid'), { force: true })
  return undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return execFileSync('ps', ['-o', 'args=', '-p', `${pid}`], { encoding: 'utf8' })
  } catch {
    return '' // the process has ended in between
  }
}

/** The address of the embedded server that runs on a folder, with its password; undefined if none runs. */
function findLiveUrl(folder: string): string | undefined {
  const server = findLiveServer(join(folder, 'postgres-18'))
  if (server === undefined) return undefined
  const password = readFileSync(join(folder, 'password'), 'utf8')
  return `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`
}

/**
 * Prints the address of the embedded server that `command` runs, for DATABASE_URL and psql. The address holds the password.
 * Ends the process with 1 if no server runs.
 */
export function printDatabaseUrl(command: string): void {
  const { folder } = readOptions(process.env)
  const url = findLiveUrl(folder)
  if (url === undefined) {
    console.error(`viewkeeper: no PostgreSQL runs on ${folder}/; start it with ${command}`)
    process.exit(1)
  }
  console.log(url)
}
