import { mkdir, rm } from 'node:fs/promises'
import type { FrozenMigration } from '../../src/plan/migrations/frozen.ts'
import { report } from '../../src/terminal/report.ts'
import { readFolders, shownPath } from './folders.ts'
import { writeNew } from './write-new.ts'

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
