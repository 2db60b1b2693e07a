import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { findFreePort } from '../../../serve/process.ts'
import { startTestServer, type TestServer } from '../../support/servers/test-server.ts'
import { noNightNow } from '../../support/waiting/half-a-day.ts'
import { until } from '../../support/waiting/until.ts'
import { temporaryFolder } from './viewkeeper.ts'

const commandLine = fileURLToPath(new URL('../../../cli/viewkeeper.js', import.meta.url))

/** A server of the file, with a role `app` that may make roles. */
export function useServer() {
  let server: TestServer
  let admin: postgres.Sql
  beforeAll(async () => {
    server = await startTestServer()
    admin = postgres(server.url, { max: 1, onnotice() {} })
    await admin`create role app login password 'secret' createrole`
  })
  afterAll(async () => {
    await admin?.end({ timeout: 1 })
    await server?.stop()
  })
  return {
    /** The address of its superuser. */
    url: () => server.url,
    /** A database that role `app` owns. */
    async databaseOf(name: string) {
      await admin.unsafe(`create database ${name} owner app`)
      const url = new URL(server.url)
      Object.assign(url, { username: 'app', password: 'secret', pathname: `/${name}` })
      const sql = postgres(url.href, { max: 1, onnotice() {} })
      onTestFinished(() => sql.end({ timeout: 1 }))
      return { url: url.href, sql }
    },
  }
}

/** A process of `viewkeeper serve`. */
export interface Copy {
  process: ChildProcess
  url: string
  lines: { message: string; [field: string]: unknown }[]
  printed(): string
  exit: Promise<number | null>
  says(message: RegExp): Promise<unknown>
}

/** A copy in a folder of its own; it ends with the test. `command`: the command line of another version. */
export async function serve(
  env: Record<string, string>,
  args: string[] = [],
  config = `{ serve: { schedules: ${JSON.stringify(noNightNow)} } }`,
  command = commandLine,
): Promise<Copy> {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'migrations'))
  writeFileSync(join(folder, 'viewkeeper.config.mjs'), `export default ${config}\n`)
  const port = await findFreePort()
  const { DATABASE_URL: _, ...inherited } = process.env
  const child = spawn(process.execPath, [command, 'serve', ...args], {
    cwd: folder,
    env: { ...inherited, PORT: String(port), NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      printed += part
    })
  const exit = once(child, 'close').then(([code]) => code as number | null)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exit
  })
  const copy: Copy = {
    process: child,
    url: `http://127.0.0.1:${port}`,
    get lines() {
      // A line has come whole when the next one begins.
      const whole = printed.split('\n').slice(0, -1)
      return whole.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
    },
    printed: () => printed,
    exit,
    says: (message) =>
      until(
        () => `a copy says ${message}: ${printed}`,
        async () => copy.lines.some((line) => message.test(line.message)),
      ),
  }
  return copy
}

/** What a copy does at present, by its own words: `leads`, `follows` or `cannot`. */
export const standingOf = (copy: Copy) =>
  copy.lines
    .findLast(({ message }) => /^(leads|follows|cannot reach)/.test(message))
    ?.message.split(/[: ]/)[0]

/** Waits until a copy leads, follows or cannot reach the database. */
export const stands = (copy: Copy, standing: 'leads' | 'follows' | 'cannot') =>
  until(
    () => `a copy ${standing}: ${copy.printed()}`,
    async () => standingOf(copy) === standing,
  )

/** What a copy warns of, beside what each leader says first here: it has no channel. */
export const warnings = (copy: Copy) =>
  copy.lines
    .filter(({ level, message }) => level !== 'INFO' && !message.startsWith('nobody is told'))
    .map(({ message }) => message)

/** The status of an answer to a request of a copy, and its code if it is a problem: `503 DatabaseUnavailable`. */
export async function asked(copy: Copy, path: string, how?: RequestInit): Promise<string> {
  const answer = await fetch(`${copy.url}${path}`, how)
  const [, code] = /"code": "(\w+)"/.exec(await answer.text()) ?? []
  return [answer.status, code].filter(Boolean).join(' ')
}

/** A request for a refresh whose caller waits. */
export const waiting = { method: 'POST', headers: { prefer: 'wait=20' } } as const

/** Runs a command to its end, in a folder of its own. */
export async function runCommand(args: string[], env: Record<string, string>) {
  const { DATABASE_URL: _, ...inherited } = process.env
  const child = spawn(process.execPath, [commandLine, ...args], {
    cwd: temporaryFolder(),
    env: { ...inherited, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err, [exit]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { printed: out + err, exit }
}
