import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { cancelBatch } from '../../../../src/batch/end.ts'
import { unscheduled } from '../../../../src/due/schedules.ts'
import { migrateUp } from '../../../../src/migrate/migrate.ts'
import { dropShadows } from '../../../../src/record/batches/batch-groups.ts'
import { create } from '../../../../src/run/create.ts'
import { drop } from '../../../../src/run/drop.ts'
import { refresh } from '../../../../src/run/refresh.ts'
import { setAside } from '../../../../src/set-aside/set-aside.ts'
import { getWhy } from '../../../../src/watch/why.ts'
import { deep, eachGroup } from '../../../support/deep.ts'
import { define, deleteRows } from '../../../support/record/rows.ts'
import { administrator, callOn, useDatabase } from '../../../support/servers/database.ts'
import { callAlter } from '../../../support/views/alter.ts'
import { advanceToEnd, begin } from '../../../support/views/batches.ts'
import { definition, migrateCall, useFolders } from '../../../support/views/frozen.ts'
import { gatedGroup, makeGatedGroup, shadowSchemas, tellRows } from '../../../support/views/gated-group.ts'
import { untilAtGate, withGateClosed } from '../../../support/views/slow-view.ts'
import { beginDump, type Dump } from '../../../support/waiting/dump.ts'
import { refusalOf } from '../../../support/waiting/refusal.ts'
import { untilToldToComeBack } from '../../../support/waiting/told.ts'
import { until } from '../../../support/waiting/until.ts'

// A dump asks for the SQL of views and indexes by OID until its end. No exchange and no drop may come between.

const { database, sql, url, as } = useDatabase()
const folder = useFolders()
const query = 'select id, id % 3 as n from public.base'
const frozen = definition('mv', query, { indexes: [{ name: 'mv_n', unique: false, on: '("n")' }] })

beforeAll(async () => {
  await sql.unsafe(`
    create table base as select generate_series(1, 9) as id;
    create function stand_at_gate() returns event_trigger language plpgsql as $$
      begin
        perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtext('at the gate'));
        -- not a wait for a lock: its time-out would end the try, and the next one would meet the dump at its beginning
        while not pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtext('exchange')) loop
          perform pg_catalog.pg_sleep(0.01);
        end loop;
      end $$;
    create event trigger stand_at_gate on ddl_command_end when tag in ('DROP MATERIALIZED VIEW') execute function stand_at_gate()`)
})

beforeEach(async () => {
  await sql.unsafe(`
    drop materialized view if exists mv cascade;
    create materialized view mv as ${query}; create index mv_n on mv (n); create statistics mv_s on id, n from mv;
    create view above as select * from mv`)
})

const options = { view: 'mv' } as const
const swap = (more = {}) => refresh({ ...options, strategy: 'swap', ...more }, callOn(database))

/** Waits until the last moment of an exchange or a drop, which lasts as long as the gate is closed. */
const untilAtLastMoment = () =>
  until('a run stands at the gate', async () => {
    const [row] = await sql`
      select from pg_locks l
       where l.locktype = 'advisory' and l.granted and l.objid::int8 = hashtext('at the gate')::int8 & 4294967295
         and l.database = (select oid from pg_database where datname = current_database())`
    return row !== undefined
  })

async function migrate(name: string) {
  const migrations = await folder(name)
  await migrations.freeze([frozen])
  await migrateUp(migrateCall(database), await migrations.read())
  await migrations.freeze([{ ...frozen, sql: `${query} where id > 1` }])
  return async () => migrateUp(migrateCall(database), await migrations.read())
}

const makeChild = () =>
  sql.unsafe(
    'create materialized view child as select max(n) as n from above; create index child_n on child (n)',
  )

/** Everything that drops a view or gives it another OID: what it needs, and how it ends. */
const exchanges: Record<string, () => Promise<() => Promise<unknown>>> = {
  'a swap': async () => swap,
  'a refresh of a view without a key': async () => () => refresh(options, callOn(database)),
  'the swap of a group': async () => {
    await makeChild()
    return swap
  },
  'a changed query': () => migrate('changed'),
  'a creation that replaces a view': async () => {
    await sql`drop view above`
    await define(sql, 'public.mv', { sql: query })
    return () => create({ ...options, force: true }, callOn(database))
  },
  'a drop': async () => {
    await sql`drop view above`
    return () => drop(options, callOn(database))
  },
}

const isInTheWay = ({ pid }: Dump, application = 'pg_dump') =>
  expect.stringMatching(
    new RegExp(
      `backup of this database is running.*: process ${pid} \\(role \\w+, application ${application}, transaction began `,
    ),
  )

eachGroup(Object.keys(exchanges), { quick: 1 })('%s', (name) => {
  test('waits for a dump that has begun before, whose restore lacks nothing', async () => {
    const work = await exchanges[name]!()
    const dump = await beginDump(url)
    const run = work()
    await untilToldToComeBack(sql)
    expect(await sql`select count(*)::int from mv`).toEqual([{ count: 9 }])
    expect(await dump.finish()).toEqual([])
    const ended = await run
    expect(ended).not.toHaveProperty('error')
  })

  test('is undone if a dump begins at its last moment, and then waits', deep, async () => {
    const work = await exchanges[name]!()
    const { dump, run } = await withGateClosed(sql, 'exchange', async (open) => {
      const run = work()
      await untilAtLastMoment()
      const dump = await beginDump(url)
      await open()
      await untilToldToComeBack(sql)
      return { run, dump }
    })
    expect(await dump.finish()).toEqual([])
    expect(await run).not.toHaveProperty('error')
  })
})

describe('a refresh by auto of a view with a usable unique index', () => {
  beforeEach(() => sql`create unique index mv_key on mv (id)`)

  test('is concurrent beside a dump, and says why', async () => {
    const dump = await beginDump(url)
    const result = await refresh(options, callOn(database))
    expect(result).toMatchObject({
      status: 'updated',
      response: { strategy: 'concurrent', attempts: 1, because: isInTheWay(dump) },
    })
    expect(await dump.finish()).toEqual([])
  })

  test('goes on concurrently if the dump begins at the last moment of the swap', deep, async () => {
    const [dump, result] = await withGateClosed(sql, 'exchange', async (open) => {
      const run = refresh(options, callOn(database))
      await untilAtLastMoment()
      const dump = await beginDump(url)
      await open()
      return [dump, await run] as const
    })
    expect(result).toMatchObject({
      status: 'updated',
      response: { strategy: 'concurrent', because: isInTheWay(dump) },
    })
    expect(await dump.finish()).toEqual([])
    expect(await refresh(options, callOn(database))).toMatchObject({ response: { strategy: 'swap' } })
  })
})

test('a dump is known under any name by what it asks first, and why names it', async () => {
  const dump = await beginDump(url, 'nightly')
  const run = swap()
  await untilToldToComeBack(sql)
  const why = await getWhy(database, 'mv', { schedules: unscheduled, typed: null })
  expect(why.locks).toMatchObject([
    { pid: dump.pid, application: 'nightly', mode: 'the snapshot of a backup' },
  ])
  expect(why.causes[0]).toMatchObject({
    code: 'Locked',
    text: expect.stringContaining(`Process ${dump.pid} (`),
  })
  expect(await dump.finish()).toEqual([])
  expect(await run).toMatchObject({ status: 'updated' })
})

test('a swap that finds a dump until its time is over names it, and what to do; a regular refresh does not wait', async () => {
  const dump = await beginDump(url)
  const result = await swap({ timeoutSeconds: 3 })
  expect(result.error).toMatchObject({
    class: 'LockTimeout',
    message: isInTheWay(dump),
    hint: expect.stringContaining('Try again when the backup has ended'),
  })
  expect(await refresh({ ...options, strategy: 'regular' }, callOn(database))).toMatchObject({
    status: 'updated',
    response: { attempts: 1 },
  })
  expect(await dump.finish()).toEqual([])
})

describe('a login that pretends to be a dump', () => {
  const login = `eve_${process.pid}`
  beforeAll(() => sql.unsafe(`create role ${login} login password 'secret'`))
  const pretend = async (by: string, application: string) => {
    const session = administrator(`${by}?application_name=${application}`)
    onTestFinished(() => session.end({ timeout: 0 }))
    return session.reserve()
  }

  test('by its name alone, in no transaction, is waited for some seconds at most', deep, async () => {
    const idle = await pretend(url, 'pg_dump')
    await idle`select 1`
    expect(await swap()).toMatchObject({ status: 'updated' })
  })

  test('in a transaction, and may read nothing, is not waited for', deep, async () => {
    for (const application of ['pg_dump', 'nightly']) {
      const session = await pretend(as(login).url, application)
      await session.unsafe('begin; select from pg_extension; select from pg_foreign_table')
      expect(await swap()).toMatchObject({ status: 'updated', response: { attempts: 1 } })
    }
  })

  test('and may read a view is waited for, because it could be one', deep, async () => {
    await sql.unsafe(`grant select on mv to ${login}`)
    const dump = await beginDump(as(login).url)
    const run = swap()
    await untilToldToComeBack(sql)
    expect(await dump.finish()).toEqual([])
    expect(await run).toMatchObject({ status: 'updated' })
  })
})

describe('a batch beside a dump', () => {
  test('refreshes its other views while a view without a key waits, which takes no slot', async () => {
    await sql.unsafe('create schema night; create materialized view night.without as select id from base')
    for (const name of ['first', 'second'])
      await sql.unsafe(
        `create materialized view night.${name} as select id from base; create unique index on night.${name} (id)`,
      )
    const dump = await beginDump(url)
    const batchId = await begin(database, { pattern: 'night.*', concurrency: 1 })
    const ended = advanceToEnd(database, batchId)
    await until('the views with a key are refreshed', async () => {
      const runs = await sql`select from viewkeeper.runs where batch_id = ${batchId} and status = 'success'`
      return runs.length === 2
    })
    expect(await dump.finish()).toEqual([])
    expect(await ended).toMatchObject({ status: 'success' })
    const [row] =
      await sql`select meta #>> '{response,strategy}' as strategy from viewkeeper.runs where batch_id = ${batchId} and view_name = 'without'`
    expect(row).toEqual({ strategy: 'swap' })
  })

  test(
    'exchanges a group when the dump has ended, and a dump finds the shadows that it has seen',
    deep,
    async () => {
      await makeGatedGroup(sql, 'dumped')
      const batchId = await begin(database, { views: gatedGroup('dumped'), exchange: 'together' })
      await withGateClosed(sql, 'dumped_mid', async (open) => {
        const ended = advanceToEnd(database, batchId)
        await untilAtGate(sql, 'dumped_mid')
        const dump = await beginDump(url)
        await open()
        await untilToldToComeBack(sql)
        expect(await tellRows(sql, 'dumped')).toEqual([1, 1, 1, 1])
        expect((await dump.finish()).filter((lost) => !lost.includes('viewkeeper_b'))).toEqual([])
        expect(await ended).toMatchObject({ status: 'success' })
      })
      expect(await tellRows(sql, 'dumped')).toEqual([2, 2, 2, 2])
    },
  )

  test(
    'that is canceled leaves its shadows to the dump, and the monitor drops them afterwards',
    deep,
    async () => {
      await makeGatedGroup(sql, 'left')
      const batchId = await begin(database, { views: gatedGroup('left'), exchange: 'together' })
      await withGateClosed(sql, 'left_mid', async () => {
        const ended = advanceToEnd(database, batchId)
        await untilAtGate(sql, 'left_mid')
        const dump = await beginDump(url)
        await cancelBatch(batchId, callOn(database))
        expect(await ended).toMatchObject({ status: 'canceled' })
        expect(await shadowSchemas(sql)).not.toEqual([])
        expect((await dump.finish()).filter((lost) => !lost.includes('viewkeeper_b'))).toEqual([])
      })
      await dropShadows(sql)
      expect(await shadowSchemas(sql)).toEqual([])
    },
  )
})

describe('alter', () => {
  const change = async (text: string, more: { onWait?: (holders: string) => void } = {}) =>
    callAlter(database, text, { requestedBy: 'test', huntMs: 60_000, events: more })

  test('waits for a dump, and says so', async () => {
    const dump = await beginDump(url)
    const waits: string[] = []
    const done = change('alter table base alter column id type bigint', { onWait: (who) => waits.push(who) })
    await until('it has told of the dump', async () => waits.length > 0)
    expect(waits[0]).toEqual(isInTheWay(dump))
    expect(await dump.finish()).toEqual([])
    expect(await done).not.toEqual([])
  })

  test('changes nothing if a dump has begun before its end', deep, async () => {
    await withGateClosed(sql, 'alter', async (open) => {
      // The trial, without rows, does not wait.
      const text =
        "alter table base alter column id type numeric; select pg_advisory_xact_lock(hashtext('alter')) from base limit 1"
      const refused = refusalOf(change(text))
      await untilAtGate(sql, 'alter')
      const dump = await beginDump(url)
      await open()
      expect(await refused).toMatchObject({ code: 'LockTimeout', message: isInTheWay(dump) })
      expect(await dump.finish()).toEqual([])
    })
    expect(
      await sql`select from pg_attribute where attrelid = 'base'::regclass and atttypid = 'numeric'::regtype`,
    ).toEqual([])
  })

  test('set-aside waits, too', deep, async () => {
    const dump = await beginDump(url)
    const waits: string[] = []
    const request = {
      reading: ['public.base'],
      dryRun: false,
      requestedBy: 'test',
      huntMs: 60_000,
    }
    const done = setAside(database, { ...request, onWait: (who) => waits.push(who) })
    await until('it has told of the dump', async () => waits.length > 0)
    expect(await dump.finish()).toEqual([])
    expect((await done).items).not.toEqual([])
    await deleteRows(sql, 'setAside')
  })
})
