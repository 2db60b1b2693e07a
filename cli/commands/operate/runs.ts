import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import type { Command } from 'commander'
import { ask, readRun, readViews } from '../../../src/api/ask.ts'
import { without } from '../../../src/resources/cell.ts'
import { runColumns, statementsOf } from '../../../src/resources/run-facts.ts'
import { command } from '../../../src/words/commands.ts'
import { isGlob, matchesGlob, withSchema } from '../../../src/words/glob.ts'
import { operations, runStatuses } from '../../../src/words/run.ts'
import type { Api } from '../../api/api.ts'
import { apiOf } from '../../api/api-of.ts'
import { failureLines, runLines } from '../../output/run-lines.ts'
import { noView } from '../../project/names.ts'
import { hasEnded, watchRun } from '../../watch/watch.ts'
import { type Asking, answer, between, commaSeparated, list, operating, positive, watch } from '../asking.ts'

interface RunCommandOptions extends Asking {
  watch?: true
  sql?: true
}

/** Declares `runs`, which lists runs, newest first, or shows one. */
export function addTo(program: Command): void {
  operating(program, 'runs', ['json', 'name', 'wide'])
    .alias('run')
    .argument('[view]', "a view, a glob on the views' names, such as 'sales.*', or the number of a run")
    .description('list runs, newest first, or show one: how long it took, why it failed')
    .option(
      '--status <status>',
      `only runs with this status, or one of these: ${runStatuses.join(',')}`,
      statuses,
    )
    .addOption(new Option('--operation <name>', 'only runs of this operation').choices(operations))
    .option('--since <when>', 'only runs since then: 90m, 24h, 7d, or a time')
    .option('--until <when>', 'only runs before that time, in the same form')
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .option(...watch)
    .option('--sql', 'one run: print only the SQL that was executed')
    .addHelpText(
      'after',
      `
Examples:
  viewkeeper runs sales                             the last runs of one view
  viewkeeper runs 'sales*' --status failed          what failed of these views
  viewkeeper runs --status failed,canceled --since 12h
  viewkeeper runs --since 2026-11-20T22:00Z --until 2026-11-21T06:00Z
  viewkeeper runs 812 -w                            one run; wait for its end
  viewkeeper runs 812 --sql                         what the server executed`,
    )
    .action(async (view, { status, operation, since, until, limit, watch, sql, ...asking }) => {
      if (/^\d+$/.test(view ?? '')) return showRun(Number(view), { ...asking, watch, sql })
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
          return failure ? ['', `next: ${command(['runs', String(failure.id)], api.typed)}`] : []
        },
      })
    })
}

/** Shows one run, or watches it until its end. */
async function showRun(id: number, { watch, sql, ...asking }: RunCommandOptions): Promise<void> {
  const api = await apiOf(asking)
  const found = await readRun(api, id)
  if (watch && !hasEnded(found)) return void (await watchRun(api, id, asking))
  await answer(
    asking,
    async () => found,
    (run, { api, now, output }) => {
      if (sql) return statementsOf(run)
      const why = failureLines(run, api.typed, output, ['runs', String(id)])
      return [...runLines(run, now, output), ...(why.length > 0 ? ['', ...why] : [])]
    },
  )
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
