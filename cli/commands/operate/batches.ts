import { Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import type { BatchDetails } from '../../../src/api/answers.ts'
import { ask, readBatch } from '../../../src/api/ask.ts'
import { batchStatuses } from '../../../src/catalog/plan/run.ts'
import { batchColumns } from '../../../src/resources/batches.ts'
import { command } from '../../../src/sql/commands.ts'
import { apiOf } from '../../api/api-of.ts'
import { batchHead, endOfBatch, progressLine, viewLinesOf } from '../../output/batches.ts'
import { watchBatch } from '../../watch/batch.ts'
import { answer, list, type Printing } from '../answer.ts'
import { operating, positive, watch } from '../flags.ts'

/** Declares `batches`, which lists batches, newest first, and `batch`, which shows one, or watches it until its end. */
export function addTo(program: Command): void {
  operating(program, 'batches', ['json', 'name', 'wide'])
    .description('list batches, newest first')
    .addOption(new Option('--status <status>', 'only batches with this status').choices(batchStatuses))
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .action(async ({ status, limit, ...asking }) => {
      const query = { status, limit }
      await list(asking, async (api) => (await ask(api, 'listBatches', { query })).batches, {
        columns: batchColumns,
        nameOf: ({ id }) => id,
        none: 'no batches',
      })
    })

  operating(program, 'batch')
    .argument('<id>')
    .description('show one batch: what each view does or waits for')
    .option(...watch)
    .action(async (id, { watch, ...asking }) => {
      const api = await apiOf(asking)
      const found = await readBatch(api, id)
      if (watch && found.finishedAt === null) await watchBatch(api, id, asking)
      else await answer(asking, async () => found, batchLines)
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
    ...(failure ? [`  next: ${command(['run', String(failure.runId)], api.typed)}`] : []),
  ]
}
