import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import packageJson from '../package.json' with { type: 'json' }
import type { Row } from './support/table.ts'

const root = new URL('../', import.meta.url)
const docs = new URL('docs/benchmarks.md', root)
const note = /<!-- figures: version (\S+), code (\S+) -->\n.*\n/

/** Where the figures of docs/benchmarks.md come from. */
export interface Figures {
  version: string
  /** See `fingerprint`. */
  code: string
}

/** What the note at the top of docs/benchmarks.md says. */
export function readFigures(): Figures {
  const [, version, code] = note.exec(readFileSync(docs, 'utf8'))!
  return { version: version!, code: code! }
}

/** A hash of all that the figures depend on most: the benchmarks and the envelope. */
export function fingerprint(): string {
  const hash = createHash('sha256')
  for (const file of globSync(['bench/**/*.ts', 'src/run/envelope/*.ts'], { cwd: root }).sort())
    hash.update(`${file}\n`).update(readFileSync(new URL(file, root)))
  return hash.digest('hex').slice(0, 12)
}

/** Whether the code has changed since, and more than one release ago. `releases` has the newest first. */
export const areOutdated = (figures: Figures, code: string, releases: string[]): boolean =>
  figures.code !== code && !releases.slice(0, 2).includes(figures.version)

/** Writes into docs/benchmarks.md that its figures come from this commit. For use after all were measured anew. */
export async function stampFigures(): Promise<Row[]> {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
  const { version } = packageJson
  const line = `All figures come from commit ${commit}, version ${version}.`
  const text = readFileSync(docs, 'utf8')
  writeFileSync(
    docs,
    text.replace(note, `<!-- figures: version ${version}, code ${fingerprint()} -->\n${line}\n`),
  )
  return [{ title: line }]
}
