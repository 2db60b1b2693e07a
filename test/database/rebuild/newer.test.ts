import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { ofTestsThemselves } from '../../support/servers/settings.ts'
import { accountOf, advanceToEnd, begin } from '../../support/views/batches.ts'
import { gatedGroup, makeGatedGroup, shadowSchemas, tellRows } from '../../support/views/gated-group.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'

// Newer data stay, whoever has put them into a view while a shadow of it was built.

const { database, sql, url } = useDatabase()

/** Another client, as psql is one. The server has its counters once its server process is gone. */
async function byHand(statement: string): Promise<void> {
  const client = postgres(url, { max: 1, connection: ofTestsThemselves })
  const [{ pid } = {}] = await client`select pg_backend_pid() as pid`
  await client.unsafe(statement)
  await client.end()
  await until(
    'the server process is gone',
    async () => (await sql`select from pg_stat_activity where pid = ${pid}`).length === 0,
  )
}

const ways: [who: string, act: (view: string) => Promise<unknown>][] = [
  ['somebody, concurrently', (view) => byHand(`refresh materialized view concurrently ${view}`)],
  ['somebody', (view) => byHand(`refresh materialized view ${view}`)],
  [
    'a request, concurrently',
    (view) => refresh({ view, strategy: 'concurrent', force: true }, callOn(database)),
  ],
]

eachCase(ways, { quick: 1 })(
  'data that %s put into a view while a batch builds shadows stay, and the batch shows newer ones',
  async (who, act) => {
    const name = `newer_${ways.findIndex(([each]) => each === who)}`
    await makeGatedGroup(sql, name)
    const batchId = await begin(database, { views: gatedGroup(name) })
    await withGateClosed(sql, `${name}_mid`, async (open) => {
      const ended = advanceToEnd(database, batchId)
      await untilAtGate(sql, `${name}_mid`)
      await sql.unsafe(`insert into ${name}_t values (3)`)
      await act(`${name}_base`)
      expect((await tellRows(sql, name))[0]).toBe(3)
      await open()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    expect(await tellRows(sql, name)).toEqual([3, 3, 3, 3])
    const { groups } = await getBatch(database, batchId)
    expect(groups[0]?.givenUp?.message).toContain(`refreshed public.${name}_base`)
    // What is on the record since the batch was requested, it takes; what somebody has done by hand, it makes newer.
    const second = who === 'a request, concurrently' ? 'skipped' : 'success'
    expect((await accountOf(sql, batchId)).statuses[`${name}_base`]).toEqual(['skipped', second])
    expect(await shadowSchemas(sql)).toEqual([])
  },
)

test('data that somebody put into a view while a swap fills its shadow stay: the shadow is built again', async () => {
  await sql.unsafe('create table alone_t (v int); insert into alone_t values (1)')
  await makeGatedView(sql, 'alone', 'select 1 as id, count(*)::int as n from alone_t')
  await withGateClosed(sql, 'alone', async (open) => {
    const swapped = refresh({ view: 'alone', strategy: 'swap' }, callOn(database))
    await untilAtGate(sql, 'alone')
    const [before] = await sql`select 'alone'::regclass::oid::int8 as oid`
    await sql.unsafe(`
      insert into alone_t values (2);
      create or replace function alone_gate() returns integer language sql as 'select 1'`)
    await byHand('refresh materialized view concurrently alone')
    expect(await sql`select n from alone`).toEqual([{ n: 2 }])
    await open()
    expect(await swapped).toMatchObject({ status: 'updated', response: { strategy: 'swap' } })
    const [after] = await sql`select n, 'alone'::regclass::oid::int8 as oid from alone`
    expect(after?.n).toBe(2)
    expect(after?.oid).not.toBe(before?.oid)
  })
})

describe('two batches of the same views', () => {
  test('that coincide build each view once: one joins the other', async () => {
    await makeGatedGroup(sql, 'joined')
    const older = await begin(database, { pattern: 'public.joined_*' })
    const younger = await begin(database, { views: gatedGroup('joined').slice(0, 2) })
    const ends = await Promise.all([advanceToEnd(database, younger), advanceToEnd(database, older)])
    expect(ends).toMatchObject([{ status: 'success' }, { status: 'success' }])
    const runs = await sql`
      select view_name as view, status, meta #>> '{response,because}' as because from viewkeeper.runs where batch_id = any (${[older, younger]})`
    const refreshed = runs.filter(({ status }) => status === 'success').map(({ view }) => view)
    expect(refreshed.sort()).toEqual(gatedGroup('joined'))
    const joined = runs.filter(({ status }) => status === 'skipped')
    expect(joined.length).toBe(runs.length - 3)
    for (const { because } of joined)
      expect(because).toMatch(/^run \d+ has refreshed it since the batch was requested$/)
  })

  test(
    'of which the younger one was requested later: it waits for the exchange of the older one, and then builds newer ones',
    deep,
    async () => {
      await makeGatedGroup(sql, 'waits')
      await sql`create materialized view waits_apart as select count(*)::int as n from waits_t`
      const older = await begin(database, { views: gatedGroup('waits') })
      let younger = ''
      await withGateClosed(sql, 'waits_mid', async (open) => {
        const first = advanceToEnd(database, older)
        await untilAtGate(sql, 'waits_mid')
        await sql`insert into waits_t values (3)`
        younger = await begin(database, { views: ['waits_base', 'waits_mid', 'waits_apart'] })
        const second = advanceToEnd(database, younger)
        await until('what nobody builds is refreshed', async () => {
          return (await accountOf(sql, younger)).statuses.waits_apart?.includes('success')
        })
        const { locked } = await getBatch(database, younger)
        expect(locked.map(({ view, because }) => ({ view, because }))).toEqual(
          ['base', 'mid', 'top'].map((view) => ({
            view: `public.waits_${view}`,
            because: `batch ${older} is building it`,
          })),
        )
        await open()
        expect(await Promise.all([first, second])).toMatchObject([
          { status: 'success' },
          { status: 'success' },
        ])
      })
      for (const { statuses } of [await accountOf(sql, older), await accountOf(sql, younger)])
        expect(new Set(Object.values(statuses).flat())).toEqual(new Set(['success']))
      expect((await tellRows(sql, 'waits')).slice(0, 3)).toEqual([3, 3, 3])
      expect(await shadowSchemas(sql)).toEqual([])
    },
  )
})
