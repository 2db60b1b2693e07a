import type { Command } from 'commander'
import type { MigrationDone, MissingView } from '../../../src/migrate/apply.ts'
import { isAhead } from '../../../src/migrate/migrate.ts'
import { utc } from '../../../src/sql/words.ts'
import { count as counted, dim, report, seconds } from '../../../src/terminal/report.ts'
import { targetOf } from '../../target/direct.ts'
import { environment, positive } from '../flags.ts'

interface UpOptions {
  env?: string
  data: boolean
  repair?: boolean
}

/** Declares `migrate` and its subcommands. */
export function addTo(program: Command): void {
  const migrate = program.command('migrate').description('apply, undo or list frozen migrations')
  migrate
    .command('up')
    .description('apply the migrations that the database lacks')
    .option(...environment)
    .option('--no-data', 'leave new views empty')
    .option('--repair', 'make missing views again, as they were frozen')
    .action((options) => up(options))
  migrate
    .command('down')
    .argument('[count]', 'how many', positive, 1)
    .description('undo the last migration, or the last few')
    .option(...environment)
    .action((count, options) => down({ count, ...options }))
  migrate
    .command('status')
    .description('list which migrations are applied, pending and ahead')
    .option(...environment)
    .action((options) => status(options))
}

/**
 * Applies the migrations that the database lacks, and prints each when it is done. Prints the missing views; if they were
 * to be repaired and are not, the exit code is 1.
 */
export async function up({ env, data, repair = false }: UpOptions): Promise<void> {
  const { applied, repaired, missing } = await (await targetOf({ env })).up(
    { withData: data, repair },
    printDone,
  )
  if (repaired.length > 0) report.line(`${counted(repaired.length, 'view')} made again`)
  report.line(applied.length === 0 ? 'nothing to apply' : `${counted(applied.length, 'migration')} applied`)
  printMissing(missing)
  if (repair && missing.length > 0) process.exitCode = 1
}

/** Prints the views that somebody has dropped, and what makes them again unless that was tried. */
export function printMissing(missing: MissingView[]): void {
  for (const { view, migration, because } of missing)
    report.failure(`${view}   missing   ${because ?? `somebody has dropped it; ${migration} made it`}`)
  if (missing.some(({ because }) => because === null))
    report.line('`npx viewkeeper migrate up --repair` makes again what is missing')
}

/** Undoes the last migrations. */
export async function down({ env, count }: { env?: string; count: number }): Promise<void> {
  const undone = await (await targetOf({ env })).down(count, printDone)
  report.line(undone.length === 0 ? 'nothing to undo' : `${counted(undone.length, 'migration')} undone`)
}

/** Lists the migrations that the database has and lacks. Refuses a database that has more than the folder. */
export async function status({ env }: { env?: string }): Promise<void> {
  const { applied, pending, ahead, missing } = await (await targetOf({ env })).status()
  for (const { name, appliedAt, runId } of applied) {
    report.success(`${name}   ${dim(`${utc(appliedAt)}${runId === null ? '' : `, run ${runId}`}`)}`)
  }
  for (const name of pending) report.line(`· ${name}   not applied`)
  if (ahead.length > 0) throw isAhead(ahead)
  printMissing(missing)
  if (applied.length + pending.length === 0) report.line('no migration is frozen yet')
}

const words = {
  up: {
    create: 'created',
    rebuild: 'rebuilt',
    alter: 'altered',
    drop: 'dropped',
    rename: 'renamed',
    sql: 'ran',
  },
  down: {
    create: 'made again',
    rebuild: 'put back',
    alter: 'put back',
    drop: 'dropped',
    rename: 'renamed back',
    sql: 'ran',
  },
  repair: { create: 'made again' },
}

function printDone({ name, way, does, runId, durationMs }: MigrationDone): void {
  const said: Record<string, string> = words[way]
  const what = does === null ? dim(way === 'up' ? 'recorded' : 'record removed') : said[does]
  const run = runId === null ? '' : dim(`   ${seconds(durationMs ?? 0)}   run ${runId}`)
  report.success(`${name}   ${what}${run}`)
}
