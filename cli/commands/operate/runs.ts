import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Run, RunList } from '../../../src/edge/http/schemas/answers.ts'
import { command } from '../../../src/plan/commands.ts'
import { isGlob, matchesGlob, withSchema } from '../../../src/plan/glob.ts'
import { operations, runStatuses } from '../../../src/plan/run.ts'
import { Problem } from '../../../src/problem.ts'
import type { Api } from '../../api/api.ts'
import { apiOf } from '../../api/api-of.ts'
import { noView } from '../../api/no-view.ts'
import { readViews } from '../../api/reads.ts'
import { runsTable } from '../../output/runs.ts'
import { outputAs, print, printJson } from '../../output/terminal.ts'
import { commaSeparated, positive } from '../arguments.ts'
import { type Format, formatted, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface RunsOptions extends ApiOptions {
  view?: string
  status?: string
  operation?: string
  since?: string
  until?: string
  limit: number
  json?: boolean
  output?: Format
}

/** Declares `runs`. */
export function addTo(program: Command): void {
  formatted(operating(program, 'runs'), ['json', 'name', 'wide'])
    .argument('[view]', "a view, or a glob on the views' names, such as 'sales.*'")
    .description('list runs, newest first')
    .option(
      '--status <status>',
      `only runs with this status, or one of these: ${runStatuses.join(',')}`,
      statuses,
    )
    .addOption(new Option('--operation <name>', 'only runs of this operation').choices(operations))
    .option('--since <when>', 'only runs since then: 90m, 24h, 7d, or a time')
    .option('--until <when>', 'only runs before then, written alike')
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
    .action((view, options) => runs({ view, ...options }))
}

/** Lists runs, newest first. */
export async function runs({ json, output: format, env, url, view, ...filter }: RunsOptions): Promise<void> {
  const api = await apiOf({ env, url })
  const moment = (option: string, text: string | undefined) =>
    text === undefined ? undefined : momentOf(option, text, new Date())
  const query = {
    ...filter,
    ...ofViews(view),
    since: moment('--since', filter.since),
    until: moment('--until', filter.until),
  }
  const list = await readRuns(api, query)
  if (list.length === 0 && query.pattern !== undefined) await insistOnFit(api, query.pattern)
  if (json) return printJson(list)
  if (format === 'name') return print(...list.map(({ id }) => String(id)))
  if (list.length === 0) return print(view === undefined ? 'no such run' : `no such run of ${view}`)
  print(...runsTable(list, new Date(), outputAs(format), { view: query.view === undefined }))
  const failure = list.find(({ status }) => status === 'failed')
  if (failure) print('', `next: ${command(['run', String(failure.id)], api.typed)}`)
}

/** Refuses (UnknownView) a glob that no view fits. */
async function insistOnFit(api: Api, pattern: string): Promise<void> {
  const { views } = await readViews(api)
  if (!views.some(({ schema, name }) => matchesGlob(pattern, [schema, name])))
    throw noView(pattern.replace(/^\*\./, ''), views)
}

const readRuns = async (api: Api, query: Query): Promise<Run[]> =>
  (await api.send<RunList>('GET', '/runs', { query })).body.runs

interface Query extends Record<string, string | number | undefined> {
  limit: number
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 }

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

/** The moment that `2h`, `7d` or a time means; a time without a zone is UTC, as all that is printed. */
export function momentOf(option: string, text: string, now: Date): string {
  const ago = /^(\d{1,5})([mhd])$/.exec(text)
  if (ago) return new Date(now.getTime() - Number(ago[1]) * units[ago[2] as keyof typeof units]).toISOString()
  const zoned = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  const at = zoned ? Date.parse(zoned[1] && !zoned[4] ? `${text}Z` : text) : Number.NaN
  if (Number.isNaN(at))
    throw new Problem(
      'InvalidRequest',
      `${option} ${text}: write 90m, 24h, 7d or a time such as 2026-11-20T09:00:00Z.`,
      { field: option },
    )
  return new Date(at).toISOString()
}
