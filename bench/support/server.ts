import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { advance } from '../../src/batch/advance.ts'
import { startBatch } from '../../src/batch/start.ts'
import { defaults } from '../../src/config/options.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { ensureDefinition } from '../../src/record/definitions/definitions.ts'
import { readView } from '../../src/record/definitions/look.ts'
import { envelope } from '../../src/record/envelope/text.ts'
import { startRun, startRunHere } from '../../src/record/runs/runs.ts'
import { sessionEnvelope } from '../../src/run/connections/open-ahead.ts'
import { failuresOf, startUp } from '../../src/run/connections/run-connection.ts'
import { planRegularRefresh } from '../../src/run/plan/in-place.ts'
import { refresh } from '../../src/run/refresh.ts'
import { connectTo } from '../../src/server/connect.ts'
import type { Database, Sql } from '../../src/server/database.ts'

const functions = {
  advance,
  connectTo,
  ensureDefinition,
  fromUrl,
  migrate,
  planRegularRefresh,
  readView,
  refresh,
  startBatch,
  startRun,
}

/** What a benchmark uses of one checkout of Viewkeeper. */
type Code = typeof functions & {
  envelope: string
  /** Records a run in the message of its envelope; null: in this commit, a message of its own does. */
  startRunHere: typeof startRunHere | null
  /** The envelope of a connection that a batch keeps; null: this commit's batches send the text each time. */
  sessionEnvelope: Pick<typeof sessionEnvelope, 'make' | 'call'> | null
  schema: URL
  /** What the envelope has to know of a plan's failures; null: in this commit, the plan itself has it. */
  failuresOf: typeof failuresOf | null
  /** The settings of a run's connection. */
  startUp: Record<string, string>
}

/** The checkout that this file belongs to. */
export const ownCode: Code = {
  ...functions,
  envelope,
  startRunHere,
  sessionEnvelope,
  failuresOf,
  startUp,
  schema: new URL('../../schema/', import.meta.url),
}

/** Another checkout, with its modules installed. Its files may have other names, so each function is found by its own. */
export async function loadCode(folder: string): Promise<Code> {
  const source = resolve(folder, 'src')
  const files = globSync('**/*.ts', { cwd: source }).map((file) => join(source, file))
  const texts = files.map((file) => ({ file, text: readFileSync(file, 'utf8') }))
  const find = async (name: string): Promise<unknown> => {
    const exported = new RegExp(`^export (async )?(function|const) ${name}\\b`, 'm')
    const found = texts.find(({ text }) => exported.test(text))
    return found && (await import(pathToFileURL(found.file).href))[name]
  }
  const entries = await Promise.all(
    Object.keys(functions).map(async (name) => {
      const found = await find(name)
      if (found === undefined) throw new Error(`${folder} has no function ${name} in src/`)
      return [name, found] as const
    }),
  )
  const texted = (await find('envelopes')) as Record<string, string> | undefined
  const envelope =
    texted?.short ?? texted?.alone ?? (((await find('envelopeText')) ?? (await find('envelope'))) as string)
  return {
    ...(Object.fromEntries(entries) as typeof functions),
    envelope,
    startRunHere: ((await find('startRunHere')) as typeof startRunHere | undefined) ?? null,
    sessionEnvelope: ((await find('sessionEnvelope')) as typeof sessionEnvelope | undefined) ?? null,
    failuresOf: ((await find('failuresOf')) as typeof failuresOf | undefined) ?? null,
    startUp: ((await find('startUp')) as Record<string, string> | undefined) ?? {},
    schema: pathToFileURL(`${resolve(folder, 'schema')}/`),
  }
}

/** A server to measure on. */
export interface BenchServer {
  url: string
  version: string
  database: Database
  /** One connection, open all the time, without limits. */
  sql: Sql
  /** Whose code is measured; undefined: this checkout's. */
  code?: Code
}

/**
 * The usual parameters for a server of this size, except that nothing happens by itself during a measurement:
 * checkpoints are requested in between, and no autovacuum slows down one arm and not the other.
 */
const parameters = {
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  maintenance_work_mem: '256MB',
  work_mem: '32MB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
}

/** The server that POSTGRES names by the folder of its programs, as for tests. */
function installed(): Pick<Parameters<typeof startEmbeddedPostgres>[0], 'version' | 'binaries'> {
  const { POSTGRES: folder = '' } = process.env
  if (!folder.includes('/')) return {}
  const binaries = { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') }
  const [, major] = /(\d+)/.exec(execFileSync(binaries.postgres, ['--version'], { encoding: 'utf8' })) ?? []
  return { binaries, version: Number(major) as 15 }
}

/**
 * Starts an embedded server in a temporary folder, migrated, while `work` runs. Even Ctrl-C leaves nothing.
 */
export async function withServer<T>(
  work: (server: BenchServer) => Promise<T>,
  given: Pick<Parameters<typeof startEmbeddedPostgres>[0], 'version' | 'binaries' | 'parameters'> = {},
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-bench-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const { url, version, stop } = await startEmbeddedPostgres({
      folder,
      ...installed(),
      ...given,
      parameters: { ...parameters, ...given.parameters },
    })
    const interrupted = () =>
      void stop().then(() => {
        remove()
        process.exit(130)
      })
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
    try {
      return await withDatabase({ url, version }, ownCode, work)
    } finally {
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
      await stop()
    }
  } finally {
    remove()
  }
}

/** Works on a database that has the schema of `code`. */
async function withDatabase<T>(
  at: { url: string; version: string },
  code: Code,
  work: (server: BenchServer) => Promise<T>,
): Promise<T> {
  const database = code.connectTo(code.fromUrl(at.url), { regularUpToMs: defaults.regularUpToMs })
  await code.migrate(database, code.schema)
  const { sql, leave } = await database.open({ statement_timeout: '0', lock_timeout: '0' })
  try {
    return await work({ ...at, database, sql, code })
  } finally {
    await leave()
  }
}

/** Works on a database of its own on the same server, with the schema of `code`. */
export async function withOtherDatabase<T>(
  { url, version, sql }: BenchServer,
  code: Code,
  work: (server: BenchServer) => Promise<T>,
): Promise<T> {
  await sql`create database other`
  return withDatabase({ url: Object.assign(new URL(url), { pathname: '/other' }).href, version }, code, work)
}
