import { type Command, Option } from 'commander'
import type { Run, RunList } from '../../../src/edge/http/schemas/answers.ts'
import { command } from '../../../src/plan/commands.ts'
import { operations, runStatuses } from '../../../src/plan/run.ts'
import { Problem } from '../../../src/problem.ts'
import type { Api } from '../../api/api.ts'
import { apiOf } from '../../api/api-of.ts'
import { short } from '../../output/names.ts'
import { endLine, runsTable } from '../../output/runs.ts'
import { output, print, printJson } from '../../output/terminal.ts'
import { displayWidth } from '../../output/width.ts'
import { unlessInterrupted } from '../../watch/interrupt.ts'
import { readUntil } from '../../watch/poll.ts'
import { hasEnded } from '../../watch/run.ts'
import { positive } from '../arguments.ts'
import { json, operating } from '../flags.ts'
import type { ApiOptions } from './options.ts'

interface RunsOptions extends ApiOptions {
  view?: string
  status?: string
  operation?: string
  since?: string
  limit: number
  follow?: boolean
  json?: boolean
}

/** Declares `runs`. */
export function addTo(program: Command): void {
  operating(program, 'runs')
    .argument('[view]')
    .description('list runs, newest first')
    .addOption(new Option('--status <status>', 'only runs with this status').choices(runStatuses))
    .addOption(new Option('--operation <name>', 'only runs of this operation').choices(operations))
    .option('--since <when>', 'only runs since then: 90m, 24h, 7d, or a time')
    .option('--limit <n>', 'how many, at most 200', positive, 20)
    .option('-f, --follow', 'print each further run when it has ended')
    .option(...json)
    .action((view, options) => runs({ view, ...options }))
}

/** Lists runs, newest first. With `follow`, oldest first, and each further run when it has ended. */
export async function runs({ follow, json, env, url, ...filter }: RunsOptions): Promise<void> {
  const api = await apiOf({ env, url })
  const query = {
    ...filter,
    since: filter.since === undefined ? undefined : sinceOf(filter.since, new Date()),
  }
  if (follow) return unlessInterrupted(followRuns(api, query, json ?? false), () => {})
  const list = await readRuns(api, query)
  if (json) return printJson(list)
  if (list.length === 0) return print(filter.view === undefined ? 'no runs' : `no runs of ${filter.view}`)
  print(...runsTable(list, new Date(), output(), { view: filter.view === undefined }))
  const failure = list.find(({ status }) => status === 'failed')
  if (failure) print('', `next: ${command(['run', String(failure.id)], api.environment)}`)
}

const readRuns = async (api: Api, query: Query): Promise<Run[]> =>
  (await api.send<RunList>('GET', '/runs', { query })).body.runs

interface Query extends Record<string, string | number | undefined> {
  limit: number
}

/** As many runs as the API gives at once: what ends between two looks. */
const mostAtOnce = 200

async function followRuns(api: Api, query: Query, json: boolean): Promise<void> {
  const told = new Set<number>()
  let most = query.limit
  const look = () => readRuns(api, { ...query, limit: mostAtOnce })
  const tell = (list: Run[]) => {
    const ended = list.filter((run) => hasEnded(run) && !told.has(run.id))
    for (const { id } of ended) told.add(id)
    const name = Math.max(...list.map(({ view }) => displayWidth(short(view))))
    for (const run of ended.slice(0, most).reverse())
      print(json ? JSON.stringify(run) : endLine(run, { ...output(), name }))
    most = mostAtOnce
  }
  await readUntil(look, () => false, tell)
}

const units = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The moment that `2h`, `7d` or a time means. */
export function sinceOf(text: string, now: Date): string {
  const ago = /^(\d{1,5})([mhd])$/.exec(text)
  if (ago) return new Date(now.getTime() - Number(ago[1]) * units[ago[2] as keyof typeof units]).toISOString()
  const at = Date.parse(text)
  if (Number.isNaN(at))
    throw new Problem(
      'InvalidRequest',
      `--since ${text}: write 90m, 24h, 7d or a time such as 2026-11-20T09:00:00Z.`,
      {
        field: '--since',
      },
    )
  return new Date(at).toISOString()
}
