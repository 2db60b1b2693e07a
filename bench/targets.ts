import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { type AgePanel, drawAges } from './support/ages.ts'
import { withLocalSystem } from './support/local-project.ts'
import { summarize } from './support/statistics.ts'
import type { Row } from './support/table.ts'

const minutes = 10
const picture = new URL('../docs/pictures/targets.svg', import.meta.url)

const views = {
  live_total: { lag: 60, query: 'select count(*) as orders, sum(total) as total from public.orders' },
  per_customer: {
    lag: 120,
    query: 'select customer, count(*) as orders, sum(total) as total from public.orders group by customer',
  },
  top_customers: {
    lag: 300,
    query: 'select customer, total from public.per_customer order by total desc limit 100',
  },
}

const files = {
  'migrations/001_orders.up.sql':
    'create table orders as select i as id, i % 5000 as customer, i % 97 as total from generate_series(1, 200000) i;',
  'migrations/001_orders.down.sql': 'drop table orders;',
  ...Object.fromEntries(
    Object.entries(views).map(([name, { lag, query }]) => [
      `views/${name}.ts`,
      `import { defineView } from 'viewkeeper'\nexport default defineView({ name: '${name}', query: '${query}', targetLagSeconds: ${lag} })\n`,
    ]),
  ),
}

/** Samples the ages of three views with target lags for ten minutes, while `viewkeeper dev` keeps them and somebody writes. */
export const measureTargets = ({ write }: { write?: boolean | undefined }): Promise<Row[]> =>
  withLocalSystem(files, async ({ url, run }) => {
    console.error(`bench: three target lags, ${minutes} minutes`)
    await run('refresh', '--all')
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    try {
      const ages = await sampleAges(sql)
      const panels = await Promise.all(
        Object.entries(views).map(async ([name, { lag }]): Promise<AgePanel> => {
          const { of, began } = ages
          const refreshes = await sql<{ at: number }[]>`
            select extract(epoch from finished_at)::float8 - ${began} as at from viewkeeper.runs
             where view_name = ${name} and operation = 'refresh' and status = 'success'
               and extract(epoch from finished_at) between ${began} and ${began + minutes * 60}`
          const title = `${name}, targetLagSeconds: ${lag}${name === 'top_customers' ? ', reads per_customer' : ''}`
          return { title, lag, ages: of.get(name)!, refreshes: refreshes.map(({ at }) => at) }
        }),
      )
      console.error(await run('ls', '-o', 'wide'))
      if (write)
        writeFileSync(picture, drawAges('The age of three views with target lags', minutes * 60, panels))
      return [
        { title: `${minutes} minutes of viewkeeper dev, a look each minute: the ages of the views` },
        ...panels.map(({ title, lag, ages, refreshes }) => ({
          name: `${title}: ${refreshes.length} refreshes, older for ${ages.filter(({ age }) => age > lag).length} of ${ages.length} samples`,
          ms: summarize(ages.map(({ age }) => age * 1000)),
        })),
      ]
    } finally {
      await sql.end()
    }
  })

/** A row is written and the ages are read, each second. */
async function sampleAges(sql: postgres.Sql) {
  const of = new Map<string, { at: number; age: number }[]>(Object.keys(views).map((name) => [name, []]))
  const [{ began }] = (await sql`select extract(epoch from clock_timestamp())::float8 as began`) as [
    { began: number },
  ]
  for (const start = performance.now(); ; ) {
    const at = (performance.now() - start) / 1000
    if (at >= minutes * 60) return { began, of }
    await sql`insert into orders values (0, ${Math.floor(at) % 5000}, 1)`
    const rows = await sql<{ name: string; age: number }[]>`
      select d.name, extract(epoch from clock_timestamp() - l.as_of)::float8 as age
        from viewkeeper.definitions d join viewkeeper.latest_runs l on l.definition_id = d.id where l.as_of is not null`
    for (const { name, age } of rows) of.get(name)?.push({ at, age })
    await pause(Math.max(0, start + (Math.floor(at) + 1) * 1000 - performance.now()))
  }
}
