import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { advance } from '../../src/batch/advance.ts'
import { startBatch } from '../../src/batch/start.ts'
import { readView } from '../../src/catalog/db/catalog.ts'
import { ensureDefinition } from '../../src/catalog/db/definitions.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { startRun, startRunHere } from '../../src/run/db/runs.ts'
import { sessionEnvelope } from '../../src/run/envelope/open-ahead.ts'
import { failuresOf, startUp } from '../../src/run/envelope/run-connection.ts'
import { envelope } from '../../src/run/envelope/text.ts'
import { planRegularRefresh } from '../../src/run/plan/refresh.ts'
import { refresh } from '../../src/run/refresh.ts'
import { connectTo } from '../../src/server/connect.ts'

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
export type Code = typeof functions & {
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
