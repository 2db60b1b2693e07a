import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import postgres from 'postgres'
import {
  type Binaries,
  type EmbeddedPostgres,
  findBinaries,
  findServerUser,
  keepPassword,
  makeData,
  type ServerUser,
  startEmbeddedPostgres,
} from '../../../local/embedded/embedded.ts'

const under = process.env.POSTGRES ?? '18'

/**
 * A server that npm has not installed, if POSTGRES names the folder of its programs. Distributions ship minor releases that npm
 * does not have yet: `POSTGRES=/usr/lib/postgresql/15/bin` is Debian's.
 */
export const installed: Binaries | undefined = under.includes('/')
  ? { initdb: join(under, 'initdb'), postgres: join(under, 'postgres') }
  : undefined

const version =
  installed === undefined
    ? under
    : execFileSync(installed.postgres, ['--version'], { encoding: 'utf8' }).split(' ')[2]!

/** The major version of PostgreSQL under test: the newest, or the one that POSTGRES names. */
export const major = Number.parseInt(version, 10) as 15 | 16 | 17 | 18 | 19

export interface TestServer extends EmbeddedPostgres {
  /** Where the data lie. */
  data: string
  /** What the server has logged. */
  log(): Promise<string>
  /** Stops the server and moves its folder, to be started again. */
  stopAndKeep(folder: string): Promise<void>
}

interface Options {
  parameters?: Record<string, string>
  /** The folder in which the server gets its own. */
  place?: string
  /** Called before the start with the data folder and the user that has to own every file of the server. */
  prepare?(data: string, user: ServerUser): Promise<void> | void
}

/**
 * Starts an empty server of the major version under test. Its data folder is a copy of one that `initdb` has made once. The
 * server does not wait for the disk: that loses data only if the machine crashes. `stop` removes the folder.
 */
export async function startTestServer({
  parameters,
  place = tmpdir(),
  prepare,
}: Options = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(place, 'viewkeeper-server-'))
  await promisify(execFile)('cp', ['-a', ...(await initialised()), folder])
  const data = join(folder, `postgres-${major}`)
  await prepare?.(data, findServerUser([data]))
  const server = await startEmbeddedPostgres({
    folder,
    version: major,
    parameters: { ...quick, ...parameters },
    ...(installed && { binaries: installed }),
  })
  await hashOnce(server.url)
  return {
    ...server,
    data,
    log: () => readFile(`${data}.log`, 'utf8'),
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
    async stopAndKeep(kept) {
      await server.stop()
      await promisify(execFile)('mv', [folder, kept])
    },
  }
}

/** Nothing has to outlast the machine, and no password of a test is worth 4,096 rounds of hashing at each connect. */
const quick = { fsync: 'off', ...(major >= 16 && { scram_iterations: '1' }) }

/** Gives the superuser its password again, hashed in as few rounds as the parameters say. */
async function hashOnce(url: string): Promise<void> {
  if (major < 16) return
  const sql = postgres(url, { max: 1 })
  const [{ standby } = {}] = await sql`select pg_is_in_recovery() as standby`
  if (!standby) await sql.unsafe(`alter role postgres password '${new URL(url).password}'`)
  await sql.end()
}

/** What decides what `initdb` makes: the server's version and our own call of `initdb`. */
const ingredients = [
  '../../../package-lock.json',
  '../../../.ci/majors/package-lock.json',
  '../../../local/embedded/embedded.ts',
]

/**
 * The data and the password of a server that has never run. The first test that needs them makes them, and later test runs use
 * them, too. Beside them may lie what another process is just making.
 */
async function initialised(): Promise<[data: string, password: string]> {
  const hash = createHash('sha256')
  for (const file of ingredients) hash.update(readFileSync(new URL(file, import.meta.url)))
  const cache = fileURLToPath(new URL('../../../node_modules/.cache/viewkeeper/', import.meta.url))
  const folder = join(cache, `postgres-${version}-${hash.digest('hex').slice(0, 8)}`)
  mkdirSync(folder, { recursive: true })
  const data = join(folder, `postgres-${major}`)
  const { initdb, postgres } = installed ?? (await findBinaries(major))
  const user = findServerUser([data, postgres])
  const { file } = keepPassword(folder, user)
  await makeData({ data, password: file, initdb, version: major, user })
  return [data, file]
}
