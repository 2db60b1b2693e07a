import { describe, expect, test } from 'vitest'
import { refresh } from '../../src/run/refresh.ts'
import { describeInCatalog } from '../support/catalog/catalog.ts'
import { callOn } from '../support/servers/database.ts'
import { major } from '../support/servers/test-server.ts'
import { shown, shownByPlain, useExtensions } from './support/scene.ts'
import { changeTables, unpackaged, views } from './support/views.ts'

const { sql, database } = useExtensions()

test('this server has every extension that Debian packages for it', async () => {
  const offered = await sql<{ name: string }[]>`select name from pg_available_extensions`
  const names = new Set(offered.map(({ name }) => name))
  const surprises = Object.keys(unpackaged).filter(
    (each) => names.has(each) === unpackaged[each]?.includes(major),
  )
  expect(surprises).toEqual([])
})

describe.each(Object.entries(views))('%s, refreshed', (name, { search }) => {
  test.each(['regular', 'concurrent', 'swap', 'auto'] as const)(
    '%s, shows what a plain refresh shows, and the catalog is as before',
    async (strategy) => {
      await sql.unsafe(changeTables)
      const before = await describeInCatalog(sql, `app.${name}`)
      const result = await refresh({ view: `app.${name}`, strategy }, callOn(database))
      expect(result).toMatchObject({ status: 'updated' })
      expect(await shown(sql, `app.${name}`, search)).toEqual(await shownByPlain(sql, name, search))
      expect(await describeInCatalog(sql, `app.${name}`)).toEqual(before)
    },
  )
})
