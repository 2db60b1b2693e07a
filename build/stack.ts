import { readFile, rm } from 'node:fs/promises'
import { SourceMap } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { buildFunction } from './functions.ts'

// npm run stack -- <function>: reads the log of that function, in the version of this commit, and prints it with the places of its
// stacks in the sources. The functions are deployed without source maps.

/** As deep in the repository as `dist/functions`: the names of chunks depend on their way to the sources. */
const folder = fileURLToPath(new URL('../.viewkeeper/stack', import.meta.url))

/** A log of a function with places in the sources instead of those in its bundle; what no bundle of this commit has, stays. */
export async function inSources(name: string, log: string): Promise<string> {
  try {
    const { outputs } = await buildFunction(name, folder, true)
    const maps = new Map<string, SourceMap>()
    for (const file of Object.keys(outputs).flatMap((path) => /[^/]+\.mjs$/.exec(path) ?? []))
      maps.set(file, new SourceMap(JSON.parse(await readFile(join(folder, name, `${file}.map`), 'utf8'))))
    return log.replace(/file:[^\s()"]*\/([^/\s]+\.mjs):(\d+):(\d+)/g, (place, file, line, column) => {
      const origin = maps.get(file)?.findOrigin(Number(line), Number(column))
      if (origin === undefined || !('fileName' in origin)) return place
      return `${origin.fileName.replace(/^(\.\.\/)+/, '')}:${origin.lineNumber}:${origin.columnNumber}`
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

if (import.meta.main) process.stdout.write(await inSources(process.argv[2] ?? '', await text(process.stdin)))
