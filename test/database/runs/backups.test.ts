import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { dropTwins } from '../../../src/db/batches/batch-groups.ts'
import { cancelBatch } from '../../../src/operations/batches/cancel.ts'
import { getBatch } from '../../../src/operations/batches/read.ts'
import { migrateUp } from '../../../src/operations/migrations/migrate.ts'
import { create } from '../../../src/operations/runs/create.ts'
import { drop } from '../../../src/operations/runs/drop.ts'
import { refresh } from '../../../src/operations/runs/refresh.ts'
import { explain } from '../../../src/operations/views/why.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin, define } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { findAtGate, makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { beginDump } from '../../support/waiting/dump.ts'
import { until } from '../../support/waiting/until.ts'

// A dump asks for the SQL of views and indexes by OID until its end. No exchange and no drop may come between.

const { database, sql, url, as } = useDatabase()
const folder = useFolders()
const query = 'select id, id % 3 as n from public.base'
const frozen = definition('mv', query, { indexes: [{ name: 'mv_n', unique: false, on: '("n")' }] })

beforeAll(async () => {
  await sql.unsafe(`
    create table base as select generate_series(1, 9) as id;
    create function stand_at_gate() returns event_trigger language plpgsql as $$
      begin perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('exchange')); end $$;
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

/** Waits until a run has let its locks go, and waits. */
const untilWaiting = () =>
  until('a run waits without locks', async () => {
    const [row] = await sql`
      select from pg_stat_activity a where a.application_name ~ '^viewkeeper run [0-9]+ locking$' and a.wait_event = 'PgSleep'
         and a.datname = current_database()`
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
  sql.unsafe('create materialized view child as select max(n) as n from above; create index child_n on child (n)')

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

describe.each(Object.keys(exchanges))('%s', (name) => {
  test('waits for a dump that has begun before, whose restore lacks nothing', async () => {
    const work = await exchanges[name]!()
    const dump = await beginDump(url)
    const run = work()
    await untilWaiting()
    expect(await sql`select count(*)::int from mv`).toEqual([{ count: 9 }])
    expect(await dump.finish()).toEqual([])
    const ended = await run
    expect(ended).not.toHaveProperty('error')
  })

  test('is undone if a dump begins at its last moment, and then waits', async () => {
    const work = await exchanges[name]!()
    const { dump, run } = await withGateClosed(sql, 'exchange', async (open) => {
      const run = work()
      await untilAtGate(sql, 'exchange')
      const dump = await beginDump(url)
      await open()
      await untilWaiting()
      return { run, dump }
    })
    expect(await dump.finish()).toEqual([])
    expect(await run).not.toHaveProperty('error')
  })
})
