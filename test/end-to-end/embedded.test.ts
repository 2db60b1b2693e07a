import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { expect, onTestFinished, test } from 'vitest'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { deep, eachCase } from '../support/deep.ts'
import { until } from '../support/waiting/until.ts'
import { isAlive, serverPid, temporaryFolder } from './support/viewkeeper.ts'

eachCase([18, 15] as const, { quick: 1 })(
  'PostgreSQL %i starts, keeps its data and stops',
  async (version) => {
    const folder = temporaryFolder()
    const first = await start(folder, { version })
    expect(first.version).toMatch(new RegExp(`^${version}\\.\\d+$`))
    await query(first.url, 'create table kept as select 42 as n')
    await first.stop()
    await expect(query(first.url, 'select 1')).rejects.toThrow()

    const second = await start(folder, { version })
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 42 }])
    expect(await query(second.url, 'show server_encoding')).toEqual([{ server_encoding: 'UTF8' }])
    expect(await query(second.url, `select 'a' < 'B' as "sortsLikePeople"`)).toEqual([
      { sortsLikePeople: false },
    ])
  },
)

test('it listens on loopback only, and asks for the password', async () => {
  const folder = temporaryFolder()
  const { url } = await start(folder)
  expect(await query(url, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }])
  expect(await query(url, 'show unix_socket_directories')).toEqual([{ unix_socket_directories: '' }])
  await expect(query(url.replace(/:[^:@]+@/, ':guess@'), 'select 1')).rejects.toMatchObject({ code: '28P01' })
  expect(statSync(join(folder, 'password')).mode & 0o777).toBe(0o600)
})

test('a folder closed to others is no hindrance', deep, async () => {
  const closed = temporaryFolder()
  chmodSync(closed, 0o700)
  const { url } = await start(join(closed, 'inner'))
  expect(await query(url, 'select 1 as n')).toEqual([{ n: 1 }])
})

test('a folder in use is refused in one line, naming the server', async () => {
  const folder = temporaryFolder()
  await start(folder)
  await expect(startEmbeddedPostgres({ folder })).rejects.toThrow(
    new RegExp(`^\\S+ is in use by a PostgreSQL server \\(pid ${serverPid(folder)}, port \\d+\\): .*$`),
  )
})

test('two starts on an empty folder at once: one has it, the other is refused', deep, async () => {
  const folder = temporaryFolder()
  const both = await Promise.allSettled([start(folder), start(folder)])
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  const refused = both.find((start) => start.status === 'rejected')
  expect(refused?.reason.message).toMatch(/is in use by a PostgreSQL server/)
})

test(
  'the lock of a dead server is no hindrance, even when its pid is that of another process',
  deep,
  async () => {
    const folder = temporaryFolder()
    await (await start(folder)).stop()
    const lock = (pid: number) => `${pid}\n${folder}/postgres-18\n1\n5432\n\n127.0.0.1\n1 2\nready\n`
    for (const pid of [process.pid, 2 ** 22 + 1]) {
      writeFileSync(join(folder, 'postgres-18', 'postmaster.pid'), lock(pid))
      const { url, stop } = await start(folder)
      expect(await query(url, 'select 1 as n')).toEqual([{ n: 1 }])
      await stop()
    }
  },
)

eachCase(['SIGINT', 'SIGTERM', 'SIGKILL'] as const, { quick: 1 })(
  'the server ends with a process ended by %s',
  async (signal) => {
    const folder = temporaryFolder()
    const process = spawn('node', ['--input-type=module', '-e', starter(folder)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void process.kill('SIGKILL'))
    await once(process.stdout, 'data')
    const server = serverPid(folder)!
    expect(isAlive(server)).toBe(true)
    process.kill(signal)
    await until('the server has ended', async () => !isAlive(server))
  },
)

test('a server that cannot start says why, and leaves nothing behind', deep, async () => {
  const folder = temporaryFolder()
  await expect(startEmbeddedPostgres({ folder, parameters: { max_connections: 'many' } })).rejects.toThrow(
    /^embedded PostgreSQL did not start: .*max_connections.*$/,
  )
  expect(serverPid(folder)).toBeUndefined()
})

test('a half-made data folder of a killed start is not taken for a whole one', deep, async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'postgres-18.4711'))
  const { url } = await start(folder)
  expect(await query(url, 'select 1 as n')).toEqual([{ n: 1 }])
  expect(readFileSync(join(folder, 'postgres-18', 'PG_VERSION'), 'utf8')).toBe('18\n')
})

async function start(
  folder: string,
  options: Omit<Parameters<typeof startEmbeddedPostgres>[0], 'folder'> = {},
) {
  const server = await startEmbeddedPostgres({ folder, ...options })
  onTestFinished(server.stop)
  return server
}

async function query(url: string, text: string) {
  const sql = postgres(url, { max: 1, onnotice() {} })
  try {
    return [...(await sql.unsafe(text))]
  } finally {
    await sql.end({ timeout: 0 })
  }
}

const starter = (folder: string) => `
  import { startEmbeddedPostgres } from ${JSON.stringify(new URL('../../local/embedded/embedded.ts', import.meta.url).href)}
  await startEmbeddedPostgres({ folder: ${JSON.stringify(folder)} })
  console.log('started')
  setInterval(() => {}, 1000)`
