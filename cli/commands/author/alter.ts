import type { Command } from 'commander'
import { readTouched } from '../../../src/authored/sql/touched.ts'
import { alter as performAlter } from '../../../src/set-aside/alter.ts'
import { docsOf } from '../../../src/sql/runbook.ts'
import { count, person, report, seconds } from '../../../src/terminal/report.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { reading, wait, withDefinition } from '../flags.ts'
import { lockLines, planLines, readGiven, readText } from './set-aside.ts'

interface AlterOptions {
  file: string
  reading?: string[]
  with?: string[]
  dryRun?: boolean
  wait: number
}

/** Declares `alter`. */
export function addTo(program: Command): void {
  program
    .command('alter')
    .argument('<file>', 'a file of SQL that changes tables')
    .description('change a table under its views, all or nothing')
    .option(...reading)
    .option(...withDefinition)
    .option(...wait)
    .option('--dry-run', 'only show what would be done')
    .addHelpText(
      'after',
      `\nMore, also for Alembic, Flyway, Prisma and Drizzle: ${docsOf('changing-tables.md')}`,
    )
    .action((file, options) => alter({ file, ...options }))
}

/** Executes a file of SQL around the views that stand in its way, after showing the plan. */
async function alter({
  file,
  reading = [],
  with: given = [],
  dryRun = false,
  wait,
}: AlterOptions): Promise<void> {
  const database = databaseFromUrl(null)
  const text = await readText(file, 'file')
  const started = performance.now()
  const request = {
    file,
    text,
    touched: await readTouched(file, text),
    reading,
    given: await readGiven(given),
    dryRun,
    requestedBy: person(),
    huntMs: wait * 1000,
  }
  const items = await performAlter(database, request, {
    onPlan({ items, relations }) {
      if (items.length === 0) return report.line(`no view stands in the way of ${file}`)
      report.line(
        `${count(items.length, 'object stands', 'objects stand')} in the way of ${file}; they go from the last to the first:`,
      )
      for (const line of planLines(items)) report.line(`  ${line}`)
      for (const line of lockLines(relations)) report.line(line)
    },
    onWait: (holders) => report.warning(`waiting for locks: ${holders}`),
    onTried: (result, ms) =>
      result === 'fits'
        ? report.success(`tried on empty tables and undone   ${seconds(ms)}`)
        : report.warning(
            'the trial took too long and was undone: whether the views still fit shows when all is done',
          ),
    onFill: (view) => report.line(`filling ${view}`),
  })
  if (dryRun) return report.line('nothing was changed')
  report.success(
    `${file} is done; ${count(items.length, 'object')} made again   ${seconds(performance.now() - started)}`,
  )
}
