import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { frozenText } from '../../../src/migrate/frozen-migrations.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { schemaFolder } from '../../../src/package-files.ts'
import { Problem } from '../../../src/problem.ts'
import { type AsideView, type InTheWay, nameOf } from '../../../src/set-aside/plan/items.ts'
import { putBack as performPutBack, putBackAdvice } from '../../../src/set-aside/put-back.ts'
import { setAside as performSetAside } from '../../../src/set-aside/set-aside.ts'
import { bytes, utc } from '../../../src/sql/words.ts'
import { count, person, report, seconds, timed } from '../../../src/terminal/report.ts'
import { describeItem } from '../../../src/trial/plan/copy.ts'
import { columnLines } from '../../output/table.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { formatted, reading, wait, withDefinition } from '../flags.ts'

/** Declares `set-aside` and `put-back`, between which another tool changes a table. */
export function addTo(program: Command): void {
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
export function planLines(items: InTheWay['items']): string[] {
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
export const lockLines = (relations: string[]): string[] => [
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
export const readGiven = (files: string[]): Promise<Definition[]> => Promise.all(files.map(readOne))

async function readOne(file: string): Promise<Definition> {
  const { change } = frozenText(basename(file), (await readText(file, '--with')).replaceAll('\r\n', '\n'))
  if (change.does === 'define') return change.definition
  throw new Problem(
    'InvalidRequest',
    `--with: ${file} defines no view. Give the up file of a frozen migration that does.`,
    { field: '--with' },
  )
}

/** The text of a file that the caller names. */
export const readText = (file: string, field: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: Error) => {
    throw new Problem('InvalidRequest', `${field}: ${file} cannot be read: ${error.message}.`, { field })
  })
