import { setTimeout as pause } from 'node:timers/promises'
import type { BenchServer } from '../support/server.ts'
import type { Peer } from './peers.ts'
import { countFresh, nextVersion } from './views.ts'

/** What a tool leaves if the server process that refreshes is killed with `kill -9` in the middle. */
export interface AfterKill {
  /** How many views show the new data, with nobody having done anything. */
  fresh: number
  record: string
}

/**
 * Kills the server process after about half of the time that a refresh of all views takes. PostgreSQL then restarts itself.
 * Without readers a refresh is quicker: if it is over before the kill, the next one is killed earlier.
 */
export async function killInTheMiddle(server: BenchServer, peer: Peer, usualMs: number): Promise<AfterKill> {
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

type Sql = BenchServer['sql']

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
