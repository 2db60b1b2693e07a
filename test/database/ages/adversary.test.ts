// @module-tag deep

import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBatch } from '../../../src/batch/start.ts'
import type { Strategy } from '../../../src/catalog/plan/definition.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import type { Exchange } from '../../../src/words/run.ts'
import { counts } from '../../support/counts.ts'
import { insertRow } from '../../support/record/rows.ts'
import { seeded, seedOf } from '../../support/seeded.ts'
import { administrator, callOn } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { advanceToEnd } from '../../support/views/batches.ts'
import { until } from '../../support/waiting/until.ts'

// A server of its own: the adversary kills server processes.
const { server, ...own } = await startOwnServer({ max_prepared_transactions: '5' })
let { sql } = own
const database = connectTo(fromUrl(server.url), { skipUnchanged: true })
beforeAll(async () => {
  await sql.unsafe(`
    create schema foe;
    create table foe.t (i int primary key, n int);
    create table foe.child (i int references foe.t on delete cascade);
    create table foe.p (i int, n int) partition by range (i);
    create table foe.p1 partition of foe.p for values from (0) to (1000);
    create table foe.p2 (i int, n int);
    create table foe.elder (i int);
    create table foe.younger (more int) inherits (foe.elder);
    create function foe.peek() returns bigint language sql stable as 'select sum(i) from foe.child';
    create procedure foe.work(at int) language plpgsql as $$ begin
      insert into foe.t values (at, at) on conflict do nothing; commit; update foe.t set n = n + 1 where i = at; commit; end $$;
    create view foe.between as select i, n from foe.t;
    create materialized view foe.plain as select i, n from foe.t;
    create materialized view foe.parts as select i, n, tableoid::int as part from foe.p;
    create materialized view foe.heirs as select 1 as one, sum(i) as total, count(*) from foe.elder;
    create materialized view foe.mixed as
      select 1 as one, (select sum(i * 100 + n) from foe.plain) as old, (select sum(i * 100 + n) from foe.between) as now, (select count(*) from foe.child) as children;
    create materialized view foe.told as select 1 as one, foe.peek() as total;
    create unique index on foe.plain (i);
    create unique index on foe.heirs (one);
    create unique index on foe.mixed (one)`)
  for (const name of Object.keys(strategiesOf)) {
    const dependsOn = name === 'told' ? ['child'] : []
    const times = { timeoutSeconds: 5, retries: 1, retryDelaySeconds: 0 }
    await insertRow(sql, 'definitions', { view: `foe.${name}`, dependsOn, ...times })
  }
  // A session of the adversary reports at the end of each command, or hides behind a transaction: no margin is needed.
  const [row] = await sql<
    [{ text: string }]
  >`select pg_get_functiondef('viewkeeper.horizon()'::regprocedure) as text`
  await sql.unsafe(row.text.replace("'60 s'", "'0 s'"))
})
afterAll(() => sql.end({ timeout: 1 }))

const seed = seedOf(310_018)
const { below: random, oneOf } = seeded(seed)

const strategiesOf: Record<string, Strategy[]> = {
  plain: ['regular', 'concurrent'],
  parts: ['regular', 'swap'],
  heirs: ['regular', 'concurrent', 'swap'],
  mixed: ['regular', 'concurrent', 'swap'],
  told: ['regular', 'swap'],
}

/** What a view shows, and the same from what it reads; of `mixed` each part, because one comes from a view of its own age. */
const parts: { view: string; shown: string; query: string }[] = [
  { view: 'plain', shown: 'table foe.plain', query: 'select i, n from foe.t' },
  { view: 'parts', shown: 'table foe.parts', query: 'select i, n, tableoid::int as part from foe.p' },
  {
    view: 'heirs',
    shown: 'table foe.heirs',
    query: 'select 1 as one, sum(i) as total, count(*) from foe.elder',
  },
  { view: 'mixed', shown: 'select old from foe.mixed', query: 'select sum(i * 100 + n) from foe.t' },
  { view: 'mixed', shown: 'select now from foe.mixed', query: 'select sum(i * 100 + n) from foe.t' },
  { view: 'mixed', shown: 'select children from foe.mixed', query: 'select count(*) from foe.child' },
  { view: 'told', shown: 'table foe.told', query: 'select 1 as one, foe.peek() as total' },
]

/** Every way to change what the views read, and some that change nothing. */
const changes: ((n: number) => string)[] = [
  (n) => `insert into foe.t values (${n}, 0) on conflict do nothing`,
  (n) => `update foe.t set n = n + 1 where i = ${n}`,
  (n) => `delete from foe.t where i = ${n}`,
  (n) => `insert into foe.child select i from foe.t order by i limit ${1 + (n % 3)}`,
  (n) =>
    `merge into foe.t using (values (${n})) s (i) on t.i = s.i when matched then update set n = t.n + 2 when not matched then insert values (s.i, 1)`,
  (n) => `copy foe.p from program 'echo "${n}	${n}"'`,
  () => 'truncate foe.child',
  (n) => `truncate foe.t cascade; insert into foe.t values (${n}, ${n})`,
  (n) => `insert into foe.p values (${n}, 1)`,
  (n) => `update foe.p set n = n + 1 where i < ${n}`,
  () => 'alter table foe.p attach partition foe.p2 for values from (1000) to (2000)',
  () => 'alter table foe.p detach partition foe.p2',
  (n) => `insert into foe.p2 values (${1000 + n}, 1)`,
  (n) => `insert into foe.younger values (${n}, 1)`,
  () => 'alter table foe.younger no inherit foe.elder',
  () => 'alter table foe.younger inherit foe.elder',
  () => 'truncate only foe.elder; insert into foe.elder values (1)',
  () => 'alter table foe.child add column if not exists more int default 1',
  () => 'alter table foe.child set unlogged',
  () => 'alter table foe.child set logged',
  (n) => `savepoint s; delete from foe.t; rollback to s; insert into foe.elder values (${n})`,
  () =>
    `create or replace function foe.peek() returns bigint language sql stable as 'select -sum(i) from foe.child'`,
  () =>
    `create or replace function foe.peek() returns bigint language sql stable as 'select sum(i) from foe.child'`,
  () => 'select * from foe.t for update',
]
const alone: ((n: number) => string)[] = [
  (n) => `call foe.work(${n})`,
  () => 'vacuum full foe.t',
  () => 'cluster foe.t using t_pkey',
  () => 'vacuum analyze foe.p',
  () => 'select pg_stat_reset()',
  () => `select pg_stat_reset_single_table_counters('foe.t'::regclass)`,
  () => `select pg_stat_reset_shared('bgwriter')`,
]

interface Session {
  at: Sql & { release(): void }
  isOpen: boolean
}

/** What each part was, and since when at the latest. */
const truth = parts.map((): { digest: string; at: number }[] => [])
const digestOf = (query: string) =>
  `select coalesce(md5(string_agg(x::text, ',' order by x::text)), '') as digest from (${query}) x`

async function note(): Promise<void> {
  for (const [at, { query }] of parts.entries()) {
    const [row] = await sql.unsafe<[{ digest: string; at: number }]>(
      `select d.digest, extract(epoch from clock_timestamp())::float8 as at from (${digestOf(query)}) d`,
    )
    if (truth[at]?.at(-1)?.digest !== row.digest) truth[at]?.push(row)
  }
}

/** What was committed before the view's `as_of`, and the view does not show it. */
async function missingIn(asked: string): Promise<object[]> {
  const missing: object[] = []
  for (const [at, { view, shown }] of parts.entries()) {
    if (view !== asked) continue
    const [row] = await sql.unsafe<[{ digest: string; at: number | null }]>(`
      select (${digestOf(shown)}) as digest,
             (select extract(epoch from as_of)::float8 from viewkeeper.view_status where schema_name = 'foe' and name = '${view}') as at`)
    const known = truth[at] ?? []
    const next = known[known.findLastIndex(({ digest }) => digest === row.digest) + 1]
    if (next !== undefined && row.at !== null && next.at < row.at) missing.push({ shown, next, ...row })
  }
  return missing
}

const scheduled = () => callOn(database, { trigger: 'schedule', requestedBy: 'schedule' })

/** Refreshes all views by one batch, while `meanwhile` happens. Gives how the batch has ended. */
async function refreshAll(exchange: Exchange, meanwhile: () => Promise<unknown>): Promise<string> {
  const { batchId } = await startBatch({ pattern: 'foe.*', exchange }, scheduled())
  const [{ status }] = await Promise.all([advanceToEnd(database, batchId), meanwhile()])
  return status
}

/** Whether `mixed` shows the state of `plain` that readers see now. */
async function areOfOneState(): Promise<boolean> {
  const [row] = await sql<[{ same: boolean }]>`
    select (select old from foe.mixed) is not distinct from (select sum(i * 100 + n) from foe.plain) as same`
  return row.same
}

async function crash(): Promise<void> {
  const [victim] = await sql<[{ pid: number }]>`select pg_backend_pid() as pid`
  process.kill(victim.pid, 'SIGKILL')
  await sql.end({ timeout: 1 })
  sql = administrator(server.url)
  await until('the server answers again', () => sql`select 1`.catch(() => false as const).then(Boolean))
}

test(
  `no view shows less than its as_of promises while others change what it reads (SEED=${seed})`,
  async () => {
    const open = async (): Promise<Session[]> => {
      const four: Session[] = []
      for (let n = 0; n < 4; n++) four.push({ at: (await sql.reserve()) as never, isOpen: false })
      return four
    }
    let sessions = await open()
    const ends: Record<string, number> = {}
    const count = (end: string) => {
      ends[end] = (ends[end] ?? 0) + 1
    }
    let batches = 0
    const crashes = new Set([
      Math.floor(counts.adversarysSteps / 3),
      Math.floor((counts.adversarysSteps * 2) / 3),
    ])
    let prepared = false
    await note()
    for (let step = 0; step < counts.adversarysSteps; step++) {
      const session = oneOf(sessions)
      const n = random(40)
      const what = random(20)
      const say = (text: string) =>
        session.at
          .unsafe(`set lock_timeout = '300ms'; ${text}`)
          .simple()
          .then(
            () => true,
            () => false,
          )
      const report = 'select pg_stat_force_next_flush()'
      if (crashes.has(step)) {
        await crash()
        sessions = await open()
      } else if (session.isOpen) {
        if (what < 8) {
          await say(`${what < 6 ? 'commit' : 'rollback'}; ${report}`)
          session.isOpen = false
        } else if (what < 14) await say('commit and chain')
        else await say('select count(*) from foe.t')
      } else if (what < 6) {
        if (!(await say(`begin; ${oneOf(changes)(n)}; commit; ${report}`)))
          await session.at.unsafe('rollback')
      } else if (what < 11) {
        // Committed, and hidden at once behind a transaction that stays.
        session.isOpen = await say(
          `begin; ${oneOf(changes)(n)}; commit${what < 9 ? '; begin' : ' and chain'}`,
        )
        if (!session.isOpen) await session.at.unsafe('rollback')
      } else if (what < 12 || (prepared && what > 15)) {
        // Alone, because several commands in one message are one transaction.
        if (prepared)
          prepared = await session.at
            .unsafe(`commit prepared 'foe'`)
            .simple()
            .then(
              () => false,
              () => true,
            )
        else {
          prepared = await say(`begin; ${oneOf(changes.slice(0, 5))(n)}; prepare transaction 'foe'`)
          if (!prepared) await session.at.unsafe('rollback')
        }
        await say(report)
      } else if (what < 14) {
        await say(`reset lock_timeout`)
        await session.at.unsafe(`set lock_timeout = '300ms'`)
        await session.at
          .unsafe(oneOf(alone)(n))
          .simple()
          .catch(() => {})
        await say(report)
      }
      await note()
      if (random(6) === 0) {
        const exchange = batches++ % 2 === 0 ? 'together' : 'each'
        const idle = sessions.find(({ isOpen }) => !isOpen)
        const status = await refreshAll(exchange, async () => {
          for (let change = 0; change < 3; change++) {
            const text = `set lock_timeout = '300ms'; begin; ${oneOf(changes)(random(40))}; commit; ${report}`
            await idle?.at
              .unsafe(text)
              .simple()
              .catch(() => idle.at.unsafe('rollback'))
            await note()
          }
        })
        count(`batch, ${exchange}: ${status}`)
        for (const name of Object.keys(strategiesOf))
          expect([step, await missingIn(name)]).toEqual([step, []])
        if (status === 'success') expect([step, await areOfOneState()]).toEqual([step, true])
        continue
      }
      const view = oneOf(Object.keys(strategiesOf))
      const strategy = oneOf(strategiesOf[view] ?? [])
      const { status } = await refresh({ view: `foe.${view}`, strategy, timeoutSeconds: 5 }, scheduled())
      count(status)
      expect([step, await missingIn(view)]).toEqual([step, []])
    }
    // A session that stays in transactions may hold the horizon back for all of a short run.
    if (process.env.SOAK) expect(ends.skipped).toBeGreaterThan(0)
    expect(ends).toMatchObject({
      updated: expect.any(Number),
      'batch, together: success': expect.any(Number),
      'batch, each: success': expect.any(Number),
    })
    for (const { at } of sessions) at.release()
  },
  900_000 + counts.adversarysSteps * 5_000,
)
