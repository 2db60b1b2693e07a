import type { Command } from 'commander'
import { readRun } from '../../../src/api/ask.ts'
import { statementsOf } from '../../../src/resources/runs.ts'
import { command } from '../../../src/sql/commands.ts'
import { apiOf } from '../../api/api-of.ts'
import { failureLines, runLines } from '../../output/runs.ts'
import { hasEnded, watchRun } from '../../watch/run.ts'
import { answer } from '../answer.ts'
import { operating, positive, watch } from '../flags.ts'

/** Declares `run`, which shows one run, or watches it until its end. */
export function addTo(program: Command): void {
  operating(program, 'run')
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
    .action(async (id, { watch, sql, ...asking }) => {
      const api = await apiOf(asking)
      const found = await readRun(api, id)
      if (watch && !hasEnded(found)) return void (await watchRun(api, id, asking))
      await answer(
        asking,
        async () => found,
        (run, { api, now, output }) => {
          if (sql) return statementsOf(run)
          const itself = `  next: ${command(['run', String(id)], api.typed)}`
          const why = failureLines(run, api.typed, output).filter((line) => line !== itself)
          return [...runLines(run, now, output), ...(why.length > 0 ? ['', ...why] : [])]
        },
      )
    })
}
