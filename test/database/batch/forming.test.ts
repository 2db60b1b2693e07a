import { afterEach, expect, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { requestBatchCancel } from '../../../src/record/batches/batches.ts'
import { recordTogether } from '../../../src/record/batches/group-runs.ts'
import { deep } from '../../support/deep.ts'
import { cancelOpenBatches } from '../../support/record/open-batches.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()

afterEach(async () => {
  await cancelOpenBatches(database)
  await sql`drop schema shop cascade`
})

/** So many views, each read by another one. */
async function makePairs(count: number): Promise<void> {
  await sql.unsafe('create schema shop')
  for (let at = 0; at < count; at++)
    await sql.unsafe(`
      create materialized view shop.root_${at} as select ${at} as id;
      create materialized view shop.leaf_${at} as select id from shop.root_${at}`)
}

const formed = async (batchId: string) => (await getBatch(database, batchId)).groups.length

/** A call whose time is up at once: it decides on what comes first, and sends nothing. */
const callOnce = (batchId: string) => advance(batchId, { database, until: Date.now() })

test('a batch begins when its first groups are formed: the others are formed when their turn comes', async () => {
  await makePairs(16)
  const batchId = await begin(database, { pattern: 'shop.*' })
  await callOnce(batchId)
  const first = await formed(batchId)
  expect(first).toBeGreaterThan(0)
  expect(first).toBeLessThan(16)
  await callOnce(batchId)
  expect(await formed(batchId)).toBe(first)
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  const [order] = await sql`
    select (select min(r.started_at) from viewkeeper.runs r where r.batch_id = b.id) < b.grouped_at as "begunBefore", b.pieces
      from viewkeeper.batches b where b.id = ${batchId}`
  expect(order).toEqual({ begunBefore: true, pieces: [] })
  const { groups, views } = await getBatch(database, batchId)
  expect(groups.map((group) => [...group.views].sort()).sort()).toEqual(
    Array.from({ length: 16 }, (_, at) => [`shop.leaf_${at}`, `shop.root_${at}`]).sort(),
  )
  expect(views.every(({ runs }) => runs.length === 1)).toBe(true)
})

test('what its owner lacks to fill the shadow of a view is said with who gives it', async () => {
  await sql.unsafe(`
    drop role if exists lacking_owner; create role lacking_owner; create schema shop; grant usage, create on schema shop to lacking_owner;
    create table shop.secret as select 1 as id; grant select on shop.secret to lacking_owner;
    set role lacking_owner; create materialized view shop.root as select id from shop.secret; reset role;
    create materialized view shop.leaf as select id from shop.root; revoke select on shop.secret from lacking_owner`)
  const batchId = await begin(database, { pattern: 'shop.*', strategy: 'swap', retries: 0 })
  await advanceToEnd(database, batchId)
  const [run] = await sql`
    select error ->> 'class' as class, error ->> 'hint' as hint from viewkeeper.runs
     where batch_id = ${batchId} and view_name = 'root' order by id limit 1`
  expect(run).toEqual({
    class: 'InsufficientPrivilege',
    hint: expect.stringContaining('grant select on shop.secret to lacking_owner;'),
  })
  expect((await getBatch(database, batchId)).groups).toHaveLength(1)
  await sql.unsafe('drop owned by lacking_owner cascade; drop role lacking_owner')
})

test('what a call has formed stays when the call ends', deep, async () => {
  await makePairs(16)
  const batchId = await begin(database, { pattern: 'shop.*' })
  await callOnce(batchId)
  const places = () => sql`select nspname from pg_namespace where nspname ~ '^viewkeeper_b' order by nspname`
  const [first, before] = [await formed(batchId), await places()]
  await callOnce(batchId)
  expect(await formed(batchId)).toBe(first)
  expect([...(await places())]).toEqual([...before])
  await advanceToEnd(database, batchId)
  expect([...(await places())]).toEqual([])
})

test('a group of more than a hundred views is exchanged at one moment', deep, async () => {
  await sql.unsafe('create schema shop; create materialized view shop.root as select 1 as id')
  for (let at = 0; at < 101; at++)
    await sql.unsafe(`create materialized view shop.leaf_${at} as select id from shop.root`)
  const batchId = await begin(database, { pattern: 'shop.*', strategy: 'swap' })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  const ends = await sql`
    select count(*)::int as views, count(distinct finished_at)::int as moments from viewkeeper.runs where batch_id = ${batchId} and status = 'success'`
  expect(ends).toEqual([{ views: 102, moments: 1 }])
})

test('several calls form each group once', deep, async () => {
  await makePairs(16)
  const batchId = await begin(database, { pattern: 'shop.*' })
  const all = await Promise.all(Array.from({ length: 4 }, () => advanceToEnd(database, batchId)))
  expect(all.map(({ status }) => status)).toEqual(Array(4).fill('success'))
  expect(await formed(batchId)).toBe(16)
})

test(
  'calls that write the plan of a group at the same moment wait for each other in no circle',
  deep,
  async () => {
    await makePairs(16)
    const batchId = await begin(database, { pattern: 'shop.*' })
    await callOnce(batchId)
    const [group] = await sql<[{ number: number; members: { id: number; meta: object }[] }]>`
    select number, (select jsonb_agg(jsonb_build_object('id', id, 'meta', '{}'::jsonb)) from unnest(members) id) as members
      from viewkeeper.batch_groups where batch_id = ${batchId} order by number limit 1`
    const record = (members: { id: number; meta: object }[]) =>
      database.withConnection(async (own) => {
        const together = { group: { number: group.number, members: [] }, members, plan: {} as never }
        return (await recordTogether(own, batchId, 'pending', [together]))[0]
      })
    for (let round = 0; round < 20; round++) {
      const found = await Promise.all([
        record(group.members),
        record(group.members.toReversed()),
        record(group.members),
      ])
      expect(found.every((run) => run !== null)).toBe(true)
    }
  },
)

test('a canceled batch forms no group any more', async () => {
  await makePairs(16)
  const batchId = await begin(database, { pattern: 'shop.*' })
  await callOnce(batchId)
  const first = await formed(batchId)
  await requestBatchCancel(sql, batchId, 'test')
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'canceled' })
  expect(await formed(batchId)).toBe(first)
})

test('views that somebody has locked keep no group from being formed', deep, async () => {
  await makePairs(16)
  const locked = ['a', 'b', 'c'].map((name) => `shop.locked_${name}`)
  for (const view of locked) await sql.unsafe(`create materialized view ${view} as select 1 as id`)
  const batchId = await begin(database, { pattern: 'shop.*', concurrency: 2 })
  const { ended } = await whileLocked(
    url,
    locked.map((view) => `refresh materialized view ${view}`).join('; '),
    async () => {
      const ended = advanceToEnd(database, batchId)
      await until('all pairs are refreshed', async () => {
        const { views } = await getBatch(database, batchId)
        return views.filter(({ status }) => status === 'success').length === 32
      })
      return { ended }
    },
  )
  expect(await ended).toMatchObject({ status: 'success' })
})
