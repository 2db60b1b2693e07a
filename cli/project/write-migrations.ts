import type { FrozenMigration } from '../../src/migrate/plan/frozen.ts'
import { report } from '../../src/terminal/report.ts'
import { readFolders, shownPath } from './config.ts'
import { writeNew } from './write-new.ts'

/** Writes all of them or none. Never replaces a file. */
export async function writeMigrations(migrations: FrozenMigration[]): Promise<void> {
  const { migrations: folder } = await readFolders()
  await writeNew(
    folder,
    migrations.flatMap(({ up, down }) => (down === null ? [up] : [up, down])),
  )
  for (const { name, down } of migrations)
    report.line(`wrote ${shownPath(folder)}${name}.up.sql${down === null ? '' : ' and .down.sql'}`)
}
