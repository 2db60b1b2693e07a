import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getBatch } from '../../../../src/batch/read-batches.ts'
import { fromUrl } from '../../../../src/keeper/database-url.ts'
import { getRun } from '../../../../src/run/read-runs.ts'
import { type RefreshRequest, refresh } from '../../../../src/run/refresh.ts'
import { connectTo } from '../../../../src/server/connect.ts'
import type { Database } from '../../../../src/server/database.ts'
import { copyLine, standbysLine } from '../../../../src/server/standbys.ts'
import { keptMark } from '../../../../src/sql/names.ts'
import { doctor } from '../../../../src/watch/doctor.ts'
import { deep, eachCase } from '../../../support/deep.ts'
import { define } from '../../../support/record/rows.ts'
import { callOn } from '../../../support/servers/database.ts'
import { startOwnServer } from '../../../support/servers/own-server.ts'
import { type Standby, startStandby } from '../../../support/servers/standby.ts'
import { advanceToEnd, begin } from '../../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../../support/views/slow-view.ts'
import { type Holder, holdLocks } from '../../../support/waiting/holder.ts'
import { until } from '../../../support/waiting/until.ts'

// A primary and a standby that never cancels a reader: replay waits as long as somebody reads.

const { server: primary, sql } = await startOwnServer({ wal_level: 'logical' })
const { url } = primary
let standby: Standby

beforeAll(async () => {
  standby = await startStandby(primary, {
    name: 'reports',
    parameters: { max_standby_streaming_delay: '-1' },
  })
  await sql.unsafe(`
    create table numbers as select generate_series(1, 100) as id, 0 as version;
    create materialized view sales as select * from numbers; create unique index on sales (id);
    create materialized view top as select id, version from sales where id > 50; create unique index on top (id);
    create materialized view keyless as select max(version) as version from numbers`)
  await standby.caughtUp()
})

afterAll(() => standby?.stop())

const database: Database = connectTo(fromUrl(url))

let version = 0
/** Changes what the views hold, refreshes a view, and returns the answer. */
async function refreshed(request: RefreshRequest) {
  await sql`update numbers set version = ${++version}`
  const result = await refresh(request, callOn(database))
  expect(result.error).toBeUndefined()
  return result
}

/** Short readers on the standby, each next one as soon as the one before has ended; and the errors that they got. */
async function beside<T>(view: string, work: () => Promise<T>): Promise<T> {
  let goesOn = true
  const errors: unknown[] = []
  const reader = async () => {
    while (goesOn) {
      await standby.sql.unsafe(`select max(version) from ${view}`).catch((error) => errors.push(error))
      await pause(1)
    }
  }
  const readers = [reader(), reader()]
  try {
    return await work()
  } finally {
    goesOn = false
    await Promise.all(readers)
    expect(errors).toEqual([])
  }
}

/** A report on the standby that has read these views, and goes on until it is told to end. */
const report = (...views: string[]): Promise<Holder> =>
  holdLocks(standby.url, views.map((view) => `select * from ${view}`).join('; '))

const readVersion = async (view: string) =>
  (await standby.sql.unsafe(`select max(version)::int as version from ${view}`))[0]?.version

/** Waits until a new reader of the view waits on the standby, and returns its answer to come. */
async function waitingReader(view: string): Promise<{ version: Promise<number> }> {
  for (;;) {
    const session = postgres(standby.url, { max: 1, connection: { application_name: 'new reader' } })
    let ended = false
    const version = session
      .unsafe(`select max(version)::int as version from ${view}`)
      .then(([row]) => row?.version as number)
      .finally(() => {
        ended = true
        return session.end({ timeout: 1 })
      })
    const waits = await until('the reader has read, or waits for a lock', async () => {
      const [row] = await standby.sql`
        select from pg_stat_activity where application_name = 'new reader' and wait_event_type = 'Lock'`
      return row !== undefined ? 'yes' : ended && 'no'
    })
    if (waits === 'yes') return { version }
  }
}

describe('while a report on the standby reads the views', () => {
  test.each([
    ['one view', ['sales']],
    ['a view that others read', ['sales', 'top']],
  ])('%s is refreshed concurrently, replay goes on, and new readers see the new rows', async (_, views) => {
    const held = await report(...views)
    try {
      const { response, runId } = await beside('sales', () =>
        refreshed({ view: 'sales', strategy: 'concurrent' }),
      )
      expect(response).toMatchObject({ strategy: 'concurrent' })
      await standby.caughtUp()
      expect(await readVersion('sales')).toBe(version)
      // A replica that has replayed so far has the run.
      const [there] = await standby.sql`
        select status from viewkeeper.runs where id = ${runId}`
      expect(there).toEqual({ status: 'success' })
    } finally {
      await held.letGo()
    }
  })

  test('an incremental table is refreshed by difference, replay goes on, and no reader waits or is canceled', async () => {
    await sql.unsafe(`
      create view kept_query as select * from numbers; comment on view kept_query is '${keptMark}';
      create table kept as select * from kept_query with no data; create unique index on kept (id)`)
    await refreshed({ view: 'kept' })
    await standby.caughtUp()
    const held = await report('kept')
    try {
      const { response } = await beside('kept', () => refreshed({ view: 'kept' }))
      expect(response).toMatchObject({ strategy: 'difference' })
      await standby.caughtUp()
      expect(await readVersion('kept')).toBe(version)
      expect(
        await standby.sql`select sum(confl_lock)::int as locks, sum(confl_snapshot)::int as snapshots from pg_stat_database_conflicts`,
      ).toEqual([{ locks: 0, snapshots: 0 }])
    } finally {
      await held.letGo()
    }
  })

  test('a batch refreshes them concurrently, parents first, and exchanges nothing', async () => {
    await sql`update numbers set version = ${++version}`
    for (const view of ['public.sales', 'public.top'])
      await define(sql, view, { refresh_strategy: 'concurrent' })
    const held = await report('sales', 'top')
    try {
      const batchId = await begin(database, { views: ['sales', 'top'] })
      await beside('top', () => advanceToEnd(database, batchId))
      await standby.caughtUp()
      expect([await readVersion('sales'), await readVersion('top')]).toEqual([version, version])
      const { views, groups, refreshedEach } = await getBatch(database, batchId)
      expect([groups, refreshedEach?.map(({ because }) => because)]).toEqual([
        [],
        ['sales', 'top'].map((view) => `public.${view} is to be refreshed by strategy "concurrent"`),
      ])
      for (const { runs } of views) {
        const { meta } = await getRun(database, runs.at(-1)?.runId ?? 0)
        expect(meta.response).toMatchObject({ strategy: 'concurrent' })
      }
    } finally {
      await held.letGo()
      for (const view of ['public.sales', 'public.top']) await define(sql, view, { refresh_strategy: 'auto' })
    }
  })

  eachCase(
    [
      ['swap', 'sales'],
      ['regular', 'sales'],
      ['auto', 'keyless'],
    ] as const,
    { quick: 1 },
  )('%s of %s is done, and new readers wait', async (strategy, view) => {
    const held = await report(view)
    await refreshed({ view, strategy })
    const reader = await waitingReader(view)
    await held.letGo()
    expect(await reader.version).toBe(version)
    await standby.caughtUp()
  })
})

describe('the standbys of a server', () => {
  const seenBy = async (database: Database) => (await doctor(database, { views: [], role: null })).replicas

  test('are what replays: no receiver of WAL, and no reader of a logical slot', async () => {
    const receiver = postgres(url, {
      max: 1,
      connection: { replication: 'true', application_name: 'pg_receivewal' } as never,
      fetch_types: false,
    })
    const [at] = await sql`select pg_current_wal_lsn()::text as now`
    const stream = await receiver.unsafe(`START_REPLICATION PHYSICAL ${at?.now}`).writable()
    stream.on('error', () => {}) // it ends with its connection
    await sql`create publication all_tables for all tables with (publish = 'insert')`
    const subscriber = postgres(url, { max: 1, publications: 'all_tables', idle_timeout: null } as never)
    const { unsubscribe } = await subscriber.subscribe('*', () => {})
    try {
      await until('all three receive', async () => {
        const [row] = await sql`select count(*)::int as n from pg_stat_replication where state = 'streaming'`
        return row?.n === 3
      })
      const replicas = await seenBy(database)
      expect(replicas).toEqual({
        standbys: [{ name: 'reports', lagMs: expect.any(Number) }],
        hidden: 0,
      })
      expect(standbysLine(replicas)).toMatch(
        /^This server has 1 standby \(reports, .* behind\)\. .*strategy: 'concurrent'/,
      )
      expect(await doctor(database, { views: [], role: null })).not.toHaveProperty('copy')
    } finally {
      await unsubscribe()
      await receiver.end({ timeout: 0 })
      await subscriber.end({ timeout: 0 })
    }
  })

  test('lag behind while replay waits', async () => {
    const held = await report('sales')
    await refreshed({ view: 'sales', strategy: 'swap' })
    await until('the lag is seen', async () => {
      await sql`update numbers set version = version`
      return ((await seenBy(database)).standbys[0]?.lagMs ?? 0) > 0
    })
    await held.letGo()
    await standby.caughtUp()
  })

  test('are not seen without pg_read_all_stats, and this is said', async () => {
    await sql.unsafe(`create role blind login password 'secret'; grant usage on schema viewkeeper to blind`)
    const as = new URL(url)
    as.username = 'blind'
    as.password = 'secret'
    const replicas = await seenBy(connectTo(fromUrl(as.href)))
    expect(replicas).toEqual({ standbys: [], hidden: 1 })
    expect(standbysLine(replicas)).toContain('lacks pg_read_all_stats')
    await sql`grant pg_read_all_stats to blind`
    expect((await seenBy(connectTo(fromUrl(as.href)))).standbys).toHaveLength(1)
  })

  test('of an Aurora cluster are its readers', async () => {
    await sql.unsafe(`
      create function pg_catalog.aurora_replica_status() returns table (server_id text, session_id text, replica_lag_in_msec float8)
      language sql as $$ values ('writer', 'MASTER_SESSION_ID', null), ('reader-1', 'c1f2', 17.4) $$`)
    try {
      expect((await seenBy(database)).standbys).toContainEqual({ name: 'reader-1', lagMs: 17 })
    } finally {
      await sql`drop function pg_catalog.aurora_replica_status()`
    }
  })
})

describe('a copy that RDS feeds by logical replication', () => {
  /** RDS reads the slots of its blue/green deployments as this role. */
  const asRds = (options = {}) =>
    postgres(Object.assign(new URL(url), { username: 'rdsadmin', password: 'x' }).href, {
      max: 1,
      ...options,
    })
  const slots = (many: number) =>
    until(`there are ${many} slots`, async () => {
      const rows = await sql`select from pg_replication_slots where slot_type = 'logical'`
      return rows.length === many
    })
  let green: postgres.Sql

  beforeAll(async () => {
    await sql.unsafe(
      "create role rdsadmin superuser login password 'x'; create publication green for all tables with (publish = 'insert')",
    )
    green = asRds({ publications: 'green', idle_timeout: null })
    await green.subscribe('*', () => {})
    await slots(1)
  })

  afterAll(() => green?.end({ timeout: 0 }))

  test('is said by the doctor, and on Aurora that nothing may be refreshed', async () => {
    const { copy } = await doctor(database, { views: [], role: null })
    expect(copy).toMatch(/^RDS feeds the green server .*\(slot \w+\).*auto swaps nothing meanwhile/)
    expect(copyLine({ slot: 'a', isAurora: true }, 'shop')).toMatch(
      /every refresh .* npx viewkeeper pause --all --env shop, until/,
    )
  })

  test('lets auto choose what is no DDL, with the reason, and a swap when one is asked for', async () => {
    const because = expect.stringMatching(/RDS feeds the green server .*slot/)
    const choice = async (request: RefreshRequest) => (await refreshed(request)).response
    const auto = (view: string) => choice({ view, strategy: 'auto' })
    expect(await auto('sales')).toMatchObject({ strategy: 'concurrent', because })
    expect(await auto('keyless')).toMatchObject({ strategy: 'regular', because })
    expect(await choice({ view: 'keyless', strategy: 'swap' })).toMatchObject({ strategy: 'swap' })
  })

  test('keeps a batch from exchanging views together, with the reason', async () => {
    await sql`update numbers set version = ${++version}`
    const batchId = await begin(database, { views: ['sales', 'top'] })
    const { status } = await advanceToEnd(database, batchId)
    expect(status).toBe('success')
    const runs =
      await sql`select meta #>> '{response,strategy}' as strategy from viewkeeper.runs where batch_id = ${batchId}`
    expect(runs.map(({ strategy }) => strategy)).toEqual(['concurrent', 'concurrent'])
    expect(JSON.stringify(await getBatch(database, batchId))).toContain('RDS feeds the green server')
  })

  test('is none if nobody reads the slot, although RDS has other sessions', async () => {
    await green.end({ timeout: 0 })
    await slots(0)
    await sql`select pg_create_logical_replication_slot('idle', 'pgoutput')`
    const another = asRds()
    await another`select 1`
    expect(await doctor(database, { views: [], role: null })).not.toHaveProperty('copy')
    await another.end()
    await sql`select pg_drop_replication_slot('idle')`
  })
})

// The last test: afterwards nobody follows the primary.
test(
  'a standby that is promoted in the middle of every kind of refresh has the old views, and refreshes them',
  deep,
  async () => {
    const gated = ['by_regular', 'by_concurrent', 'by_swap', 'by_group', 'by_batch']
    for (const name of gated)
      await makeGatedView(sql, name, 'select 1 as id, max(version) as version from numbers')
    await sql.unsafe(`
    create materialized view above_group as select id, version from by_group;
    create materialized view above_batch as select id, version from by_batch`)
    await sql`update numbers set version = ${++version}`
    for (const name of ['by_batch', 'above_batch'])
      await define(sql, `public.${name}`, { retry_delay_seconds: 0 })
    const inTheMiddle = async (names: string[], work: () => Promise<void>): Promise<void> => {
      const [name, ...others] = names
      if (name === undefined) return work()
      await withGateClosed(sql, name, () => inTheMiddle(others, work))
    }
    const promoted = connectTo(fromUrl(standby.url))
    await inTheMiddle(gated, async () => {
      const start = async (view: string, strategy: RefreshRequest['strategy']) =>
        (await refresh({ view, strategy }, callOn(database, { waitUntil: 0 }))).runId
      const runs = [
        await start('by_regular', 'regular'),
        await start('by_concurrent', 'concurrent'),
        await start('by_swap', 'swap'),
        await start('by_group', 'swap'),
      ]
      const batchId = await begin(database, { views: ['by_batch', 'above_batch'] })
      const advanced = advanceToEnd(database, batchId).catch(() => {})
      for (const name of gated) await untilAtGate(sql, name)
      await standby.caughtUp()
      await standby.sql`select pg_promote()`
      for (const id of runs) expect(await getRun(promoted, id)).toMatchObject({ error: { class: 'RunLost' } })
      for (const name of [...gated, 'above_group', 'above_batch'])
        expect(await readVersion(name)).toBe(version - 1)
      const { status } = await advanceToEnd(promoted, batchId)
      expect(status).toBe('success')
      for (const [name, strategy] of [
        ['by_regular', 'regular'],
        ['by_concurrent', 'concurrent'],
        ['by_swap', 'swap'],
        ['by_group', 'swap'],
      ] as const)
        expect((await refresh({ view: name, strategy }, callOn(promoted))).status).toBe('updated')
      for (const name of [...gated, 'above_group', 'above_batch'])
        expect(await readVersion(name)).toBe(version)
      const [left] = await standby.sql`
      select (select count(*)::int from viewkeeper.runs where finished_at is null) as runs,
             (select count(*)::int from viewkeeper.batches where finished_at is null) as batches,
             (select count(*)::int from pg_namespace where nspname like 'viewkeeper\\_%') as shadows,
             (select count(*)::int from pg_class where relname like '%viewkeeper%' and relnamespace = 'public'::regnamespace) as names,
             (select count(*)::int from pg_locks where locktype = 'advisory') as locks`
      expect(left).toEqual({ runs: 0, batches: 0, shadows: 0, names: 0, locks: 0 })
      await primary?.stop()
      await advanced
    })
  },
)
