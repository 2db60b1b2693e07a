import { Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import type { BatchDetails } from '../../../src/api/answers.ts'
import { ask, readBatch } from '../../../src/api/ask.ts'
import { batchColumns } from '../../../src/resources/run-facts.ts'
import { command } from '../../../src/words/commands.ts'
import { batchStatuses } from '../../../src/words/run.ts'
import { apiOf } from '../../api/api-of.ts'
import { batchHead, endOfBatch, progressLine, viewLinesOf } from '../../output/run-lines.ts'
import { watchBatch } from '../../watch/watch.ts'
import { answer, list, operating, type Printing, positive, watch } from '../asking.ts'

/** Declares `batches`, which lists batches, newest first, or shows one, or watches it until its end. */
export function addTo(program: Command): void {
  operating(program, 'batches', ['json', 'name', 'wide'])
    .alias('batch')
    .argument('[id]', 'of one batch')
    .description('list batches, newest first, or show one: what each view does or waits for')
    .addOption(new Option('--status <status>', 'only batches with this status').choices(batchStatuses))
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .option(...watch)
    .action(async (id, { status, limit, watch, ...asking }) => {
      if (id !== undefined) {
        const api = await apiOf(asking)
        const found = await readBatch(api, id)
        if (watch && found.finishedAt === null) return void (await watchBatch(api, id, asking))
        return void (await answer(asking, async () => found, batchLines))
      }
      const query = { status, limit }
      await list(asking, async (api) => (await ask(api, 'listBatches', { query })).batches, {
        columns: batchColumns,
        nameOf: ({ id }) => id,
        none: 'no batches',
      })
    })
}

/** One batch with its views. */
function batchLines(batch: BatchDetails, { api, now, output }: Printing): string[] {
  const at = { batch, sinceMs: 0, now }
  const failure = batch.views.find((view) => view.status === 'failed')?.runs.at(-1)
  return [
    ...batchHead(batch, now, output),
    ...viewLinesOf(batch.views, at, { ...output, height: Number.POSITIVE_INFINITY }),
    ...(batch.views.length === 0 ? [] : ['']),
    batch.finishedAt === null ? progressLine(at, output) : endOfBatch(batch, output),
    ...(batch.error === null ? [] : [`  ${batch.error.message}`]),
    ...(failure ? [`  next: ${command(['runs', String(failure.runId)], api.typed)}`] : []),
  ]
}
