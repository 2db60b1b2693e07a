import postgres from 'postgres'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startGateway } from '../../../serve/http/gateway.ts'
import { mostConnections } from '../../../serve/http/routes.ts'
import { advance } from '../../../src/batch/advance.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { servedOn } from '../../support/api/served.ts'
import { counts } from '../../support/counts.ts'
import { deep } from '../../support/deep.ts'
import { callOn } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { accountOf, begin } from '../../support/views/batches.ts'
import { muchLater, until } from '../../support/waiting/until.ts'

// A server of its own, with the default number of connections.
const { server, database, sql } = await startOwnServer({ max_connections: '100' })

/** Calls `work` again and again for `ms`, and as long as it is not enough. */
async function forMs(ms: number, work: () => Promise<void>, isEnough = () => true): Promise<void> {
  const end = Date.now() + ms
  while (Date.now() < end || !isEnough()) await work()
}

/** Counts how often each status occurs. */
const countsOf = (all: (string | number)[]) =>
  Object.fromEntries(Object.entries(Object.groupBy(all, String)).map(([what, each]) => [what, each?.length]))

const pendingRuns = async () =>
  (await sql`select count(*)::int as pending from viewkeeper.runs where status in ('pending', 'running')`)[0]

test(
  '200 callers leave connections to everybody else, and each gets an answer or a 503 with Retry-After',
  deep,
  async () => {
    const views = Array.from({ length: 20 }, (_, at) => `called_${at}`)
    for (const view of views) await sql.unsafe(`create materialized view ${view} as select 1 as id`)
    await sql`create role bystander login password 'secret'`
    process.env.DATABASE_URL = server.url
    for (const stream of ['info', 'warn', 'error'] as const) {
      const spy = vi.spyOn(console, stream).mockReturnValue() // the functions log each request
      onTestFinished(() => spy.mockRestore())
    }
    const gateway = await startGateway({ port: 0, served: servedOn(database) })
    const elsewhere = new URL(server.url)
    elsewhere.username = 'bystander'
    elsewhere.password = 'secret'
    const bystander: string[] = []
    const reads: number[] = []
    const answers: { status: number; code: string | undefined; again: boolean }[] = []
    let most = 0
    const ms = 6000
    // Some callers have to be answered. How many depends on the machine: these callers do not wait for Retry-After.
    const areServed = () => answers.filter(({ code }) => code !== 'TooManyConnections').length > 20
    const call = (at: number) => async () => {
      const response = await fetch(`${gateway.url}/views/${views[at % views.length]}/refresh`, {
        method: 'POST',
        headers: { prefer: 'wait=20', 'content-type': 'application/json' },
        // Not a swap: its answer can be that another swap was faster.
        body: '{ "strategy": "regular" }',
      })
      const { code } = (await response.json()) as { code?: string }
      answers.push({ status: response.status, code, again: response.headers.has('retry-after') })
    }
    try {
      await Promise.all([
        ...Array.from({ length: 200 }, (_, at) => forMs(ms, call(at), areServed)),
        forMs(ms, async () => {
          const client = postgres(elsewhere.href, { max: 1, fetch_types: false })
          const seen = await client`select 1`.then(
            () => 'let in',
            ({ code }) => code,
          )
          bystander.push(seen)
          await client.end()
        }),
        forMs(ms, async () => {
          const { status, body } = await fetch(`${gateway.url}/runs?limit=1`)
          reads.push(status)
          await body?.cancel()
        }),
        forMs(ms, async () => {
          const [row] = await sql`
          select count(*)::int as open from pg_stat_activity where application_name like 'viewkeeper%'`
          most = Math.max(most, row?.open)
        }),
      ])
    } finally {
      await gateway.close()
      delete process.env.DATABASE_URL
    }
    expect(countsOf(bystander)).toEqual({ 'let in': expect.any(Number) })
    expect(countsOf(reads)).toEqual({ 200: expect.any(Number) })
    expect(most).toBeLessThanOrEqual(mostConnections)
    for (const { status, code, again } of answers) {
      if (status === 503) expect({ code, again }).toEqual({ code: 'TooManyConnections', again: true })
      else expect([200, 202, 409]).toContain(status)
    }
    await until('no run is left open', async () => (await pendingRuns())?.pending === 0)
  },
)

test(
  'a login with 4 connections that gets 10 calls at once refuses what it cannot do, and leaves no run of that',
  deep,
  async () => {
    await sql.unsafe(`
    create role narrow login password 'secret' connection limit 4;
    grant usage on schema viewkeeper to narrow;
    grant all on all tables in schema viewkeeper to narrow;
    grant create on schema public to narrow`)
    const url = new URL(server.url)
    url.username = 'narrow'
    url.password = 'secret'
    const narrow = connectTo(fromUrl(url.href))
    const views = Array.from({ length: 10 }, (_, at) => `narrow_${at}`)
    for (const view of views) {
      await sql.unsafe(
        `create materialized view ${view} as select 1 as id; alter materialized view ${view} owner to narrow`,
      )
    }
    const ends: string[] = []
    // In step, all callers may hold one connection and miss the second.
    for (let round = 0; round < counts.narrowRounds || !ends.includes('updated'); round++) {
      const results = await Promise.all(
        views.map((view) =>
          refresh({ view }, callOn(narrow)).then(
            ({ status }) => status,
            ({ code }) => code,
          ),
        ),
      )
      ends.push(...results)
    }
    const ended = countsOf(ends)
    expect(Object.keys(ended).filter((end) => end !== 'updated')).toEqual(['TooManyConnections'])
    const runs = await sql`
    select status, count(*)::int as count from viewkeeper.runs where view_name like 'narrow%' group by 1`
    expect(runs).toEqual([{ status: 'success', count: ended.updated }])
  },
)

/** The key of an advisory lock. */
const gate = '991, 1'

describe('advancing a batch', () => {
  test("sends no more runs at once than `mostAtOnce`, even if the batch's concurrency is higher", async () => {
    const names = Array.from({ length: 12 }, (_, at) => `wide.v${at}`)
    await sql.unsafe(`
      create schema wide;
      ${names.map((name) => `create materialized view ${name} as select pg_advisory_xact_lock_shared(${gate})::text as passed with no data`).join(';')}`)
    const keeper = await sql.reserve()
    await keeper.unsafe(`select pg_advisory_lock(${gate})`)
    const batchId = await begin(database, { pattern: 'wide.*', concurrency: 12 })
    const call = { database, until: muchLater(), mostAtOnce: 3 }
    const advanced = advance(batchId, call)
    await until('three runs stand before the gate', async () => {
      const waiting = await sql`
        select from pg_locks where locktype = 'advisory' and (classid::int, objid::int) = (${sql.unsafe(gate)}) and not granted`
      return waiting.length === 3
    })
    await keeper.unsafe(`select pg_advisory_unlock(${gate})`)
    keeper.release()
    expect(await advanced).toMatchObject({ done: true, status: 'success' })
    expect((await accountOf(sql, batchId)).mostAtOnce).toBe(3)
  })
})
