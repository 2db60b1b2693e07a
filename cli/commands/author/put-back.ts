import type { Command } from 'commander'
import { migrate } from '../../../src/own-schema/apply.ts'
import { schemaFolder } from '../../../src/package-files.ts'
import { putBack as performPutBack, putBackAdvice } from '../../../src/set-aside/put-back.ts'
import { person } from '../../../src/terminal/person.ts'
import { count, report, seconds, timed } from '../../../src/terminal/report.ts'
import { planLines } from '../../output/aside.ts'
import { readGiven } from '../../project/given.ts'
import { databaseFromUrl } from '../../target/direct.ts'
import { formatted, withDefinition } from '../flags.ts'

interface PutBackOptions {
  with?: string[]
  forget?: string[]
  dryRun?: boolean
  json?: boolean
}

/** Declares `put-back`. */
export function addTo(program: Command): void {
  formatted(program.command('put-back'))
    .description('make all set-aside views again')
    .option(...withDefinition)
    .option('--forget <view...>', 'do not make this view again')
    .option('--dry-run', 'only show what is set aside')
    .action((options) => putBack(options))
}

/** Makes again all that is set aside. */
export async function putBack({
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
