import { expect, test } from 'vitest'
import { define } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { accountOf, advanceToEnd, begin, countExecutions, makeGraph } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()

test('a batch takes what another one has refreshed since it was requested', async () => {
  const graph = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((view) => [view, []]))
  await makeGraph(sql, 'flat', graph)
  const views = Object.keys(graph)
  const first = await begin(database, { pattern: 'flat.*' })
  const second = await begin(database, { views: views.map((view) => `flat.${view}`) })
  for (const id of [first, second])
    expect(await advanceToEnd(database, id)).toMatchObject({ status: 'success' })
  const counts = await Promise.all(views.map((view) => countExecutions(sql, `flat.${view}`)))
  expect(counts).toEqual(views.map(() => 1))
  const { statuses } = await accountOf(sql, second)
  expect(statuses).toEqual(Object.fromEntries(views.map((view) => [view, ['skipped']])))
})

test('a batch that meets the refresh of another one waits for it, and takes it', async () => {
  await makeGatedView(sql, 'met')
  await sql`create table met_t (v int)`
  // What the gate reads nobody can see, but the author of the view knows it.
  await define(sql, 'public.met', { depends_on: '{met_t}' })
  const first = await begin(database, { pattern: 'public.met' })
  const second = await begin(database, { views: ['met'] })
  await withGateClosed(sql, 'met', async (open) => {
    const ended = advanceToEnd(database, first)
    await untilAtGate(sql, 'met')
    const other = advanceToEnd(database, second)
    await until(
      'the second batch waits',
      async () =>
        (await sql`select from viewkeeper.batches where id = ${second} and advanced_at is not null`).length >
        0,
    )
    await open()
    expect(await ended).toMatchObject({ status: 'success' })
    expect(await other).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, second)).statuses).toEqual({ met: ['skipped'] })
})

test('a batch that was requested after a refresh had begun refreshes the view again', async () => {
  await makeGraph(sql, 'later', { a: [] })
  await advanceToEnd(database, await begin(database, { pattern: 'later.*' }))
  const again = await begin(database, { pattern: 'later.*' })
  await advanceToEnd(database, again)
  expect(await countExecutions(sql, 'later.a')).toBe(2)
})

test('a batch that wants a certain strategy takes nothing that another has refreshed', async () => {
  await makeGraph(sql, 'certain', { a: [] })
  const wants = await begin(database, { pattern: 'certain.*', strategy: 'regular' })
  await advanceToEnd(database, await begin(database, { views: ['certain.a'] }))
  await advanceToEnd(database, wants)
  expect(await countExecutions(sql, 'certain.a')).toBe(2)
})

test('what was refreshed before what it reads is refreshed again', async () => {
  await makeGraph(sql, 'sorted', { a: [], b: ['a'] })
  await advanceToEnd(database, await begin(database, { pattern: 'sorted.*' }))
  const both = await begin(database, { pattern: 'sorted.*', exchange: 'each' })
  for (const view of ['b', 'a'])
    await advanceToEnd(database, await begin(database, { views: [`sorted.${view}`], strategy: 'regular' }))
  await advanceToEnd(database, both)
  expect((await accountOf(sql, both)).statuses).toEqual({ a: ['skipped'], b: ['success'] })
})
