// @module-tag deep

import { expect, test } from 'vitest'
import { asked, type Copy, serve, stands, useServer, waiting, warnings } from '../support/copies.ts'
import { eachMinute } from '../support/minutes.ts'
import { newerVersion } from '../support/newer.ts'

const { databaseOf } = useServer()

test('an older copy leads and serves beside a newer one, and starts again after it; each turn begins once', async () => {
  const { url, sql } = await databaseOf('rolling')
  await sql`create materialized view sales as select 1 as id`
  const older = await serve({ DATABASE_URL: url })
  await stands(older, 'leads')
  const minutes = await eachMinute(sql, 'sales')
  const { command, step } = newerVersion()
  const newer = await serve({ DATABASE_URL: url }, [], undefined, command)
  await stands(newer, 'follows')
  expect(newer.lines).toContainEqual(
    expect.objectContaining({ message: 'schema steps are applied', applied: [step] }),
  )
  const bothServe = async (...copies: Copy[]) => {
    for (const copy of copies) {
      expect(await asked(copy, '/readyz')).toBe('200')
      expect(await asked(copy, '/views/sales/refresh', waiting)).toBe('200')
      expect(await asked(copy, '/views')).toBe('200')
    }
  }
  await bothServe(older, newer)

  const handsOver = async (leader: Copy, next: Copy) => {
    await minutes.missOne()
    leader.process.kill('SIGTERM')
    expect(await leader.exit).toBe(0)
    await stands(next, 'leads')
    await minutes.expectEachOnce()
  }
  await handsOver(older, newer)

  const again = await serve({ DATABASE_URL: url })
  await stands(again, 'follows')
  await bothServe(again, newer)
  await handsOver(newer, again)
  expect(warnings(older)).toEqual([])
  expect(warnings(newer)).toEqual([])
  expect(warnings(again)).toEqual(['a newer version of Viewkeeper has updated this database'])
})
