// @module-tag deep

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { useProjects } from './projects.ts'

// The commands of docs/orms.md, in the order of the page. What another tool does stands between them as SQL.

const start = useProjects()
const page = readFileSync(new URL('../../../docs/orms.md', import.meta.url), 'utf8')
const [altered = [], aside = []] = [...page.matchAll(/^ *```\n([^`]+)```/gm)].map(([, block = '']) =>
  [...block.matchAll(/npx viewkeeper ([^'\n]+)/g)].map(([, words = '']) => words.split(' ')),
)

test('the page of ORMs: a view is taken over, then its table is changed by alter, and by the tool between set-aside and put-back', async () => {
  const { project, sql } = await start()
  await sql`create materialized view daily_sales as select shop, sum(total) as total from orders group by shop`
  const adopt = /`npx viewkeeper (adopt [^`]+)`/.exec(page)?.[1] as string
  expect(await project.succeed(...adopt.split(' '))).toContain('1 view adopted')
  await project.succeed('migrate', 'up')
  const typeOf = async () =>
    (
      await sql`select data_type as type from information_schema.columns where table_name = 'orders' and column_name = 'total'`
    )[0]?.type

  const [dryRun, alter] = altered as [string[], string[]]
  project.write(alter[1] as string, 'alter table orders alter column total type bigint;')
  expect(await project.succeed(...dryRun)).toContain('daily_sales')
  expect(await typeOf()).toBe('integer')
  expect(await project.succeed(...alter)).toContain('1 object made again')
  expect(await typeOf()).toBe('bigint')

  const [away, back] = aside as [string[], string[]]
  await project.succeed(...away)
  await sql`alter table orders alter column total type numeric(12, 2)`
  expect(await project.succeed(...back)).toContain('daily_sales')
  expect(await sql`select total::float8 from daily_sales where shop = 0`).toEqual([{ total: 1650 }])
  expect(await project.succeed('drift')).toContain('are the same')
})
