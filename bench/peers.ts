import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import type { Sql } from '../src/server/connect.ts'
import { installTools, type Tools } from './peers/install.ts'
import { type AfterKill, killInTheMiddle } from './peers/kill.ts'
import { makePeers, type Peer } from './peers/peers.ts'
import { type Compared, type PeerResults, writeResults } from './peers/results.ts'
import { withStandby } from './peers/standby.ts'
import { countFresh, makePeerViews, nextVersion, peerViews, readView } from './peers/views.ts'
import { inRounds, measure, median, type Sample } from './support/measure.ts'
import { type Readers, startReaders } from './support/readers.ts'
import { type BenchServer, withServer } from './support/server.ts'
import { compare, type Row } from './support/table.ts'

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
