import { describe, expect, test } from 'vitest'
import { nameOf } from '../../../src/plan/aside/items.ts'
import { useDatabase } from '../../support/database.ts'
import { callAround, describeAll, rowsOf, useScene } from './scene.ts'

const { sql, database, as } = useDatabase()
const { login } = useScene(sql, 'around')

const widen = 'alter table keep.orders alter column amount type bigint'
const typeOf = async () =>
  (await sql`select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'keep.orders'::regclass and attname = 'amount'`)[0]?.type

describe.each(['superuser', 'member of the owners'])('as %s', (who) => {
  const db = () => (who === 'superuser' ? database : as(login).database)

  test('a column gets another type under ten views of all kinds, and all else is as before', async () => {
    const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
    const tried: string[] = []
    const items = await callAround(db(), widen, { events: { onTried: (result) => tried.push(result) } })
    expect(tried).toEqual(['fits'])
    expect(await typeOf()).toBe('bigint')
    expect(await rowsOf(sql)).toEqual(rows)
    expect(items.map(nameOf)).toHaveLength(12)
    const now = await describeAll(sql)
    for (const view of Object.keys(before)) expect({ [view]: now[view] }).toEqual({ [view]: before[view] })
  })
})
