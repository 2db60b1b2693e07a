import { type Command, Option } from 'commander'
import type { Difference, DifferenceKind } from '../../../src/catalog/plan/differences.ts'
import { unfrozenDifferences } from '../../../src/migrate/authoring/freeze.ts'
import { readFrozenMigrations } from '../../../src/migrate/frozen-migrations.ts'
import { unappliedDifferences } from '../../../src/migrate/plan/freeze.ts'
import { frozenState } from '../../../src/migrate/plan/frozen.ts'
import { displayName } from '../../../src/sql/names.ts'
import { count, report } from '../../../src/terminal/report.ts'
import { columnLines, markdownLines } from '../../output/table.ts'
import { print } from '../../output/terminal.ts'
import { readLocated, readWithoutKey } from '../../project/authored.ts'
import { readFolders } from '../../project/config.ts'
import { targetOf } from '../../target/direct.ts'
import { environment, formatted } from '../flags.ts'
import { diff, diffOption } from './diff.ts'

interface DriftOptions {
  env?: string
  offline?: boolean
  ignoreUnmanaged?: boolean
  diff?: true | 'markdown'
  json?: boolean
}

/** Declares `drift`. */
export function addTo(program: Command): void {
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
    ...live.differences.filter(({ kind }) => !(ignoreUnmanaged && kind === 'unmanaged')),
    ...unappliedDifferences(migrations, live.pending ?? []),
  ]
  const withoutKey = await readWithoutKey(located)
  if (json)
    process.stdout.write(`${JSON.stringify({ differences, pending: live.pending, withoutKey }, null, 2)}\n`)
  else
    tell(
      differences,
      live.pending,
      `authored${offline ? ' and frozen are the same; no database was read' : ', frozen and live are the same'}`,
      frozenState(migrations).size,
      shows === 'markdown',
    )
  if (!json) for (const { view, message } of withoutKey) report.warning(`${view} ${message}`)
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
