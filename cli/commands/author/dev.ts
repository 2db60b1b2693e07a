import type { Command } from 'commander'
import { startEmbeddedPostgres } from '../../../local/embedded/embedded.ts'
import { printDatabaseUrl } from '../../../local/embedded/lock.ts'
import { runProject } from '../../../serve/start/run.ts'
import { unfrozenDifferences } from '../../../src/migrate/authoring/freeze.ts'
import { readFrozenMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { readableStatus } from '../../../src/migrate/migrate.ts'
import type { Database } from '../../../src/server/database.ts'
import { report } from '../../../src/terminal/report.ts'
import { quoted } from '../../../src/words/commands.ts'
import { Problem } from '../../../src/words/problem.ts'
import { localTarget } from '../../api/api-of.ts'
import { readAuthored } from '../../project/authored.ts'
import { readConfig, readFolders, shownPath } from '../../project/folders.ts'

const command = 'npx viewkeeper dev'

/** Declares `dev`. */
export function addTo(program: Command): void {
  program
    .command('dev')
    .description('serve the views of this folder here: PostgreSQL, API and page')
    .option('--database-url', 'only print the address of the PostgreSQL that dev runs')
    .option(
      '--keep-fresh',
      'on the database of DATABASE_URL, too: run schedules, target lags and the monitor',
    )
    .option('--stop-monitor', 'never call the monitor, to see what alarm silent-monitor tells')
    .action((options) => dev(options))
}

/**
 * Serves the views of the current folder until Ctrl-C, on an embedded PostgreSQL or on the database of DATABASE_URL. With
 * `databaseUrl`, only prints the address of the embedded one; with `stopMonitor`, nobody calls the monitor.
 */
export async function dev({
  databaseUrl,
  keepFresh,
  stopMonitor,
}: {
  databaseUrl?: boolean
  keepFresh?: boolean
  stopMonitor?: boolean
}): Promise<void> {
  if (databaseUrl) return printDatabaseUrl(command)
  const { DATA_DIR } = process.env
  const addressCommand = `${DATA_DIR ? `DATA_DIR=${quoted(DATA_DIR)} ` : ''}${command} --database-url`
  const { folders, serve: served } = await readConfig()
  // What is printed can be copied: the embedded database has no address that a shell knows.
  const inShell = process.env.DATABASE_URL ? '' : `DATABASE_URL="$(${addressCommand})" `
  await runProject({
    command,
    addressCommand,
    startServer: startEmbeddedPostgres,
    migrations: folders.migrations,
    target: localTarget,
    asksElsewhere: served?.pageUrl !== undefined,
    keepsFresh: keepFresh,
    isMonitorStopped: stopMonitor,
    compare: (database) => compare(database, `${inShell}npx viewkeeper`),
  })
}

/** Prints how authored, frozen and applied views differ. What is not valid is told, and the rest goes on. */
async function compare(database: Database, viewkeeper: string): Promise<void> {
  try {
    const folders = await readFolders()
    const authored = await readAuthored()
    const migrations = await readFrozenMigrations(folders.migrations)
    if (authored.length === 0 && migrations.length === 0)
      report.line(
        `${shownPath(folders.views)} has no view yet. To write the files of one: npx viewkeeper new sales`,
      )
    const unfrozen = await unfrozenDifferences(authored, migrations)
    for (const { view, message } of unfrozen) report.warning(`${view}   ${message}`)
    if (unfrozen.length > 0) report.line(`next: ${viewkeeper} freeze -m "why"`)
    const pending = (await readableStatus(database, migrations))?.pending ?? []
    if (pending.length > 0) {
      report.line(`not applied to this database: ${pending.join(', ')}`)
      report.line(`next: ${viewkeeper} migrate up`)
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    report.failure(error.message)
  }
}
