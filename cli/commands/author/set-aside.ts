import type { Command } from 'commander'
import { migrate } from '../../../src/own-schema/apply.ts'
import { schemaFolder } from '../../../src/package-files.ts'
import { nameOf } from '../../../src/set-aside/plan/items.ts'
import { setAside as performSetAside } from '../../../src/set-aside/set-aside.ts'
import { utc } from '../../../src/sql/words.ts'
import { person } from '../../../src/terminal/person.ts'
import { count, report, seconds } from '../../../src/terminal/report.ts'
import { describeItem } from '../../../src/trial/plan/copy.ts'
import { planLines } from '../../output/aside.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { formatted, reading, wait } from '../flags.ts'

interface SetAsideOptions {
  reading: string[]
  dryRun?: boolean
  json?: boolean
  wait: number
}

/** Declares `set-aside`. */
export function addTo(program: Command): void {
  formatted(program.command('set-aside'))
    .description('take views away, for another tool to change a table')
    .requiredOption(...reading)
    .option(...wait)
    .option('--dry-run', 'only show what would be done')
    .action((options) => setAside(options))
}

/** Sets aside what reads some relations, and says what is aside. */
export async function setAside({
  reading,
  dryRun = false,
  json = false,
  wait,
}: SetAsideOptions): Promise<void> {
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
