import { rename } from 'node:fs/promises'
import type { Command } from 'commander'
import { readPairs } from '../../../src/migrate/frozen-migrations.ts'
import type { FrozenMigration } from '../../../src/migrate/plan/frozen.ts'
import { planRenumber, type Renumbered } from '../../../src/migrate/plan/renumber.ts'
import { insistOnLacking, readLater } from '../../../src/migrate/renumber.ts'
import { Problem } from '../../../src/problem.ts'
import { report } from '../../../src/terminal/report.ts'
import { readFolders, shownPath } from '../../project/config.ts'
import { databaseFromUrl } from '../../target/direct.ts'

/** Declares `migrate renumber`. */
export function addRenumberTo(migrate: Command): void {
  migrate
    .command('renumber')
    .argument('[migration...]', 'all that only your branch has; without names, those that DATABASE_URL lacks')
    .description('give migrations the next numbers, after another branch froze the same numbers')
    .action((migrations) => renumber(migrations))
}

/**
 * Gives migrations the next numbers, after those of another branch: the named ones, or those that DATABASE_URL lacks.
 */
async function renumber(names: string[]): Promise<void> {
  const { migrations: folder } = await readFolders()
  const migrations = await readPairs(folder)
  const unknown = names.find((name) => !migrations.some((each) => each.name === name))
  if (unknown !== undefined)
    throw new Problem('InvalidRequest', `migration: ${shownPath(folder)} has no ${unknown}.`, {
      field: 'migration',
    })
  const later = names.length > 0 ? await named(migrations, names) : await lacking(migrations)
  const renumbered = planRenumber(migrations, new Set(later))
  await renameAll(folder, renumbered)
  for (const { migration, name } of renumbered) report.success(`${migration.name} is now ${name}`)
  if (renumbered.length === 0) report.line('every number is right; nothing was renamed')
}

async function named(migrations: FrozenMigration[], names: string[]): Promise<string[]> {
  if (process.env.DATABASE_URL)
    await insistOnLacking(
      databaseFromUrl(),
      migrations.filter(({ name }) => names.includes(name)),
    )
  return names
}

const lacking = (migrations: FrozenMigration[]): Promise<string[]> =>
  readLater(databaseFromUrl('name the migrations that only your branch has'), migrations)

/** Renames in two rounds: the new name of one file may be the old name of another. */
async function renameAll(folder: URL, renumbered: Renumbered[]): Promise<void> {
  const files = renumbered.flatMap(({ migration: { name: before, up, down }, name }) =>
    (down === null ? [up] : [up, down]).map(({ file }) => ({
      from: new URL(file, folder),
      aside: new URL(`${file}.renumbered`, folder),
      to: new URL(name + file.slice(before.length), folder),
    })),
  )
  for (const { from, aside } of files) await rename(from, aside)
  for (const { aside, to } of files) await rename(aside, to)
}
