import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { NewMigration } from './plan/freeze.ts'
import { type FrozenMigration, type FrozenText, parseFrozen, renderFrozen } from './plan/frozen.ts'
import { insistOnOrder, numbered, refused } from './plan/journal.ts'

const fileName = /^(\d{3,})_([A-Za-z0-9_+@]+)\.(up|down)\.sql$/

/**
 * Reads the frozen migrations of a folder, in order; a folder that does not exist has none. Refuses (MigrationFailed), by
 * name: gaps, two files with one number, an up file without its down file, SQL that differs from its header.
 */
export const readFrozenMigrations = async (folder: URL): Promise<FrozenMigration[]> =>
  readFrozenMigrationsSync(folder)

/** The same for a construct of CDK, which cannot wait. */
export function readFrozenMigrationsSync(folder: URL): FrozenMigration[] {
  const migrations = readPairs(folder)
  insistOnOrder(migrations)
  return migrations
}

/** Whatever their numbers are: sorted by number, then by name. */
function readPairs(folder: URL): FrozenMigration[] {
  const files = listFiles(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
  const texts = files.map((file) => readFrozen(folder, file))
  const pairs = [...Map.groupBy(texts, ({ name }) => name)].sort(([a], [b]) =>
    a.localeCompare(b, 'en', { numeric: true }),
  )
  return pairs.map(([name, pair]) => {
    const up = pair.find(({ way }) => way === 'up')
    const down = pair.find(({ way }) => way === 'down') ?? null
    if (up === undefined) throw refused(`${name}.down.sql has no ${name}.up.sql.`)
    if (down === null && up.change.does !== 'sql')
      throw refused(`${name}.up.sql has no ${name}.down.sql. Restore that file.`)
    return pairUp(Number.parseInt(name, 10), name, up, down)
  })
}

/** A migration that is not written yet. Own SQL may lack a way back. */
export type Fresh = Pick<NewMigration, 'words' | 'up'> & { down: NewMigration['down'] | null }

/** The migrations that come after those of the folder, with their numbers and texts. */
export const toMigrations = (fresh: Fresh[], frozen: FrozenMigration[]): FrozenMigration[] =>
  fresh.map(({ words, up, down }, at) => {
    const number = (frozen.at(-1)?.number ?? 0) + at + 1
    const name = `${numbered(number)}_${words}`
    return pairUp(
      number,
      name,
      frozenText(`${name}.up.sql`, renderFrozen(up)),
      down && frozenText(`${name}.down.sql`, renderFrozen(down)),
    )
  })

/** The migration that consists of these two files. */
const pairUp = (number: number, name: string, up: FrozenText, down: FrozenText | null): FrozenMigration => ({
  number,
  name,
  up: textOf(up),
  down: down && textOf(down),
  checksum: checksumOf(up.text, down?.text ?? ''),
})

const textOf = ({ file, text, change, why }: FrozenText): FrozenText => ({ file, text, change, why })

/** Reads the text of a file. Refuses a text whose SQL differs from its header. */
export function frozenText(file: string, text: string): FrozenText {
  const frozen = parseFrozen(text)
  if (frozen !== null) return { ...frozen, file, text }
  throw refused(
    `${file} was edited: its SQL differs from its header. Restore the file, change the view's definition, and freeze that.`,
  )
}

function listFiles(folder: URL): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function readFrozen(folder: URL, file: string): FrozenText & { name: string; way: string } {
  const [, number, words, way] = fileName.exec(file) ?? []
  if (way === undefined) {
    throw refused(`${file} is no name of a migration. Names are 001_words.up.sql with 001_words.down.sql.`)
  }
  const text = readFileSync(new URL(file, folder), 'utf8').replaceAll('\r\n', '\n')
  return { ...frozenText(file, text), name: `${number}_${words}`, way }
}

const checksumOf = (...texts: string[]): string => createHash('sha256').update(texts.join('\0')).digest('hex')
