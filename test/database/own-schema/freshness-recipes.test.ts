import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { deep } from '../../support/deep.ts'
import { recipeOf } from '../../support/recipe.ts'
import { updateRows } from '../../support/record/rows.ts'
import { callOn } from '../../support/servers/database.ts'
import { useHostileDatabase } from '../../support/servers/hostile.ts'
import { until } from '../../support/waiting/until.ts'

// What docs/freshness-in-sql.md tells people to type, as it stands there.

const recipe = (heading: string) => recipeOf('freshness-in-sql.md', heading)

/** The SQL that a line of the shell gives to psql. */
const given = (heading: string) => / -c "([^"]+)"/.exec(recipe(heading))?.[1] as string

const place = useHostileDatabase()
const swap = () => refresh({ view: 'app.sales', strategy: 'swap' }, callOn(place.database))
/** As if the last refresh were so long ago. */
function age(ago: string): Promise<void> {
  const asOf = place.sql`clock_timestamp() - ${ago}::interval`
  return updateRows(place.sql, 'runs', { viewName: 'sales' }, { asOf })
}
const reader = () => place.session('reporting')

beforeAll(async () => {
  await place.sql.unsafe(
    `create role reporting login password 'secret'; create schema app authorization alice; grant usage on schema viewkeeper to alice`,
  )
  await place.sql.unsafe(recipe('Who may ask'))
  await place.run(
    'alice',
    `create table app.orders as select current_date - i % 10 as day, i as amount from generate_series(1, 100) i;
     grant usage on schema app to reporting`,
  )
  await place.run(
    'alice',
    `${recipe('Compute it if it is old')};
     grant select on app.sales, app.sales_fresh to reporting; comment on view app.sales_fresh is 'never old'`,
  )
  await swap()
})

describe('while the data are fresh, and when they are old', () => {
  test('a badge says so', async () => {
    const badge = async () => (await reader().unsafe(recipe('A badge on a dashboard')))[0]
    await age('1 min')
    expect(await badge()).toEqual({ badge: 'fresh', as_of: expect.any(Date) })
    await age('16 min')
    expect(await badge()).toMatchObject({ badge: 'old' })
    await place.run('alice', 'refresh materialized view app.sales')
    expect(await badge()).toEqual({ badge: 'old', as_of: null })
    await swap()
  })

  test('a panel of Grafana shows the seconds, by view', async () => {
    await age('16 min')
    const [row] = await reader().unsafe(recipe('A Grafana panel'))
    expect(row).toEqual({ time: expect.any(Date), metric: 'app.sales', value: expect.any(Number) })
    expect(row?.value).toBeGreaterThanOrEqual(960)
  })

  test('a check in CI passes, and fails', async () => {
    await age('23 h')
    expect(await reader().unsafe(given('A check in CI'))).toEqual([{ require_fresh: true }])
    await age('25 h')
    await expect(reader().unsafe(given('A check in CI'))).rejects.toMatchObject({ code: 'VK001' })
  })

  test('an export has all rows, or none', async () => {
    const copy = given('A guard in an export')
    const [, query = ''] = /^copy \((.+)\) to stdout/.exec(copy) ?? []
    await age('59 min')
    const exported = await text(await reader().unsafe(copy).readable())
    expect(exported.trim().split('\n')).toHaveLength(11)
    await age('61 min')
    await expect(reader().unsafe(query)).rejects.toMatchObject({ code: 'VK001' })
  })

  test('dbt is told when they were loaded', async () => {
    const query = /loaded_at_query: (.+)/.exec(recipe("dbt's source freshness"))?.[1] as string
    expect(query).toBe(
      /loaded_at_query: (.+)/
        .exec(readFileSync('examples/alembic-dbt/models/sources.yml', 'utf8'))?.[1]
        ?.replace('public.revenue', 'app.sales'),
    )
    const [row] = await reader().unsafe(
      `select (${query}) = as_of as same from viewkeeper.freshness where view = 'app.sales'`,
    )
    expect(row).toEqual({ same: true })
  })
})

describe('a view that computes', () => {
  const explained = async () => {
    const rows = await reader().unsafe(
      'explain (analyze, costs off, timing off, summary off) select * from app.sales_fresh where day = current_date',
    )
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }
  const facts = async () =>
    (
      await place.sql`
        select pg_get_viewdef(c.oid) as sql, c.relacl::text as rights, obj_description(c.oid, 'pg_class') as comment,
               array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 order by attnum) as columns
          from pg_class c where c.oid = 'app.sales_fresh'::regclass`
    )[0]

  test('executes one of its branches, and stays as it is when the view is exchanged', async () => {
    const before = await facts()
    await swap()
    expect(await explained()).toMatch(/Scan on orders \(never executed\)/)
    await age('16 min')
    expect(await explained()).toMatch(/Scan on sales \(never executed\)/)
    await swap()
    expect(await explained()).toMatch(/Scan on orders \(never executed\)/)
    expect(await facts()).toEqual(before)
  })

  test('runs the query for a reader who does not know the age', async () => {
    await swap()
    await place.run('alice', 'revoke select on app.sales from reporting')
    expect(await explained()).toMatch(/Scan on sales \(never executed\)/)
    await place.run('alice', 'grant select on app.sales to reporting')
  })

  test('never shows rows twice, even if the reader loses the right to know the age between its two branches', async () => {
    await swap()
    await place.sql.unsafe(`
      create function public.held() returns boolean language plpgsql as
        $$ begin perform pg_advisory_xact_lock_shared(7); perform count(*) from pg_opfamily; return true; end $$`)
    const keeper = place.session('postgres')
    await keeper`select pg_advisory_lock(7)`
    const reading =
      reader()`select count(*)::int as n from (select day from app.sales_fresh where public.held() offset 0) each`.execute()
    await until('the reader has begun the first branch', async () => {
      const [waits] = await place.sql`select from pg_locks where locktype = 'advisory' and not granted`
      return waits !== undefined
    })
    await place.run('alice', 'revoke select on app.sales from reporting')
    await keeper`select pg_advisory_unlock(7)`
    expect(await reading).toEqual([{ n: 10 }])
    await place.run('alice', 'grant select on app.sales to reporting')
  })

  test(
    'always shows each row once, whatever happens to the view and to its age meanwhile',
    deep,
    async () => {
      const readers = Array.from({ length: 3 }, reader)
      let going = true
      const counted = readers.map(async (session) => {
        const seen = new Set<number>()
        while (going)
          for (const { n } of await session`select count(*)::int as n from app.sales_fresh`) seen.add(n)
        return [...seen]
      })
      for (const at of Array(8).keys()) {
        await age(at % 2 === 0 ? '20 min' : '1 min')
        if (at % 4 === 0) await swap()
      }
      going = false
      expect(await Promise.all(counted)).toEqual([[10], [10], [10]])
    },
  )
})
