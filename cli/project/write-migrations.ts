import { mkdir, rm } from 'node:fs/promises'
import { frozenText, pairUp } from '../../src/files/frozen-migrations.ts'
import { type FrozenMigration, renderFrozen } from '../../src/plan/migrations/frozen.ts'
import type { NewMigration } from '../../src/plan/migrations/new-migration.ts'
import { numbered } from '../../src/plan/migrations/order.ts'
import { report } from '../../src/terminal/report.ts'
import { readFolders, shownPath } from './folders.ts'
import { writeNew } from './write-new.ts'

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

/** Writes all of them or none. Never replaces a file. */
export async function writeMigrations(migrations: FrozenMigration[]): Promise<void> {
  const { migrations: folder } = await readFolders()
  await mkdir(folder, { recursive: true })
  const written: URL[] = []
  try {
    for (const { up, down } of migrations) {
      for (const { file, text } of down === null ? [up] : [up, down]) {
        const at = new URL(file, folder)
        await writeNew(at, text)
        written.push(at)
      }
    }
  } catch (error) {
    await Promise.all(written.map((file) => rm(file)))
    throw error
  }
  for (const { name, down } of migrations)
    report.line(`wrote ${shownPath(folder)}${name}.up.sql${down === null ? '' : ' and .down.sql'}`)
}
