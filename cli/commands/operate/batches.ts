import { type Command, Option } from 'commander'
import type { BatchList } from '../../../src/edge/http/schemas/answers.ts'
import { command } from '../../../src/plan/commands.ts'
import { batchStatuses } from '../../../src/plan/run.ts'
import { apiOf } from '../../api/api-of.ts'
import { readBatch } from '../../api/reads.ts'
import { batchesTable, batchHead, endOfBatch, progressLine, viewLinesOf } from '../../output/batches.ts'
import { output, outputAs, print, printJson } from '../../output/terminal.ts'
import { waitForBatch, watchBatch } from '../../watch/batch.ts'
import { positive } from '../arguments.ts'
import { type Format, formatted, operating, watch } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface BatchesOptions extends ApiOptions {
  status?: string
  limit: number
  json?: boolean
  output?: Format
}

/** Declares `batches` and `batch`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'batches'), ['json', 'name', 'wide'])
    .description('list batches, newest first')
    .addOption(new Option('--status <status>', 'only batches with this status').choices(batchStatuses))
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .action((options) => batches(options))

  formatted(operating(program, 'batch'))
    .argument('<id>')
    .description('show one batch: what each view does or waits for')
    .option(...watch)
    .action((id, options) => batch({ id, ...options }))
}

/** Lists batches, newest first. */
export async function batches({
  status,
  limit,
  json,
  output: format,
  ...options
}: BatchesOptions): Promise<void> {
  const api = await apiOf(options)
  const { batches: list } = (await api.send<BatchList>('GET', '/batches', { query: { status, limit } })).body
  if (json) return printJson(list)
  if (format === 'name') return print(...list.map(({ id }) => id))
  if (list.length === 0) return print('no batches')
  print(...batchesTable(list, new Date(), outputAs(format)))
}

interface BatchOptions extends ApiOptions {
  id: string
  watch?: boolean
  json?: boolean
}

/** Prints one batch with its views, or watches it until its end. With `json`, a watch prints nothing before the end. */
export async function batch({ id, watch, json, ...options }: BatchOptions): Promise<void> {
  const api = await apiOf(options)
  const found = await readBatch(api, id)
  if (watch && found.finishedAt === null) {
    if (json) return printJson(await waitForBatch(api, id))
    await watchBatch(api, id)
    return
  }
  if (json) return printJson(found)
  const [now, out] = [new Date(), output()]
  const at = { batch: found, sinceMs: 0, now }
  print(
    ...batchHead(found, now, out),
    ...viewLinesOf(found.views, at, { ...out, height: Number.POSITIVE_INFINITY }),
    ...(found.views.length === 0 ? [] : ['']),
    found.finishedAt === null ? progressLine(at, out) : endOfBatch(found, out),
  )
  if (found.error !== null) print(`  ${found.error.message}`)
  const failure = found.views.find((view) => view.status === 'failed')?.runs.at(-1)
  if (failure) print(`  next: ${command(['run', String(failure.runId)], api.typed)}`)
}
