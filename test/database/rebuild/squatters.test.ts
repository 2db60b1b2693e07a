import { beforeAll, describe, expect, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import { startBatch } from '../../../src/batch/start.ts'
import { create } from '../../../src/run/create.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd } from '../../support/views/batches.ts'
import { shadowSchemas } from '../../support/views/gated-group.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { muchLater } from '../../support/waiting/until.ts'

const { database, sql, url, as } = useDatabase()
const squatter = `squatter_${url.slice(-8)}`

beforeAll(async () => {
  await sql.unsafe(`
    create role ${squatter} login password 'secret';
    do $$ begin execute format('grant create on database %I to ${squatter}', current_database()); end $$;
    create schema shop; grant usage, create on schema shop to ${squatter};
    create table shop.sales as select 1 as id`)
})

const oidOf = async (view: string): Promise<number> =>
  (await sql`select ${view}::regclass::oid::int8 as oid`)[0]?.oid

/** Does work as the squatter. */
const squat = (text: string) => as(squatter).database.withConnection((other) => other.unsafe(text).simple())

test('a view that is created anew beside the old one has a name meanwhile that nobody can take first', async () => {
  await sql`create materialized view shop.forced as select id from shop.sales`
  await define(sql, 'shop.forced', { sql: 'select id from shop.sales' })
  await squat('create table shop.viewkeeper_new_65e278a0 ()')
  expect(await create({ view: 'shop.forced', force: true }, callOn(database))).toMatchObject({
    status: 'created',
  })
})

describe('names that somebody takes in the places of shadows keep no other owner from a swap', () => {
  test('of a view', async () => {
    await sql.unsafe(`
      create materialized view shop.alone as select id from shop.sales; create unique index alone_key on shop.alone (id);
      create statistics shop.alone_stat on id, (id + 1) from shop.alone`)
    const oid = await oidOf('shop.alone')
    await squat(
      ['', '_old', '_i0', '_s0', '_s0_old']
        .map((end) => `create table shop.viewkeeper_${oid}${end} ()`)
        .join(';'),
    )
    const result = await refresh({ view: 'shop.alone', strategy: 'swap' }, callOn(database))
    expect(result).toMatchObject({ status: 'updated', response: { strategy: 'swap' } })
    expect(await oidOf('shop.alone')).not.toBe(oid)
  })

  test('of a group', async () => {
    await sql.unsafe(`
      create materialized view shop.base as select id from shop.sales;
      create materialized view shop.top as select id from shop.base`)
    const oid = await oidOf('shop.base')
    await squat(`create schema viewkeeper_${oid}_0; create schema viewkeeper_${oid}_0_old`)
    const result = await refresh({ view: 'shop.base', strategy: 'swap' }, callOn(database))
    expect(result).toMatchObject({ status: 'updated', response: { strategy: 'swap' } })
    await sql.unsafe(`drop schema viewkeeper_${oid}_0; drop schema viewkeeper_${oid}_0_old`)
  })

  test('of a batch', async () => {
    const { batchId } = await startBatch({ all: true, strategy: 'swap' }, callOn(database))
    const [batch] = await sql`select serial from viewkeeper.batches where id = ${batchId}`
    await squat(
      `create schema viewkeeper_b${batch?.serial}_0_0; create schema viewkeeper_b${batch?.serial}_1_0`,
    )
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(await sql`select refreshed_each from viewkeeper.batches where id = ${batchId}`).toEqual([
      { refreshed_each: [] },
    ])
    expect(await sql`select number from viewkeeper.batch_groups where batch_id = ${batchId}`).toEqual([
      { number: 2 },
    ])
  })
})

test('an owner of members can leave nothing in the schemas of their shadows, so the exchange of a batch succeeds', async () => {
  await sql.unsafe(`create schema gated; grant all on schema gated, public to ${squatter}`)
  await makeGatedView(sql, 'below', 'select id from shop.sales')
  await sql.unsafe(`
    create materialized view above as select id from below; grant select on below, shop.sales to ${squatter} with grant option;
    alter materialized view above owner to ${squatter}`)
  const { batchId } = await startBatch({ views: ['below', 'above'], strategy: 'swap' }, callOn(database))
  await withGateClosed(sql, 'below', async (open) => {
    const advancing = advance(batchId, { database, until: muchLater() })
    await untilAtGate(sql, 'below')
    const schemas = (await shadowSchemas(sql)).filter((name) => name.startsWith('viewkeeper_b'))
    expect(schemas.length).toBeGreaterThanOrEqual(2)
    for (const schema of schemas) {
      await expect(squat(`create table ${schema}.left_over ()`)).rejects.toMatchObject({
        code: 'InsufficientPrivilege',
      })
    }
    await open()
    expect(await advancing).toMatchObject({ done: true, status: 'success' })
  })
  expect(
    await sql`select status, meta -> 'response' ->> 'strategy' as strategy from viewkeeper.runs where batch_id = ${batchId}`,
  ).toEqual(Array(2).fill({ status: 'success', strategy: 'swap' }))
  expect((await shadowSchemas(sql)).filter((name) => name.startsWith('viewkeeper_b'))).toEqual([])
})
