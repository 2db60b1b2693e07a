import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import type { BatchDetails } from '../../../src/api/answers.ts'
import { ask, readBatch, readRun, readViews } from '../../../src/api/ask.ts'
import { batchStatuses, operations, runStatuses } from '../../../src/catalog/plan/run.ts'
import { Problem } from '../../../src/problem.ts'
import { without } from '../../../src/resources/cell.ts'
import { actionColumns, batchColumns, runColumns, statementsOf } from '../../../src/resources/runs.ts'
import { command } from '../../../src/sql/commands.ts'
import { isGlob, matchesGlob, withSchema } from '../../../src/sql/glob.ts'
import { paint } from '../../../src/terminal/report.ts'
import { actionNames } from '../../../src/watch/plan/actions.ts'
import type { Api } from '../../api/api.ts'
import { apiOf } from '../../api/api-of.ts'
import {
  batchHead,
  endOfBatch,
  failureLines,
  progressLine,
  runLines,
  viewLinesOf,
} from '../../output/runs.ts'
import { failed, print, short } from '../../output/terminal.ts'
import { noView } from '../../project/names.ts'
import { hasEnded, watchBatch, watchRun } from '../../watch/watch.ts'
import {
  type Asking,
  answer,
  between,
  commaSeparated,
  list,
  operating,
  type Printing,
  positive,
  watch,
} from '../asking.ts'

// What shows the record, newest first, and what ends a part of it: `runs`, `batches`, `actions`, `cancel`.

/** Declares `runs`, which lists runs, newest first, and `run`, which shows one, or watches it until its end. */
export function addRuns(program: Command): void {
  operating(program, 'runs', ['json', 'name', 'wide'])
    .argument('[view]', "a view, or a glob on the views' names, such as 'sales.*'")
    .description('list runs, newest first')
    .option(
      '--status <status>',
      `only runs with this status, or one of these: ${runStatuses.join(',')}`,
      statuses,
    )
    .addOption(new Option('--operation <name>', 'only runs of this operation').choices(operations))
    .option('--since <when>', 'only runs since then: 90m, 24h, 7d, or a time')
    .option('--until <when>', 'only runs before that time, in the same form')
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper runs sales                             the last runs of one view
  viewkeeper runs 'sales*' --status failed          what failed of these views
  viewkeeper runs --status failed,canceled --since 12h
  viewkeeper runs --since 2026-11-20T22:00Z --until 2026-11-21T06:00Z`,
    )
    .action(async (view, { status, operation, since, until, limit, ...asking }) => {
      const named = ofViews(view)
      const query = { status, operation, limit, ...named, ...between({ since, until }) }
      const read = async (api: Api) => {
        const { runs } = await ask(api, 'listRuns', { query })
        if (runs.length === 0 && named.pattern !== undefined) await insistOnFit(api, named.pattern)
        return runs
      }
      await list(asking, read, {
        columns: named.view === undefined ? runColumns : without(runColumns, 'view'),
        nameOf: ({ id }) => id,
        none: view === undefined ? 'no such run' : `no such run of ${view}`,
        below: (runs, { api }) => {
          const failure = runs.find((run) => run.status === 'failed')
          return failure ? ['', `next: ${command(['run', String(failure.id)], api.typed)}`] : []
        },
      })
    })

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
          const why = failureLines(run, api.typed, output, ['run', String(id)])
          return [...runLines(run, now, output), ...(why.length > 0 ? ['', ...why] : [])]
        },
      )
    })
}

/** Refuses (UnknownView) a glob that no view fits. */
async function insistOnFit(api: Api, pattern: string): Promise<void> {
  const { views } = await readViews(api)
  if (!views.some(({ schema, name }) => matchesGlob(pattern, [schema, name])))
    throw noView(pattern.replace(/^\*\./, ''), views)
}

/** The fields of `GET /runs` for a view, or for a glob: without a schema, the glob fits views of every schema. */
function ofViews(view: string | undefined): { view?: string; pattern?: string } {
  if (view === undefined) return {}
  return isGlob(view) ? { pattern: withSchema(view) } : { view }
}

const statuses = (text: string): string => {
  const unknown = commaSeparated(text).find((each) => !(runStatuses as readonly string[]).includes(each))
  if (unknown === undefined) return text
  throw new InvalidArgumentError(`Write one or more of ${runStatuses.join(',')}.`)
}

/** Declares `batches`, which lists batches, newest first, and `batch`, which shows one, or watches it until its end. */
export function addBatches(program: Command): void {
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

/** Declares `actions`, which lists who did what, newest first. */
export function addActions(program: Command): void {
  operating(program, 'actions', ['json', 'name', 'wide'])
    .argument('[view]', 'only what concerns this view')
    .description('list who did what: who paused, canceled, forced, dropped, and when')
    .addOption(new Option('--action <name>', 'only this action').choices(actionNames))
    .option('--since <when>', 'only actions since then: 90m, 24h, 7d, or a time')
    .option('--until <when>', 'only actions before that time, in the same form')
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper actions sales               who paused, canceled or forced what of one view
  viewkeeper actions --action pause      who paused, and when
  viewkeeper actions --since 12h -o wide with the options and the whole names of the callers`,
    )
    .action(async (view, { action, since, until, limit, ...asking }) => {
      const query = { view, action, limit, ...between({ since, until }) }
      await list(asking, async (api) => (await ask(api, 'listActions', { query })).actions, {
        columns: actionColumns,
        nameOf: ({ id }) => id,
        none: view === undefined ? 'no such action' : `no such action on ${view}`,
      })
    })
}

/** Declares `cancel`. */
export function addCancel(program: Command): void {
  operating(program, 'cancel', [])
    .argument('<id>', 'of a run or a batch')
    .description('cancel a run, or a batch with its runs')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper cancel 812
  viewkeeper cancel 20261120-090000-1f3c9a2b`,
    )
    .action(cancel)
}

/** Cancels a run on the server, or a batch with its runs. An id of digits only is a run's. */
async function cancel(id: string, asking: Asking): Promise<void> {
  const api = await apiOf(asking)
  if (!/^\d+$/.test(id)) {
    await ask(api, 'cancelBatch', { id })
    const { status } = await readBatch(api, id)
    return status === 'canceled'
      ? print(`${paint('green', '✓')} batch ${id} is canceled`)
      : print(`batch ${id} ends as soon as its runs have stopped`)
  }
  // Canceling a run answers with the problem that the run has recorded: Canceled means that the cancel worked.
  await ask(api, 'cancelRun', { id }).catch((error) => {
    if (!(error instanceof Problem && error.code === 'Canceled')) throw error
  })
  const { status, view } = await readRun(api, Number(id))
  if (status === 'canceled')
    return print(`${paint('green', '✓')} run ${id} of ${short(view)} is canceled; its data are as before`)
  if (status === 'success') {
    process.exitCode = failed
    return print(`run ${id} of ${short(view)} was faster than the cancel: it has succeeded`)
  }
  print(`run ${id} of ${short(view)} is ${status}; the server stops it as soon as it can`)
}
