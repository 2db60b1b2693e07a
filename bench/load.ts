import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { findLiveUrl } from '../local/embedded/lock.ts'
import { findFreePort } from '../serve/process.ts'
import type { Sql } from '../src/server/database.ts'
import { summarize } from './support/measure.ts'
import type { Row } from './support/table.ts'

const views = Array.from({ length: 50 }, (_, at) => `load.v${at}`)

/** Callers at once, and for how long. The first warm up: the memory of Node grows until all kinds of requests were there. */
const loads = [
  { callers: 200, seconds: 15, isCounted: false },
  { callers: 200, seconds: 60, isCounted: true },
  { callers: 1000, seconds: 10, isCounted: true },
]

/** What may be answered with 503: nothing was begun, or another session was in the way of the run. */
const deliberate = ['TooManyConnections', 'TooManyRequests', 'CatalogChanged', 'LockTimeout', 'Deadlock']

/**
 * Lets many callers call `npm start` at once. Fails if an answer is not true, by the record and by what the views show
 * afterwards, and if an answer is an error that is not meant.
 */
export const measureLoad = (): Promise<Row[]> =>
  withLocalSystem(async (system) => {
    console.error('bench: many callers of the local system, about 2 minutes')
    const sql = postgres(system.databaseUrl, { max: 3, onnotice: () => {} }) as unknown as Sql
    try {
      await makeViews(sql)
      const rows: Row[] = [{ title: `${views.length} views of 1,000 rows; memory before, the most, after` }]
      for (const { callers, seconds, isCounted } of loads) {
        const before = system.residentBytes()
        const { answers, connections, most } = await underLoad(system, sql, callers, seconds)
        await checkAnswers(sql, answers)
        await pause(5000)
        const memory = [before, most, system.residentBytes()].map((bytes) => `${Math.round(bytes / 1e6)} MB`)
        if (isCounted)
          rows.push(
            {
              title: `${callers} callers for ${seconds} s: ${memory.join(', ')}; at most ${connections} connections`,
            },
            ...rowsOf(answers),
          )
      }
      return rows
    } finally {
      await sql.end({ timeout: 1 })
    }
  })

async function makeViews(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema load;
    create table load.counter as select 1 as n;
    ${views.map((view) => `create materialized view ${view} as select i as id, n from load.counter, generate_series(1, 1000) i; create unique index on ${view} (id)`).join(';')}`)
}

/** All answers, the most connections of Viewkeeper at one moment, and the most memory. */
async function underLoad(system: LocalSystem, sql: Sql, callers: number, seconds: number) {
  const end = Date.now() + seconds * 1000
  let newest = 1
  let connections = 0
  let most = 0
  const until = async (work: () => Promise<void>, everyMs: number) => {
    while (Date.now() < end) {
      await work()
      await pause(everyMs)
    }
  }
  const [answers] = await Promise.all([
    Promise.all(
      Array.from({ length: callers }, (_, at) =>
        callUntil(end, at, { url: system.url, views, newest: () => newest }),
      ),
    ),
    until(async () => {
      const [row] = await sql<{ n: number }[]>`update load.counter set n = n + 1 returning n`
      newest = row!.n
    }, 100),
    until(async () => {
      const [row] = await sql<{ open: number }[]>`
        select count(*)::int as open from pg_stat_activity where application_name like 'viewkeeper%'`
      connections = Math.max(connections, row!.open)
      most = Math.max(most, system.residentBytes())
    }, 100),
  ])
  return { answers: answers.flat(), connections, most }
}

/** Throws if an answer is an error that is not meant, or is not what the record and the views say. */
async function checkAnswers(sql: Sql, answers: Answer[]): Promise<void> {
  const wrong = answers.filter(
    ({ status, code = '', again }) =>
      ![200, 202, 409].includes(status) && !(status === 503 && again && deliberate.includes(code)),
  )
  for (const end = Date.now() + 60_000; Date.now() < end; await pause(100)) {
    const open = await sql`select from viewkeeper.runs where finished_at is null`
    if (open.length === 0) break
  }
  const runs = await sql<{ id: number; view: string; status: string }[]>`
    select id::int as id, schema_name || '.' || view_name as view, status from viewkeeper.runs where schema_name = 'load'`
  const runOf = new Map(runs.map((run) => [run.id, run]))
  const shown = new Map(
    await Promise.all(
      views.map(async (view) => {
        const [row] = await sql.unsafe(`select min(n)::int as n from ${view}`)
        return [view, row!.n as number] as const
      }),
    ),
  )
  const untrue = answers.filter(({ asked, status, runId, view, newest }) => {
    if (asked !== 'refresh' || runId === undefined)
      return asked === 'refresh' && [200, 202, 409].includes(status)
    const run = runOf.get(runId)
    if (run?.view !== view || ['pending', 'running'].includes(run.status)) return true
    if (status === 200) return run.status !== 'success' || shown.get(view)! < newest
    return status === 503 && run.status === 'success'
  })
  if (wrong.length + untrue.length > 0)
    throw new Error(
      `${wrong.length} of ${answers.length} answers are errors that are not meant, ${untrue.length} are not true: ` +
        JSON.stringify(
          [...wrong, ...untrue]
            .slice(0, 5)
            .map((answer) => ({ ...answer, run: runOf.get(answer.runId!), shown: shown.get(answer.view) })),
        ),
    )
}

/** How long the answers took, by what was asked and what was answered. */
function rowsOf(answers: Answer[]): Row[] {
  const groups = Object.groupBy(answers, ({ asked, status, code }) =>
    [asked, status, ...(code ? [code] : [])].join(' '),
  )
  return Object.entries(groups)
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([name, each]) => ({
      name: `${name}: ${each!.length.toLocaleString('en')}`,
      ms: summarize(each!.map(({ ms }) => ms)),
    }))
}

/** What one request was answered. */
interface Answer {
  asked: 'refresh' | 'view' | 'views' | 'runs'
  /** 0: the connection broke. */
  status: number
  ms: number
  code?: string
  /** Whether a refusal says when to come again. */
  again: boolean
  /** The view that was asked for, and the newest value that was committed when the request was sent. */
  view: string
  newest: number
  runId?: number
}

interface Asking {
  url: string
  views: string[]
  /** The newest value that is committed. */
  newest(): number
}

/** Of ten callers six refresh, two read one view, one reads all views and one the last runs. */
const kinds: Answer['asked'][] = [...Array<'refresh'>(6).fill('refresh'), 'view', 'view', 'views', 'runs']

/** Calls again and again, without a pause and whatever is answered, until `end` (epoch milliseconds). */
async function callUntil(end: number, caller: number, asking: Asking): Promise<Answer[]> {
  const answers: Answer[] = []
  while (Date.now() < end) answers.push(await ask(asking, caller, answers.length))
  return answers
}

async function ask({ url, views, newest }: Asking, caller: number, turn: number): Promise<Answer> {
  const asked = kinds[caller % kinds.length]!
  const view = views[(caller + turn) % views.length]!
  const sent = { asked, view, newest: newest() }
  const paths = {
    refresh: `/views/${view}/refresh`,
    view: `/views/${view}`,
    views: '/views',
    runs: '/runs?limit=20',
  }
  const start = performance.now()
  try {
    const response = await fetch(`${url}${paths[asked]}`, {
      ...(asked === 'refresh' && { method: 'POST', headers: { prefer: 'wait=20' } }),
    })
    const { code, runId, runningRunId } = (await response.json()) as {
      code?: string
      runId?: number
      runningRunId?: number
    }
    const told = runId ?? runningRunId
    return {
      ...sent,
      status: response.status,
      ms: performance.now() - start,
      again: response.headers.has('retry-after'),
      ...(code !== undefined && { code }),
      ...(told !== undefined && { runId: told }),
    }
  } catch {
    return { ...sent, status: 0, ms: performance.now() - start, again: false }
  }
}

const program = fileURLToPath(new URL('../local/start.ts', import.meta.url))

/** `npm start`, in a process of its own. */
interface LocalSystem {
  url: string
  /** The address of its PostgreSQL, for the superuser. */
  databaseUrl: string
  /** The memory of the process that answers. */
  residentBytes(): number
}

/** Starts the local system with its demo in a temporary folder while `work` runs, and leaves nothing. */
async function withLocalSystem<T>(work: (system: LocalSystem) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-bench-'))
  const child = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      DATABASE_URL: '',
      DATA_DIR: folder,
      PORT: `${await findFreePort()}`,
      NO_COLOR: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  try {
    let text = ''
    const isUp = new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (chunk) => {
          text += chunk
          if (text.includes('Ctrl-C stops everything')) resolve()
        })
      ended.then(() => reject(new Error(`npm start has ended:\n${text}`)))
    })
    await isUp
    return await work({
      url: /^ *api +(\S+)$/m.exec(text)![1]!,
      databaseUrl: findLiveUrl(folder)!,
      residentBytes: () =>
        1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]),
    })
  } finally {
    child.kill('SIGINT')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
}
