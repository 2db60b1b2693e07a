import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { chunksOf } from '../build/chunks.ts'
import { buildFunction } from '../build/functions.ts'
import { inRounds, type Sample } from './support/measure.ts'
import { compare, type Row } from './support/table.ts'

const functionsFolder = fileURLToPath(new URL('../functions', import.meta.url))

/** What a call loads, if the function has it: by what the environment says of the login. */
const whatCallsLoad = [
  'src/server/connection.ts',
  'src/batch/advance.ts',
  'src/api/lambda/start-batch.ts',
  'src/api/lambda/send.ts',
  'src/api/lambda/migrate.ts',
]
const moments = {
  'Import, before the first call': { entries: [], goal: 2 },
  'Import, and what the first call loads if the login is a token of IAM': {
    entries: [...whatCallsLoad, 'src/api/lambda/sign-token.ts'],
  },
  'Import, and what the first call loads if the login is in a secret': {
    entries: [...whatCallsLoad, 'src/api/lambda/secrets-client.ts'],
  },
}

/** Measures what Node loads to start each function, and how long that takes compared with Node without a function. */
export async function measureStart(): Promise<Row[]> {
  console.error('bench: the start of the functions, about 2 minutes')
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-bench-'))
  try {
    const names = (await readdir(functionsFolder)).map((file) => basename(file, '.ts'))
    const built = await Promise.all(
      names.map(async (name) => ({ name, metafile: await buildFunction(name, folder) })),
    )
    const rows: Row[] = []
    const bare: Sample[] = []
    for (const [title, { entries, ...goal }] of Object.entries(moments)) {
      rows.push({ title })
      for (const { name, metafile } of built) {
        const files = chunksOf(metafile, entries).map(({ path }) => path)
        const arms = { bare: () => startNode([]), start: () => startNode(files) }
        const samples = await inRounds(arms, { rounds: 15, warmUp: 1 })
        bare.push(...samples.bare)
        rows.push({
          ...compare(name, samples.start, { to: samples.bare, ...goal }),
          gzippedBytes: await gzippedBytes(files),
        })
      }
    }
    return [{ title: `Node ${process.version}` }, compare('without a function', bare), ...rows]
  } finally {
    await rm(folder, { recursive: true })
  }
}

const run = promisify(execFile)

/** A new process that imports these files, from its start to its end. */
async function startNode(files: string[]): Promise<Sample> {
  const urls = files.map((file) => pathToFileURL(file).href)
  const program = `for (const url of ${JSON.stringify(urls)}) await import(url)`
  const start = performance.now()
  await run(process.execPath, ['--input-type=module', '--eval', program])
  return { ms: performance.now() - start, reads: [] }
}

async function gzippedBytes(files: string[]): Promise<number> {
  const contents = await Promise.all(files.map((file) => readFile(file)))
  return contents.reduce((sum, content) => sum + gzipSync(content, { level: 9 }).length, 0)
}
