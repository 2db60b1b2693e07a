import { describe, expect, test } from 'vitest'
import { nameOf } from '../../../src/plan/aside/items.ts'
import { useDatabase } from '../../support/database.ts'
import { callAround, describeAll, rowsOf, useScene } from './scene.ts'

const { sql, database, as } = useDatabase()
const { login } = useScene(sql, 'around')

const widen = 'alter table keep.orders alter column amount type bigint'
const typeOf = async () =>
  (
    await sql`select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'keep.orders'::regclass and attname = 'amount'`
  )[0]?.type

/** What another type of a column changes in the columns of the views. */
const withoutTypes = (described: unknown) =>
  JSON.parse(
    JSON.stringify(described).replaceAll(
      /"(attalign|attbyval|attlen|attstorage|atttypid|indclass)":("[^"]*"|\w+|-\d+|\[[^\]]*\])/g,
      '"$1":0',
    ),
  )

describe.each(['superuser', 'member of the owners'])('as %s', (who) => {
  const db = () => (who === 'superuser' ? database : as(login).database)

  test('a column is rewritten under ten views of all kinds, and every row of the catalog about them is as before', async () => {
    const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
    await callAround(db(), 'alter table keep.orders alter column amount type integer using amount + 1 - 1')
    expect(await describeAll(sql)).toEqual(before)
    expect(await rowsOf(sql)).toEqual(rows)
  })

  test('a column gets another type under them, and nothing else of the views changes', async () => {
    const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
    const tried: string[] = []
    const items = await callAround(db(), widen, { events: { onTried: (result) => tried.push(result) } })
    expect(tried).toEqual(['fits'])
    expect(await typeOf()).toBe('bigint')
    expect(await rowsOf(sql)).toEqual(rows)
    expect(items.map(nameOf)).toHaveLength(12)
    expect(withoutTypes(await describeAll(sql))).toEqual(withoutTypes(before))
  })
})
