import { beforeAll, expect, test } from 'vitest'
import { updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

// Views of two owners in one batch with two places.

const { sql, database } = useDatabase()
const [slow, quick] = [`slow_${process.pid}`, `quick_${process.pid}`]

beforeAll(async () => {
  await sql.unsafe(`
    create role ${slow}; create role ${quick}; create schema s; create schema z;
    grant create, usage on schema s to ${slow}; grant create, usage on schema z to ${quick};
    create function s.stop() returns integer language plpgsql as $$
      begin perform pg_advisory_xact_lock_shared(hashtext('stop')); return 1; end $$;
    grant execute on function s.stop() to ${slow}`)
  for (const at of [1, 2, 3, 4]) {
    await sql.unsafe(`
      create materialized view s.slow_${at} as select s.stop() as id; alter materialized view s.slow_${at} owner to ${slow};
      create materialized view z.quick_${at} as select 1 as id; alter materialized view z.quick_${at} owner to ${quick}`)
  }
})

const statuses = async (batchId: string, schema: string, status: string) =>
  (
    await sql`select from viewkeeper.runs where batch_id = ${batchId} and schema_name = ${schema} and status = ${status}`
  ).length

test('an owner whose views are slow never has all places while views of another owner wait', async () => {
  const batchId = await begin(database, { all: true, concurrency: 2, strategy: 'regular' })
  // The slow ones are the most urgent.
  await updateRows(sql, 'batchViews', { batchId, schemaName: 'z' }, { position: sql`position + 100` })
  await withGateClosed(sql, 'stop', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'stop')
    await until(
      'the views of the other owner are refreshed',
      async () => (await statuses(batchId, 'z', 'success')) === 4,
    )
    // Nobody else waits any more.
    await until('the owner has both places', async () => (await statuses(batchId, 's', 'running')) === 2)
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
})

test('an owner has all places while the views of others wait for its own', async () => {
  await sql.unsafe(`
    drop materialized view z.quick_1, z.quick_2, z.quick_3, z.quick_4;
    grant usage on schema s to ${quick}; grant select on s.slow_1 to ${quick};
    create materialized view z.above as select id from s.slow_1; alter materialized view z.above owner to ${quick}`)
  const batchId = await begin(database, { all: true, concurrency: 2, strategy: 'regular' })
  await withGateClosed(sql, 'stop', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await until('the owner has both places', async () => (await statuses(batchId, 's', 'running')) === 2)
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
  })
})

test('exchanges of one owner share sessions with their shadows; one of two owners has a session of its own', async () => {
  for (const at of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const above = at > 6 ? quick : slow
    await sql.unsafe(`
      create schema g${at}; grant create, usage on schema g${at} to ${slow}, ${quick};
      create materialized view g${at}.a as select 1 as id; create materialized view g${at}.b as select id from g${at}.a;
      grant select on g${at}.a to ${quick};
      alter materialized view g${at}.a owner to ${slow}; alter materialized view g${at}.b owner to ${above}`)
  }
  const batchId = await begin(database, { pattern: 'g?.*', concurrency: 1, strategy: 'swap' })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  const runs = await sql<{ schema: string; pid: number }[]>`
    select schema_name as schema, backend_pid as pid from viewkeeper.runs where batch_id = ${batchId} and view_name = 'a'`
  const of = (...schemas: string[]) =>
    new Set(runs.flatMap(({ schema, pid }) => (schemas.includes(schema) ? pid : [])))
  const one = ['g1', 'g2', 'g3', 'g4', 'g5', 'g6']
  const shared = of(...one)
  expect(runs).toHaveLength(8)
  // How many are open at once depends on how long exchanges take; with one for each exchange there would be six.
  expect(shared.size).toBeLessThan(one.length)
  expect(of('g7', 'g8').size).toBe(2)
  expect(of(...one, 'g7', 'g8').size).toBe(shared.size + 2)
})
