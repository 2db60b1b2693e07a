import type { Command } from 'commander'
import { apiOf } from '../../api/api-of.ts'
import { readRun } from '../../api/reads.ts'
import { failureLines, runLines, sqlLines } from '../../output/runs.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { freshSince, hasEnded, waitForRun, watchRun } from '../../watch/run.ts'
import { positive } from '../arguments.ts'
import { formatted, operating, watch } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface RunOptions extends ApiOptions {
  id: number
  watch?: boolean
  sql?: boolean
  json?: boolean
}

/** Declares `run`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'run'))
    .argument('<id>', 'the number of the run', positive)
    .description('show one run: how long it took, why it failed')
    .option(...watch)
    .option('--sql', 'print only the SQL that was executed')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper run 812 -w       wait for its end
  viewkeeper run 812 --sql    what the server executed`,
    )
    .action((id, options) => run({ id, ...options }))
}

/**
 * Prints one run, or watches it until its end; with `sql`, only what the server executed. With `json`, a watch prints
 * nothing before the end.
 */
export async function run({ id, watch, sql, json, ...options }: RunOptions): Promise<void> {
  const api = await apiOf(options)
  const found = await readRun(api, id)
  if (watch && !hasEnded(found)) {
    if (json) return printJson(await waitForRun(api, id))
    await watchRun(api, id)
    return
  }
  if (json) return printJson(found)
  if (sql) return print(...sqlLines(found))
  const [now, out] = [new Date(), output()]
  print(...runLines(found, now, out))
  if (found.error === null) return
  print(
    '',
    ...failureLines(found, {
      freshAt: await freshSince(api, found),
      now,
      output: out,
    }),
  )
}
