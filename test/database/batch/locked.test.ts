import { afterEach, describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { requestBatchCancel } from '../../../src/record/batches/batches.ts'
import { deep, eachGroup } from '../../support/deep.ts'
import { cancelOpenBatches } from '../../support/record/open-batches.ts'
import { updateRows } from '../../support/record/rows.ts'
import { administrator, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { type Holder, holdLocks } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()

let holder: Holder
const others: Holder[] = []
const hold = async (view: string) => {
  holder = await holdLocks(url, `refresh materialized view shop.${view}`)
}

afterEach(async () => {
  await holder?.letGo()
  await Promise.all(others.splice(0).map(({ letGo }) => letGo()))
  await cancelOpenBatches(database)
  await sql`drop schema shop cascade`
})

/** Three views that read each other, of each family, and one that reads nothing of theirs. `keyed`: with unique indexes. */
async function makeFamilies(families: string[], { keyed = false } = {}): Promise<void> {
  await sql.unsafe('create schema shop; create table shop.base as select generate_series(1, 1000) as id')
  for (const family of families)
    for (const [view, read] of [
      ['root', 'base'],
      ['middle', `${family}_root`],
      ['leaf', `${family}_middle`],
    ])
      await sql.unsafe(`create materialized view shop.${family}_${view} as select id from shop.${read}`)
  await sql.unsafe('create materialized view shop.single as select id from shop.base')
  if (keyed)
    for (const family of families)
      for (const view of ['root', 'middle', 'leaf'])
        await sql.unsafe(`create unique index on shop.${family}_${view} (id)`)
}

interface RunOfBatch {
  view: string
  status: string
  attempt: number
  strategy: string | null
}

const runsOf = (batchId: string) => sql<RunOfBatch[]>`
  select view_name as view, status, attempt, meta #>> '{response,strategy}' as strategy
    from viewkeeper.runs where batch_id = ${batchId} order by view_name`

/** Waits until these views are refreshed. Three calls that advance one batch take turns, which a busy machine makes long. */
const untilRefreshed = (batchId: string, views: string[]) =>
  until(`${views.join(', ')} are refreshed`, async () => {
    const done = (await runsOf(batchId)).filter(({ status }) => status === 'success').map(({ view }) => view)
    return views.every((view) => done.includes(view))
  })

/** Waits until views of the batch wait for a lock, and moves the moment since which they do. */
async function shiftWait(batchId: string, by: string): Promise<void> {
  await until('a group waits', async () => (await getBatch(database, batchId)).locked.length)
  const locked = sql`(
    select jsonb_agg(l || jsonb_build_object('since', (l ->> 'since')::timestamptz + ${by}::interval)) from jsonb_array_elements(locked) l)`
  await updateRows(sql, 'batches', { id: batchId }, { locked })
}

const family = (name: string) => ['leaf', 'middle', 'root'].map((view) => `${name}_${view}`)

/** Eight views, each of a table of its own. */
const makeSingles = () =>
  sql.unsafe(
    [...'abcdefgh'].reduce(
      (made, name) =>
        `${made}; create table shop.of_${name} as select 1 as id; create materialized view shop.${name} as select id from shop.of_${name}`,
      'create schema shop',
    ),
  )

eachGroup(
  [
    ['readers of the views', 'regular', ['select from shop.a', 'select from shop.b']],
    ['readers of the views', 'swap', ['select from shop.a', 'select from shop.b']],
    ['writers of what the views read', 'regular', ['lock table shop.of_a', 'lock table shop.of_b']],
    ['writers of what the views read', 'swap', ['lock table shop.of_a', 'lock table shop.of_b']],
  ] as const,
  { quick: 1 },
)('two idle transactions, %s, and the strategy %s', (_, strategy, locks) => {
  test('hold up two views, and none of the others, though the batch has two slots', async () => {
    await makeSingles()
    for (const lock of locks) others.push(await holdLocks(url, lock))
    const batchId = await begin(database, { pattern: 'shop.*', strategy, concurrency: 2 })
    const end = advanceToEnd(database, batchId)
    await untilRefreshed(batchId, [...'cdefgh'])
    const refreshed = (await runsOf(batchId)).filter(({ status }) => status === 'success')
    expect(refreshed.map(({ view }) => view)).toEqual([...'cdefgh'])
    await Promise.all(others.map(({ letGo }) => letGo()))
    expect(await end).toMatchObject({ status: 'success' })
    expect((await runsOf(batchId)).map(({ attempt, strategy: by }) => [attempt, by])).toEqual(
      Array(8).fill([1, strategy]),
    )
  })
})

describe('a view that somebody holds exclusively', () => {
  test('keeps its group waiting, and no other view of the batch', deep, async () => {
    await makeFamilies(['a', 'b'])
    await hold('a_leaf')
    const batchId = await begin(database, { pattern: 'shop.*' })
    const end = advanceToEnd(database, batchId)
    await shiftWait(batchId, '1 hour')
    await untilRefreshed(batchId, [...family('b'), 'single'])
    const { groups, locked, views } = await getBatch(database, batchId)
    expect(groups.map(({ views }) => views)).toEqual([['shop.b_root', 'shop.b_middle', 'shop.b_leaf']])
    expect(locked.map(({ view }) => view).sort()).toEqual(family('a').map((view) => `shop.${view}`))
    for (const { because } of locked)
      expect(because).toMatch(
        new RegExp(
          `^shop\\.a_leaf is locked: process ${holder.pid} \\(role .*application "a long report".*transaction began .*\\) holds AccessExclusiveLock on shop\\.a_leaf$`,
        ),
      )
    expect(views.filter(({ status }) => status === 'waiting').map(({ view }) => view)).toHaveLength(3)
    await holder.letGo()
    expect(await end).toMatchObject({ status: 'success' })
    const after = await getBatch(database, batchId)
    expect([after.groups.length, after.locked, after.refreshedEach]).toEqual([2, [], []])
    expect((await runsOf(batchId)).map(({ attempt, strategy }) => [attempt, strategy])).toEqual(
      Array(7).fill([1, 'swap']),
    )
  })

  test('is refreshed alone after some seconds, and what it reads before that', async () => {
    await makeFamilies(['a'], { keyed: true })
    await hold('a_leaf')
    const batchId = await begin(database, { pattern: 'shop.*' })
    const end = advanceToEnd(database, batchId)
    await shiftWait(batchId, '-1 hour')
    await untilRefreshed(batchId, ['a_root', 'a_middle', 'single'])
    const { refreshedEach, locked } = await getBatch(database, batchId)
    expect(locked).toEqual([])
    expect(refreshedEach.map(({ view }) => view).sort()).toEqual(family('a').map((view) => `shop.${view}`))
    for (const { because } of refreshedEach)
      expect(because).toMatch(new RegExp(`^shop\\.a_leaf is locked: process ${holder.pid} `))
    await holder.letGo()
    expect(await end).toMatchObject({ status: 'success' })
    expect(await runsOf(batchId)).toMatchObject([
      { view: 'a_leaf', attempt: 1 },
      { view: 'a_middle', strategy: 'concurrent' },
      { view: 'a_root', strategy: 'concurrent' },
      { view: 'single', strategy: 'swap' },
    ])
  })

  test('keeps its group waiting in each call that advances the batch, also in a new one', deep, async () => {
    await makeFamilies(['a', 'b'])
    await hold('a_leaf')
    const batchId = await begin(database, { pattern: 'shop.*' })
    const calls = [1, 2, 3].map(() => advanceToEnd(database, batchId, 1_000))
    await shiftWait(batchId, '1 hour')
    await untilRefreshed(batchId, [...family('b'), 'single'])
    expect((await runsOf(batchId)).map(({ view }) => view)).not.toContain('a_root')
    await holder.letGo()
    for (const call of calls) expect(await call).toMatchObject({ status: 'success' })
    expect((await runsOf(batchId)).map(({ attempt, strategy }) => [attempt, strategy])).toEqual(
      Array(7).fill([1, 'swap']),
    )
  })

  test('is canceled with its batch', async () => {
    await makeFamilies(['a'])
    await hold('a_leaf')
    const batchId = await begin(database, { pattern: 'shop.*' })
    const end = advanceToEnd(database, batchId)
    await shiftWait(batchId, '1 hour')
    await untilRefreshed(batchId, ['single'])
    await requestBatchCancel(sql, batchId, 'test')
    expect(await end).toMatchObject({ status: 'canceled' })
    await holder.letGo()
  })
})

test.each([
  // A new file may be that of a refresh: then the views of the family are refreshed by themselves.
  ['vacuum full', (view: string) => `vacuum full ${view}`, true],
  ['cluster', (view: string) => `cluster ${view} using ${view.replace('shop.', '')}_id_idx`, true],
  ['reindex', (view: string) => `reindex table ${view}`, false],
])('beside %s in a loop, every view of a batch is refreshed', deep, async (_, work, rewrites) => {
  await makeFamilies(['a', 'b'], { keyed: true })
  let isOver = false
  const loop = async () => {
    const session = administrator(url)
    // The view may be exchanged meanwhile.
    while (!isOver) await session.unsafe(work('shop.a_leaf')).catch(() => {})
    await session.end()
  }
  const looping = loop()
  const batchId = await begin(database, { pattern: 'shop.*' })
  expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  isOver = true
  await looping
  const runs = await runsOf(batchId)
  expect(runs.filter(({ status }) => status === 'success')).toHaveLength(7)
  const givenUp = runs.filter(({ status }) => status !== 'success')
  for (const { status, attempt } of givenUp) expect([rewrites, status, attempt]).toEqual([true, 'skipped', 1])
})
