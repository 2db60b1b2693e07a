import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { findServerUser, startEmbeddedPostgres } from '../local/embedded/embedded.ts'
import type { Sql } from '../src/server/database.ts'
import { inRounds, measure, median, type Sample } from './support/measure.ts'
import {
  countFresh,
  execute,
  installTools,
  makePeers,
  makePeerViews,
  nextVersion,
  type Peer,
  peerViews,
  readView,
  type Tools,
} from './support/peers.ts'
import { type Readers, startReaders } from './support/readers.ts'
import { type BenchServer, withServer } from './support/server.ts'
import { compare, drawBars, type Row } from './support/table.ts'

const rounds = 3

/** What pg_cron needs, of the primary and of its standby. */
const parameters = {
  shared_preload_libraries: 'pg_cron',
  'cron.use_background_workers': 'on',
  max_worker_processes: '64',
}

/** Measures other tools and Viewkeeper in turn, on the same 40 views of the same server. */
export async function measurePeers({ write = false }: { write?: boolean | undefined } = {}): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-bench-peers-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove) // also after Ctrl-C
  try {
    const tools = await installTools(folder)
    for (const what of tools.missing) console.error(`bench: missing is ${what}`)
    const { debian } = tools
    const results = await withServer(async (server) => {
      await makePeerViews(server.sql)
      const reconnecting = { ...server, sql: reconnect(server.url) }
      const peers = await makePeers(reconnecting, tools, folder)
      if (debian === undefined) return comparePeers(reconnecting, peers, tools, undefined)
      return withStandby(server, debian, { ...parameters }, (standby) =>
        comparePeers(reconnecting, peers, tools, standby),
      )
    }, debian && { version: 15, binaries: debian, parameters })
    if (write) writeResults(results)
    return results.rows
  } finally {
    process.off('exit', remove)
    remove()
  }
}

/**
 * Connections that are opened again after the server has restarted. One alone may wait for ever for a query that the crash cut
 * off.
 */
const reconnect = (url: string): Sql => postgres(url, { max: 4, types: { bigint: numbers }, onnotice() {} })
const numbers = { to: 20, from: [20], parse: Number, serialize: String }

async function comparePeers(
  server: BenchServer,
  peers: Peer[],
  tools: Tools,
  standby: string | undefined,
): Promise<PeerResults> {
  console.error('bench: each tool in turn, about 10 minutes')
  const fresh = new Map<string, number>()
  const onStandby = new Map<string, number[]>()
  const readers = await startReaders(server.url)
  const standbyReaders = standby === undefined ? undefined : await startReaders(standby)
  const samples = await inRounds(
    Object.fromEntries(
      peers.map((peer) => [
        peer.name,
        async () => {
          console.error(`bench: ${peer.name}`)
          const { sample, waits } = await refreshWhileRead(server, peer, readers, standbyReaders)
          onStandby.set(peer.name, [...(onStandby.get(peer.name) ?? []), waits])
          fresh.set(peer.name, await countFresh(server.sql, peer.schema))
          return sample
        },
      ]),
    ),
    { rounds, warmUp: 0 },
  )
  await Promise.all([readers.leave(), standbyReaders?.leave()])
  console.error('bench: killing each in the middle, about 3 minutes')
  const afterKill = new Map<string, AfterKill>()
  for (const peer of peers) {
    console.error(`bench: killing ${peer.name}`)
    const usualMs = median(samples[peer.name]!.map(({ ms }) => ms))
    afterKill.set(peer.name, await killInTheMiddle(server, peer, usualMs))
  }
  const compared = peers.map(({ name }): Compared => {
    const of = samples[name]!
    const ms = median(of.map((sample) => sample.ms))
    return {
      name,
      ms,
      viewsPerSecond: (peerViews.length * 1000) / ms,
      walBytes: median(of.map(({ walBytes }) => walBytes!)),
      longestReadMs: median(of.map(({ reads }) => Math.max(...reads))),
      ...(standby !== undefined && { longestReadOnStandbyMs: median(onStandby.get(name)!) }),
      fresh: fresh.get(name)!,
      afterKill: afterKill.get(name)!,
    }
  })
  const rows = peers.map(({ name }) => compare(name, samples[name]!, { to: samples[peers[0]!.name]! }))
  const versions = { postgres: server.version, dbt: tools.dbt?.version, views: peerViews.length, rounds }
  const title = `PostgreSQL ${server.version}: 40 views, ${peerViews.reduce((sum, view) => sum + view.rows, 0)} rows`
  return { ...versions, missing: tools.missing, compared, rows: [{ title }, ...rows] }
}

/** One refresh of all views by one tool, while the largest view is read on the primary and on the standby. */
async function refreshWhileRead(
  { sql }: BenchServer,
  peer: Peer,
  readers: Readers,
  standbyReaders: Readers | undefined,
): Promise<{ sample: Sample; waits: number }> {
  await nextVersion(sql)
  await sql`checkpoint`
  const view = `${peer.schema}.${readView.name}`
  let sample: Sample | undefined
  let onStandby: number[] = []
  const work = async () => {
    let own: number | undefined
    const measured = await measure(sql, async () => {
      own = await peer.refreshAll()
    })
    sample = { ...measured, ms: own ?? measured.ms }
  }
  const both = async () => {
    onStandby = (await standbyReaders?.during(view, work, readView.rows)) ?? []
    if (standbyReaders === undefined) await work()
  }
  const reads = await readers.during(view, both, readView.rows)
  return { sample: { ...sample!, reads }, waits: Math.max(0, ...onStandby) }
}

/** What a tool leaves if the server process that refreshes is killed with `kill -9` in the middle. */
interface AfterKill {
  /** How many views show the new data, with nobody having done anything. */
  fresh: number
  record: string
}

/**
 * Kills the server process after about half of the time that a refresh of all views takes. PostgreSQL then restarts itself.
 * Without readers a refresh is quicker: if it is over before the kill, the next one is killed earlier.
 */
async function killInTheMiddle(server: BenchServer, peer: Peer, usualMs: number): Promise<AfterKill> {
  const { sql } = server
  await nextVersion(sql)
  let isOver = false
  const over = () => {
    isOver = true
  }
  const ended = peer.refreshAll().then(over, over)
  await untilRefreshing(sql, () => isOver)
  await pause(usualMs / 2)
  const pid = await untilRefreshing(sql, () => isOver)
  if (pid === undefined) return killInTheMiddle(server, peer, usualMs / 2)
  process.kill(pid, 'SIGKILL')
  await untilServing(sql)
  await ended
  return { fresh: await countFresh(sql, peer.schema), record: await peer.record() }
}

/** The server process that has been refreshing for longest. */
async function findRefreshing(sql: Sql): Promise<number | undefined> {
  const [row] = await sql<{ pid: number }[]>`
    select pid from pg_stat_activity
     where state = 'active' and pid <> pg_backend_pid() and backend_type <> 'walsender'
       and (query ilike '%refresh%' or application_name like 'viewkeeper run %')
     order by xact_start limit 1`
  return row?.pid
}

async function untilRefreshing(sql: Sql, isOver: () => boolean): Promise<number | undefined> {
  while (!isOver()) {
    const pid = await findRefreshing(sql)
    if (pid !== undefined) return pid
    await pause(20)
  }
  return undefined
}

/** Waits until the connection, which has broken with the others, works again. */
async function untilServing(sql: Sql): Promise<void> {
  for (let served = 0; served < 3; await pause(200))
    served = await sql`select 1`.then(
      () => served + 1,
      () => 0,
    )
}

/** Runs a standby of the server while `work` runs, and passes its URL. */
async function withStandby<T>(
  { url }: BenchServer,
  debian: NonNullable<Tools['debian']>,
  parameters: Record<string, string>,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-bench-standby-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove) // also after Ctrl-C
  try {
    const data = join(folder, 'postgres-15')
    mkdirSync(data, { mode: 0o700 })
    const user = findServerUser([data, debian.postgres])
    user.own(data)
    const { file, args, as } = user.command(
      debian.basebackup,
      '-D',
      data,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
      '-d',
      url,
    )
    await execute(file, args, { ...as, cwd: '/' })
    // A read waits for the replay of a lock; without this, the replay would cancel reads after 30 s.
    const standby = { ...parameters, max_standby_streaming_delay: '-1' }
    const { port, stop } = await startEmbeddedPostgres({
      folder,
      version: 15,
      binaries: debian,
      parameters: standby,
    })
    try {
      return await work(Object.assign(new URL(url), { port }).href)
    } finally {
      await stop()
    }
  } finally {
    process.off('exit', remove)
    remove()
  }
}

/** What one tool came to; medians of the rounds. */
interface Compared {
  name: string
  ms: number
  viewsPerSecond: number
  walBytes: number
  longestReadMs: number
  longestReadOnStandbyMs?: number
  /** How many views show the newest data after a refresh of all. */
  fresh: number
  afterKill: AfterKill
}

interface PeerResults {
  postgres: string
  dbt: string | undefined
  views: number
  rounds: number
  missing: string[]
  compared: Compared[]
  rows: Row[]
}

const docs = new URL('../docs/', import.meta.url)

/** Keeps the results: as JSON and as a picture. */
function writeResults({ rows: _, ...results }: PeerResults): void {
  const { compared } = results
  writeFileSync(new URL('pictures/peers.json', docs), `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(new URL('pictures/peers.svg', docs), drawPeers(compared))
}

const tell = (ms: number) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`)

function drawPeers(compared: Compared[]): string {
  const barsOf = (value: (of: Compared) => number | undefined, text: (value: number) => string) =>
    compared.flatMap((of) => {
      const its = value(of)
      if (its === undefined) return []
      return [{ label: of.name, value: its, text: text(its), ours: of.name.startsWith('Viewkeeper') }]
    })
  return drawBars('40 views, refreshed by Viewkeeper and by other tools', [
    { title: 'Longest wait of a reader', bars: barsOf(({ longestReadMs }) => longestReadMs, tell) },
    { title: 'Time for 40 views', bars: barsOf(({ ms }) => ms, tell) },
    {
      title: 'Views with new data after a server process was killed in the middle',
      bars: barsOf(
        ({ afterKill }) => afterKill.fresh,
        (fresh) => `${fresh} of 40`,
      ),
    },
  ])
}
