import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { pruneCosts } from '../../../src/watch/db/metrics.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { getView, listViews } from '../../../src/watch/read.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()

const refreshed = (view: string) =>
  refresh({ view, strategy: 'regular', force: true }, callOn(database)).catch(() => {})
const kept = () => sql`select definition_id, day, refreshes, ms from viewkeeper.costs order by 1, 2`

test('what refreshes cost is kept by the day, told of each view, and forgotten after 30 days', async () => {
  await until('the day in UTC lasts another minute', async () => Date.now() % 86_400_000 < 86_340_000, 90_000)
  await sql.unsafe(`
    create table parts (n integer); insert into parts values (1);
    create materialized view dear as select 1 / n as n, pg_sleep(0.03)::text as slept from parts;
    create materialized view cheap as select n from parts;
    create materialized view never as select n from parts`)
  for (const view of ['dear', 'dear', 'cheap']) await refreshed(view)
  await sql`update parts set n = 0`
  await refreshed('dear') // fails
  await monitor(database, { schedules: unscheduled, publish: { runs() {}, batches() {}, incidents() {} } })
  const [{ ms } = { ms: 0 }] = await sql<{ ms: number }[]>`
    select sum(duration_ms)::int as ms from viewkeeper.runs where view_name = 'dear'`
  const costOf = async (name: string) =>
    (await listViews(database)).views.find((view) => view.name === name)?.cost
  expect(ms).toBeGreaterThan(60)
  expect(await costOf('dear')).toMatchObject({ days: 1, refreshes: 2, ms })
  const shares = [(await costOf('dear'))?.share ?? 0, (await costOf('cheap'))?.share ?? 0]
  expect(shares[0]! + shares[1]!).toBeCloseTo(1, 3)
  expect(shares[0]).toBeCloseTo(ms / (ms + (await costOf('cheap'))!.ms), 3)
  expect(await costOf('never')).toBeNull()
  expect((await getView(database, 'dear')).cost).toEqual(await costOf('dear'))
  // A database that has a record already begins with what that says.
  const before = await kept()
  const step = await readFile(new URL('013_costs.sql', schemaFolder), 'utf8')
  const fill = /^insert into viewkeeper\.costs \(.*?;$/ms.exec(step)?.[0] ?? ''
  await sql`delete from viewkeeper.costs`
  await sql.unsafe(fill)
  expect(await kept()).toEqual(before)
  // By the days since the first refresh; and what is older than 30 days is no longer told, and then forgotten.
  await sql`update viewkeeper.costs set day = day - 9 where definition_id = (select id from viewkeeper.definitions where name = 'dear')`
  expect(await costOf('dear')).toMatchObject({ days: 10, refreshes: 2, ms })
  expect((await costOf('dear'))?.share).toBeLessThan(shares[0]!)
  await sql`update viewkeeper.costs set day = day - 21 where ms = ${ms}`
  expect(await costOf('dear')).toBeNull()
  expect(await kept()).toHaveLength(2)
  await pruneCosts(sql)
  expect(await kept()).toHaveLength(1)
})
