import { rm } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { readFrozenMigrations, toMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { authoredDifferences } from '../../../src/migrate/plan/freeze.ts'
import type { FrozenMigration } from '../../../src/migrate/plan/frozen.ts'
import { planSquash, type SquashedMigration } from '../../../src/migrate/plan/squash.ts'
import { readSquashable, type SquashableView } from '../../../src/migrate/squash.ts'
import { Problem } from '../../../src/problem.ts'
import { displayName } from '../../../src/sql/names.ts'
import { count, dim, report } from '../../../src/terminal/report.ts'
import { readAuthored } from '../../project/authored.ts'
import { type Folders, readFolders, shownPath } from '../../project/config.ts'
import { writeMigrations } from '../../project/write-migrations.ts'
import { databaseFromUrl } from '../../target/direct.ts'

interface SquashOptions {
  message: string
  without?: string[]
}

/** Declares `migrate squash`. */
export function addSquashTo(migrate: Command): void {
  migrate
    .command('squash')
    .description('replace the frozen migrations by the newest state of each view, for new databases')
    .requiredOption('-m, --message <why>', 'why; the text is written into the migrations')
    .option('--without <migration...>', 'leave out own SQL that a new database does not need')
    .action((options) => squash(options))
}

/**
 * Replaces the frozen migrations by one for each view, after comparing each with DATABASE_URL. The database is only read.
 */
async function squash({ message, without = [] }: SquashOptions): Promise<void> {
  const authored = await readAuthored()
  const folders = await readFolders()
  const frozen = await readFrozenMigrations(folders.migrations)
  if (frozen.length === 0) return report.line('no migration is frozen yet; nothing was written')
  insistOnFrozen(folders, authored, frozen)
  const views = await readSquashable(databaseFromUrl(null), frozen, authored)
  const planned = planSquash({ migrations: frozen, views, without, why: message })
  const fresh = toMigrations(planned, frozen)
  print(folders, planned, fresh, views)
  await writeMigrations(fresh)
  await removeMigrations(folders, frozen)
  report.line(
    `${count(frozen.length, 'migration')} replaced by ${fresh.length}; the database was not changed`,
  )
  report.line('a database that has the old ones only records the new ones, at its next "migrate up"')
}

/** Refuses definitions that differ from what is frozen, but not their queries: the database compares these. */
function insistOnFrozen(folders: Folders, authored: Definition[], frozen: FrozenMigration[]): void {
  const differences = authoredDifferences(authored, frozen, () => '')
  if (differences.length === 0) return
  throw new Problem(
    'InvalidRequest',
    [
      `${shownPath(folders.views)} differs from what is frozen. Freeze it, then squash:`,
      ...differences.map(({ view, message }) => `  ${view}: ${message}`),
    ].join('\n'),
  )
}

function print(
  folders: Folders,
  planned: SquashedMigration[],
  fresh: FrozenMigration[],
  views: SquashableView[],
): void {
  const because = new Map(views.map(({ definition, serversTextBecause }) => [definition, serversTextBecause]))
  for (const [at, { up, was }] of planned.entries()) {
    const name = fresh[at]?.name
    if (was !== null) report.warning(`${was} is own SQL: kept as it is, as ${name}, and not tried`)
    if (up.change.does !== 'define') continue
    const { definition } = up.change
    report.success(
      `${displayName(definition)}   ${dim('valid on DATABASE_URL, and the same as the live view')}`,
    )
    const why = because.get(definition)
    if (!why) continue
    report.warning(
      `${displayName(definition)}: its frozen query does not run any more (${why}). It is frozen as the server ` +
        `writes it: copy the query from ${shownPath(folders.migrations)}${name}.up.sql into ${shownPath(folders.views)}`,
    )
  }
}

const removeMigrations = async (folders: Folders, migrations: FrozenMigration[]): Promise<void> => {
  const files = migrations.flatMap(({ up, down }) => (down === null ? [up] : [up, down]))
  await Promise.all(files.map(({ file }) => rm(new URL(file, folders.migrations))))
}
