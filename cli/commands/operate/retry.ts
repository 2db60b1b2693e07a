import type { Command } from 'commander'
import { readRun } from '../../../src/api/ask.ts'
import { paint } from '../../../src/terminal/report.ts'
import { command } from '../../../src/words/commands.ts'
import { Problem } from '../../../src/words/problem.ts'
import type { Api } from '../../api/api.ts'
import { apiOf } from '../../api/api-of.ts'
import { print, printJson, typed } from '../../output/terminal.ts'
import { startBatch, startRun } from '../../watch/watch.ts'
import { type Asking, operating, watched, wrong } from '../asking.ts'

/** Declares `retry`. */
export function addTo(program: Command): void {
  watched(operating(program, 'retry'))
    .argument('[id...]', 'of a batch, or of runs (default: every view that fails)')
    .description('refresh again what failed, and what was skipped because of it')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper retry                            every view that fails
  viewkeeper retry 20261120-090000-1f3c9a2b   what this batch did not refresh
  viewkeeper retry 812                        the view of run 812
  viewkeeper retry 812+                       also the views that read it`,
    )
    .action(retry)
}

/** Refreshes again what has failed: everything, or what a batch did not refresh, or the views of runs. Watches until the end. */
async function retry(ids: string[], { wait, json, ...named }: Asking & { wait: boolean }): Promise<void> {
  const api = await apiOf(named)
  const [first, ...more] = ids
  const start = (body: object) => startBatch(api, body, { wait, json })
  if (first === undefined) {
    return start({ failed: true }).catch((error) => {
      if (!(error instanceof Problem && error.details.field === 'failed')) throw error
      if (json) return printJson(null)
      print(`${paint('green', '✓')} no view fails: nothing to retry`)
    })
  }
  if (!ids.every(isRun)) {
    if (more.length > 0)
      throw wrong(
        'id',
        'Retry one batch at a time, or several runs. Runs have numbers for ids, batches have dates.',
      )
    return start({ retryOf: first })
  }
  const withReaders = ids.filter((id) => id.endsWith('+')).length
  if (withReaders > 0 && withReaders < ids.length)
    throw wrong(
      'id',
      'Write + after every run or after none: one batch refreshes the readers of all its views, or of none.',
    )
  const runs = await Promise.all(ids.map((id) => refreshOf(api, id)))
  const views = runs.map(({ view }) => view)
  if (more.length > 0 || first.endsWith('+'))
    return start({
      views: [...new Set(views)],
      ...(ids.some((id) => id.endsWith('+')) && { descendants: true }),
    })
  const again = runs[0] as (typeof runs)[number]
  await startRun(api, { operation: 'refresh', ...again }, { wait, json })
}

/** An id of digits only is a run's; a plus sign means also what reads its view. */
const isRun = (id: string): boolean => /^\d+\+?$/.test(id)

/** The view that a run was to refresh, and how: as its own request said, if it came by the API. */
async function refreshOf(api: Api, id: string): Promise<{ view: string; body: object }> {
  const { view, operation, result } = await readRun(api, Number.parseInt(id, 10))
  const { view: named, ...body } = result.request
  if (operation === 'refresh') return { view, body: named === undefined ? {} : body }
  throw wrong(
    'id',
    `Run ${id} is no refresh but a ${operation}, which is not repeated blindly: write ${command([operation, typed(view)], api.typed)}.`,
  )
}
