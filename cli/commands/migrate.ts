import { isAhead, type MigrationDone } from '../../src/operations/migrations/migrate.ts'
import { count as counted, dim, report, seconds } from '../output/report.ts'
import { targetOf } from '../target/target-of.ts'

/** Applies the migrations that the database lacks, and prints each when it is done. */
export async function up({ env, data }: { env?: string; data: boolean }): Promise<void> {
  const applied = await targetOf({ env }).up({ withData: data }, printDone)
  report.line(applied.length === 0 ? 'nothing to apply' : `${counted(applied.length, 'migration')} applied`)
}

/** Undoes the last migrations. */
export async function down({ env, count }: { env?: string; count: number }): Promise<void> {
  const undone = await targetOf({ env }).down(count, printDone)
  report.line(undone.length === 0 ? 'nothing to undo' : `${counted(undone.length, 'migration')} undone`)
}

/** Lists the migrations that the database has and lacks. Refuses a database that has more than the folder. */
export async function status({ env }: { env?: string }): Promise<void> {
  const { applied, pending, ahead } = await targetOf({ env }).status()
  for (const { name, appliedAt, runId } of applied) {
    report.success(
      `${name}   ${dim(`${appliedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC${runId === null ? '' : `, run ${runId}`}`)}`,
    )
  }
  for (const name of pending) report.line(`· ${name}   not applied`)
  if (ahead.length > 0) throw isAhead(ahead)
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
}

function printDone({ name, way, does, runId, durationMs }: MigrationDone): void {
  const what = does === null ? dim(way === 'up' ? 'recorded' : 'record removed') : words[way][does]
  const run = runId === null ? '' : dim(`   ${seconds(durationMs ?? 0)}   run ${runId}`)
  report.success(`${name}   ${what}${run}`)
}
