import { type Command, Option } from 'commander'
import type { Difference, DifferenceKind } from '../../../src/catalog/plan/differences.ts'
import type { MigrationDone, MissingView } from '../../../src/migrate/apply-migrations.ts'
import { unfrozenDifferences } from '../../../src/migrate/authoring/freeze.ts'
import { readFrozenMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { isAhead } from '../../../src/migrate/migrate.ts'
import { unappliedDifferences } from '../../../src/migrate/plan/freeze.ts'
import { frozenState } from '../../../src/migrate/plan/frozen.ts'
import { downgradeSchema, upgradeSchema } from '../../../src/own-schema/upgrade.ts'
import { schemaFolder } from '../../../src/package-files.ts'
import { count, count as counted, dim, report, seconds } from '../../../src/terminal/report.ts'
import { command } from '../../../src/words/commands.ts'
import { displayName, printed } from '../../../src/words/names.ts'
import { names, utc } from '../../../src/words/phrases.ts'
import { columnLines, markdownLines } from '../../output/table.ts'
import { print } from '../../output/terminal.ts'
import { readLocated } from '../../project/authored.ts'
import { readFolders } from '../../project/folders.ts'
import type { MigrationTarget } from '../../target/deployed.ts'
import { databaseFromUrl, targetOf } from '../../target/direct.ts'
import { unlessInterrupted } from '../../watch/watch.ts'
import { agrees, environment, formatted, positive, yes as yesOption } from '../asking.ts'
import { diff, diffOption } from './diff.ts'

// What compares migrations and a database: `drift`, and `migrate`, which brings the database up or down.

interface DriftOptions {
  env?: string
  offline?: boolean
  ignoreUnmanaged?: boolean
  diff?: true | 'markdown'
  json?: boolean
}

/** Declares `drift`. */
export function addDrift(program: Command): void {
  formatted(program.command('drift'))
    .description('list how authored, frozen and live views differ')
    .option(...environment)
    .option('--offline', 'compare only what is authored and frozen, without a database')
    .addOption(
      new Option('--ignore-unmanaged', 'do not list views that are not authored').conflicts('offline'),
    )
    .addOption(diffOption().conflicts(['offline', 'env', 'json']))
    .action((options) => drift(options))
}

/**
 * Compares authored, frozen and live views, and prints every difference. If there is one, the exit code is 1.
 */
export async function drift({
  env,
  offline,
  ignoreUnmanaged,
  diff: shows,
  json,
}: DriftOptions): Promise<void> {
  const located = await readLocated()
  const authored = located.map(({ definition }) => definition)
  const migrations = await readFrozenMigrations((await readFolders()).migrations)
  const live = offline
    ? { differences: [], pending: [], missing: [] }
    : await (await targetOf({ env })).drift()
  const differences: Difference[] = [
    ...(await unfrozenDifferences(authored, migrations)),
    ...live.differences.filter(
      ({ kind }) => kind !== 'unchecked' && !(ignoreUnmanaged && kind === 'unmanaged'),
    ),
    ...unappliedDifferences(migrations, live.pending ?? []),
  ]
  // What is as it was frozen, and worth a word, is no difference.
  const unchecked = live.differences.filter(({ kind }) => kind === 'unchecked')
  if (json)
    process.stdout.write(`${JSON.stringify({ differences, pending: live.pending, unchecked }, null, 2)}\n`)
  else
    tell(
      differences,
      live.pending,
      `authored${offline ? ' and frozen are the same; no database was read' : ', frozen and live are the same'}`,
      frozenState(migrations).size,
      shows === 'markdown',
    )
  if (!json) for (const { view, message } of unchecked) report.warning(`${view} ${message}`)
  if (!json && live.missing.length > 0)
    report.line(
      `somebody has dropped ${live.missing.map(({ view }) => view).join(', ')}: \`npx viewkeeper migrate up --repair\` makes ` +
        `${live.missing.length === 1 ? 'it' : 'them'} again`,
    )
  const changed = new Set(differences.flatMap(({ kind, view }) => (isOfData.includes(kind) ? view : [])))
  const views = authored.filter((each) => changed.has(displayName(each)))
  if (shows) await diff(views, { markdown: shows === 'markdown' }, true)
  if (differences.length > 0) process.exitCode = 1
}

/** The differences after which data may differ, too. */
const isOfData: DifferenceKind[] = ['unfrozen', 'unapplied', 'query']

function tell(
  differences: Difference[],
  pending: string[] | null,
  clean: string,
  views: number,
  asMarkdown: boolean,
): void {
  if (differences.length === 0) report.success(`${count(views, 'view')}: ${clean}`)
  else if (asMarkdown) print(...markdownLines(['view', 'difference', ''], rowsOf(differences)), '')
  else tellDifferences(differences)
  if (pending === null) report.line('which migrations this database has, this login may not read')
  else if (pending.length > 0) report.line(`not applied to this database: ${pending.join(', ')}`)
  if (asMarkdown) print('')
}

const rowsOf = (differences: Difference[]): string[][] =>
  differences.map(({ view, kind, message }) => [view, kind, message])

function tellDifferences(differences: Difference[]): void {
  for (const line of columnLines(rowsOf(differences), [{}, { style: () => 'dim' }])) report.failure(line)
  const views = new Set(differences.map(({ view }) => view)).size
  report.line(`${count(differences.length, 'difference')} in ${count(views, 'view')}`)
}

interface UpOptions {
  env?: string
  data: boolean
  repair?: boolean
}

/** Declares `migrate` and its subcommands. */
export function addMigrate(program: Command): void {
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
    .description('undo the last migration, or the last few, after asking')
    .option(...environment)
    .option(...yesOption)
    .action((count, options) => down({ count, ...options }))
  migrate
    .command('status')
    .description('list which migrations are applied, pending and ahead')
    .option(...environment)
    .action((options) => status(options))
  migrate
    .command('schema')
    .description('carry the record of a version before the first release over to this one')
    .option('--back', 'put the older schema back, and forget what was recorded since, after asking')
    .option(...yesOption)
    .action((options) => schema(options))
}

/** Makes schema viewkeeper this version's, or the older version's again. */
async function schema({ back, yes }: { back?: true; yes?: true }): Promise<void> {
  const database = databaseFromUrl(null)
  if (back) {
    if (!yes && !(await mayForget())) return
    await downgradeSchema(database)
    return report.success('schema viewkeeper is that of the older version again')
  }
  const rows = await upgradeSchema(database, schemaFolder)
  if (rows === null) return report.line('nothing to carry over: no older version made schema viewkeeper')
  report.success(
    `schema viewkeeper is that of this version, with ${names(
      Object.entries(rows).flatMap(([table, n]) => (n > 0 ? [`${n} ${table.replace('_', ' ')}`] : [])),
      9,
    )}`,
  )
  print(
    '  the older one is schema viewkeeper_before, and put back by: npx viewkeeper migrate schema --back',
    '  when nobody needs it any more: drop schema viewkeeper_before cascade',
  )
}

const mayForget = (): Promise<boolean> =>
  agrees('nothing was put back', async () => ({
    question: 'Forget what was recorded since the older schema was moved? Type yes: ',
    yes: ['yes'],
  }))

/**
 * Applies the migrations that the database lacks, and prints each when it is done. Prints the missing views; if they were
 * to be repaired and are not, the exit code is 1.
 */
export async function up({ env, data, repair = false }: UpOptions): Promise<void> {
  const target = await targetOf({ env })
  const { applied, repaired, missing } = await unlessLeft(
    'up',
    env,
    target.up({ withData: data, repair }, printDone),
  )
  if (repaired.length > 0) report.line(`${counted(repaired.length, 'view')} made again`)
  report.line(applied.length === 0 ? 'nothing to apply' : `${counted(applied.length, 'migration')} applied`)
  printMissing(missing)
  if (repair && missing.length > 0) process.exitCode = 1
}

/** After Ctrl-C says that the database, or the function of the environment, may go on. */
const unlessLeft = <T>(way: 'up' | 'down', env: string | undefined, work: Promise<T>): Promise<T> =>
  unlessInterrupted(work, () =>
    print(
      `what migrate ${way} has begun may go on without you`,
      `  look again: ${command(['migrate', 'status'], env ?? null)}`,
    ),
  )

/** Prints the views that somebody has dropped, and what makes them again unless that was tried. */
function printMissing(missing: MissingView[]): void {
  for (const { view, migration, because } of missing)
    report.failure(
      printed(`${view}   missing   ${because ?? `somebody has dropped it; ${migration} made it`}`),
    )
  if (missing.some(({ because }) => because === null))
    report.line('`npx viewkeeper migrate up --repair` makes again what is missing')
}

/** Undoes the last migrations. */
async function down({ env, count, yes }: { env?: string; count: number; yes?: true }): Promise<void> {
  const target = await targetOf({ env })
  if (!yes && !(await mayUndo(target, count))) return
  const undone = await unlessLeft('down', env, target.down(count, printDone))
  report.line(undone.length === 0 ? 'nothing to undo' : `${counted(undone.length, 'migration')} undone`)
}

const mayUndo = (target: MigrationTarget, count: number): Promise<boolean> =>
  agrees('nothing was undone', async () => {
    const { applied } = await target.status()
    const last = applied.slice(-count).toReversed()
    const what = `${counted(last.length, 'migration')} (${names(
      last.map(({ name }) => name),
      3,
    )})`
    return {
      question: `Undo ${what}, of ${applied.length}? What they made is dropped. Type yes: `,
      yes: ['yes'],
    }
  })

/** Lists the migrations that the database has and lacks. Refuses a database that has more than the folder. */
async function status({ env }: { env?: string }): Promise<void> {
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
