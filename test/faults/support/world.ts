import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import postgres from 'postgres'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../../local/embedded/embedded.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import { schemaFolder } from '../../support/servers/database.ts'
import { installed, major, startTestServer, type TestServer } from '../../support/servers/test-server.ts'
import { until } from '../../support/waiting/until.ts'
import { startFromBackup } from './base-backup.ts'
import { type Disk, mountDisk } from './disk.ts'
import { makeGates } from './gates.ts'
import { type Network, startNetwork } from './proxy.ts'

/** A server of a file's own, with a database that one role owns, and the network before it. */
export interface World {
  /** The superuser's, past the network. */
  url: string
  sql: Sql
  /** Keeper's, through the network. */
  clientUrl: string
  network: Network
  /** Where the server's data lie, if the world has a small disk, and this machine lets us mount one. */
  disk: Disk | undefined
  /** The process of the server itself. */
  postmaster(): number
  /** Waits until the server lets us in again; starts it if it has ended. */
  backAgain(): Promise<void>
  /** Makes a standby that has each commit before the client knows of it. */
  makeStandby(): Promise<{
    /** The server ends, the standby is promoted, and every address leads to it. */
    failOver(): Promise<void>
    /** Ends the standby if nothing has happened. */
    giveUp(): Promise<void>
  }>
  stop(): Promise<void>
}

export const keeper = 'keeper'
export const password = 'marker-Pa55'

/** So few slots that a test can take them all, and so little log that it has room on a small disk. */
const parameters = {
  max_connections: '40',
  deadlock_timeout: '200ms',
  max_wal_size: '64MB',
  min_wal_size: '32MB',
}
const smallDisk = 256 * 1024 * 1024

export async function makeWorld({ onSmallDisk = false } = {}): Promise<World> {
  const disk = onSmallDisk ? mountDisk(smallDisk) : undefined
  try {
    return await makeWorldOn(disk)
  } catch (error) {
    disk?.unmount()
    throw error
  }
}

async function makeWorldOn(disk: Disk | undefined): Promise<World> {
  let server = await startTestServer({ parameters, ...(disk && { place: disk.folder }) })
  const direct = await startNetwork(server.port)
  const network = await startNetwork(server.port)
  const root = new URL(server.url)
  root.port = String(direct.port)
  const admin = postgres(root.href, { max: 1, onnotice: () => {} })
  await admin.unsafe(`create role ${keeper} login password '${password}'`)
  await admin.unsafe(`create database faults owner ${keeper}`)
  await admin.end()
  root.pathname = '/faults'
  const sql = postgres(root.href, {
    max: 6,
    idle_timeout: 0,
    backoff: false,
    onnotice: () => {},
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
  }) as unknown as Sql
  const client = new URL(root)
  client.username = keeper
  client.password = password
  client.port = String(network.port)
  await migrate(connectTo(fromUrl(client.href)), schemaFolder)
  await makeGates(sql)
  let running: EmbeddedPostgres = server
  let ended = false
  const watch = (started: EmbeddedPostgres) => {
    running = started
    void started.ended.then(() => {
      if (running === started) ended = true
    })
  }
  watch(server)
  const postmaster = () => Number(readFileSync(join(server.data, 'postmaster.pid'), 'utf8').split('\n')[0])
  const backAgain = async () => {
    await until('the server lets us in', async () => {
      if (ended) {
        ended = false
        watch(
          await startEmbeddedPostgres({
            folder: dirname(server.data),
            port: server.port,
            version: major,
            parameters: { fsync: 'off', ...parameters },
            ...(installed && { binaries: installed }),
          }),
        )
      }
      // Past both networks: they accept every connection, and a client that loses one before its first answer tries for ever.
      const there = postgres(server.url, { max: 1, connect_timeout: 5, onnotice: () => {} })
      const isIn = await there`select 1`.then(
        () => true,
        () => false,
      )
      await there.end({ timeout: 0 })
      return isIn
    })
  }
  const stopServer = async (stopped: TestServer, process: EmbeddedPostgres) => {
    await process.stop()
    await stopped.stop()
  }
  return {
    url: root.href,
    sql,
    clientUrl: client.href,
    network,
    disk,
    postmaster,
    backAgain,
    async makeStandby() {
      let standby: TestServer | undefined = await startFromBackup(server, parameters)
      const { url, port } = standby
      await sql`alter system set synchronous_standby_names = '*'`
      await sql`select pg_reload_conf()`
      await until('the standby has what the server has', async () => {
        const [row] = await sql`select from pg_stat_replication where sync_state = 'sync'`
        return row !== undefined
      })
      return {
        async failOver() {
          const old = [server, running] as const
          const pid = postmaster()
          server = standby!
          watch(server)
          standby = undefined
          process.kill(pid, 'SIGQUIT')
          await old[1].ended
          const there = postgres(url, { max: 1, onnotice: () => {} })
          await there`select pg_promote()`
          await there.end()
          for (const way of [network, direct]) {
            way.leadTo(port)
            way.cut()
          }
          await stopServer(...old)
        },
        async giveUp() {
          if (standby === undefined) return
          await sql`alter system reset synchronous_standby_names`
          await sql`select pg_reload_conf()`
          await standby.stop()
        },
      }
    },
    async stop() {
      try {
        await sql.end({ timeout: 1 })
        network.close()
        direct.close()
        await stopServer(server, running)
      } finally {
        disk?.unmount()
      }
    },
  }
}
