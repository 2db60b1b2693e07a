import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { readTouched } from '../../../src/authored/sql/touched.ts'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { frozenText } from '../../../src/migrate/frozen-migrations.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { schemaFolder } from '../../../src/package-files.ts'
import { type AsideView, type InTheWay, nameOf } from '../../../src/set-aside/plan/items.ts'
import {
  alter as performAlter,
  putBack as performPutBack,
  setAside as performSetAside,
  putBackAdvice,
} from '../../../src/set-aside/set-aside.ts'
import { ofItem } from '../../../src/set-aside/take.ts'
import { count, person, report, seconds, timed } from '../../../src/terminal/report.ts'
import { describeItem } from '../../../src/trial/plan/copy.ts'
import { viewArgument } from '../../../src/words/commands.ts'
import { displayName } from '../../../src/words/names.ts'
import { bytes, utc } from '../../../src/words/phrases.ts'
import { docsOf, Problem } from '../../../src/words/problem.ts'
import { columnLines } from '../../output/table.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { formatted, reading, wait, withDefinition } from '../asking.ts'

// What changes a table below views: `alter`, and its two halves, `set-aside` and `put-back`.

interface AlterOptions {
  file: string
  reading?: string[]
  with?: string[]
  dryRun?: boolean
  wait: number
}

/** Declares `alter`. */
export function addAlter(program: Command): void {
  program
    .command('alter')
    .argument('<file>', 'a file of SQL that changes tables')
    .description('change a table under its views, all or nothing')
    .option(...reading)
    .option(...withDefinition)
    .option(...wait)
    .option(
      '--dry-run',
      'execute the file around the views, without filling them, for a second at most, and undo it',
    )
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
    onPlan({ items, relations, logs }) {
      for (const { view, table, key } of logs)
        report.line(
          `${displayName(view)} has a log of the changes of ${table}${key === null ? '' : `, by ${key}`}: if ${key === null ? 'it' : 'that'} is renamed, retyped or dropped, all rows are computed until you run: npx viewkeeper freeze ${viewArgument(view)} -m "a new log"`,
        )
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
        ? report.success(`tried and undone   ${seconds(ms)}`)
        : report.warning(
            'the file takes longer than a second, so it was undone: whether the views still fit shows when it is done',
          ),
    onFill: (view) => report.line(`filling ${view}`),
  })
  if (dryRun) return report.line('nothing was changed')
  report.success(
    `${file} is done; ${count(items.length, 'object')} made again   ${seconds(performance.now() - started)}`,
  )
}

/** Declares `set-aside` and `put-back`, between which another tool changes a table. */
export function addSetAside(program: Command): void {
  formatted(program.command('set-aside'))
    .description('take views away, for another tool to change a table')
    .requiredOption(...reading)
    .option(...wait)
    .option('--dry-run', 'only show what would be done')
    .action((options) => setAside(options))

  formatted(program.command('put-back'))
    .description('make all set-aside views again')
    .option(...withDefinition)
    .option('--forget <view...>', 'do not make this view again')
    .option('--dry-run', 'only show what is set aside')
    .action((options) => putBack(options))
}

interface SetAsideOptions {
  reading: string[]
  dryRun?: boolean
  json?: boolean
  wait: number
}

/** Sets aside what reads some relations, and says what is aside. */
async function setAside({ reading, dryRun = false, json = false, wait }: SetAsideOptions): Promise<void> {
  const database = databaseFromUrl(null)
  await migrate(database, schemaFolder)
  const { items, before } = await performSetAside(database, {
    reading,
    dryRun,
    requestedBy: person(),
    huntMs: wait * 1000,
    onTried(untried, ms) {
      if (json) return
      if (untried.length > 0)
        report.warning(`whether these can be filled could not be tried: ${untried.join(', ')}`)
      else report.success(`filled for a trial and undone   ${seconds(ms)}`)
    },
    onWait: (holders) => {
      if (!json) report.warning(`waiting for locks: ${holders}`)
    },
  })
  if (json) {
    const now = items.map((item) => ({ name: nameOf(item), reads: item.reads }))
    const earlier = before.map(({ name, reading, by, at }) => ({ name, reading, by, at }))
    process.stdout.write(`${JSON.stringify({ setAside: now, before: earlier }, null, 2)}\n`)
    return
  }
  for (const { name, by, at } of before) report.line(`· ${name}   is aside since ${utc(at)}, by ${by}`)
  if (dryRun) {
    for (const line of planLines(items)) report.line(line)
    return report.line('nothing was changed')
  }
  for (const item of items) report.success(`${describeItem(item)}   set aside`)
  if (items.length === 0) report.line(`nothing that is there reads ${reading.join(', ')}`)
  if (items.length + before.length === 0) return
  report.line(
    `${count(items.length + before.length, 'object is', 'objects are')} aside: readers get an error until you run: npx viewkeeper put-back`,
  )
}

interface PutBackOptions {
  with?: string[]
  forget?: string[]
  dryRun?: boolean
  json?: boolean
}

/** Makes again all that is set aside. */
async function putBack({
  with: given = [],
  forget = [],
  dryRun = false,
  json = false,
}: PutBackOptions): Promise<void> {
  const database = databaseFromUrl(null)
  await migrate(database, schemaFolder)
  const request = {
    given: await readGiven(given),
    forgotten: forget,
    dryRun,
    requestedBy: person(),
  }
  const [{ back, forgotten, misfits, left }, ms] = await timed(() =>
    performPutBack(database, {
      ...request,
      onFill: (view) => {
        if (!json) report.line(`filling ${view}`)
      },
    }),
  )
  if (misfits.length > 0) process.exitCode = 1
  if (json) {
    const listed = back.map(({ name, reading, by, at }) => ({ name, reading, by, at }))
    const answer = { [dryRun ? 'aside' : 'back']: listed, forgotten, misfits, left }
    return void process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  }
  if (back.length + forgotten.length + misfits.length === 0) return report.line('nothing is set aside')
  if (dryRun) {
    for (const line of planLines(back.map(({ item }) => item))) report.line(line)
    return report.line('nothing was changed')
  }
  for (const name of forgotten) report.success(`${name}   forgotten`)
  for (const { name } of back) report.success(`${name}   made again`)
  for (const { because } of misfits) report.failure(because)
  for (const name of left) report.line(`· ${name}   stays aside, because it reads one of them`)
  report.line(`${count(back.length, 'object')} back   ${seconds(ms)}`)
  if (misfits.length === 0) return
  report.line(
    `${count(misfits.length + left.length, 'object stays', 'objects stay')} remembered. ${putBackAdvice}`,
  )
}

/** What goes and comes back, as lines for people: in which order, why, and how big. */
function planLines(items: InTheWay['items']): string[] {
  const rows = items.map((item, at) => [
    String(at + 1),
    describeItem(item),
    sizeOf(item),
    fate(item),
    item.reads.length === 0 ? '' : `reads ${item.reads.join(', ')}`,
  ])
  return columnLines(rows, [{ right: true }])
}

/** What is locked, and what that means for readers. */
const lockLines = (relations: string[]): string[] => [
  `locks: access exclusive on these views and on ${relations.join(', ')}, from the drop until all is back.`,
  'Readers of any of them wait the whole time. Viewkeeper asks for the locks in tries of less than 0.5 s.',
]

const fate = (item: AsideView): string =>
  item.live.view.kind === 'view'
    ? 'made again'
    : item.populated
      ? 'made again and filled'
      : 'made again, empty as it is'

const sizeOf = (item: AsideView): string => (item.live.view.kind === 'view' ? '' : bytes(item.sizeBytes))

/** The definitions that frozen migrations hold: `--with migrations/007_sales.up.sql`. */
const readGiven = (files: string[]): Promise<Definition[]> => Promise.all(files.map(readOne))

async function readOne(file: string): Promise<Definition> {
  const { change } = frozenText(basename(file), (await readText(file, '--with')).replaceAll('\r\n', '\n'))
  if (change.does === 'define') return ofItem(change.definition)
  throw new Problem(
    'InvalidRequest',
    `--with: ${file} defines no view. Give the up file of a frozen migration that does.`,
    { field: '--with' },
  )
}

/** The text of a file that the caller names. */
const readText = (file: string, field: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: Error) => {
    throw new Problem('InvalidRequest', `${field}: ${file} cannot be read: ${error.message}.`, { field })
  })
