import { beforeAll, expect, test } from 'vitest'
import { refresh } from '../../src/run/refresh.ts'
import { changedObjects, type NamedCatalog, namedCatalog } from '../support/catalog/named-catalog.ts'
import { callOn } from '../support/servers/database.ts'
import { advanceToEnd, begin } from '../support/views/batches.ts'
import { shown, shownByPlain, useExtensions } from './support/scene.ts'
import { changeTables, views } from './support/views.ts'

// Each view gets a plain view that shows a part of it, and one more view reads all of both.

const { sql, database } = useExtensions()
const names = Object.keys(views)

beforeAll(async () => {
  const [{ boss }] = await sql<[{ boss: string }]>`
    select nspowner::regrole::text as boss from pg_namespace where nspname = 'app'`
  for (const schema of ['app', 'plain']) {
    await sql.unsafe(`
      set role ${boss};
      ${names.map((name) => `create view ${schema}.of_${name} as select * from ${schema}.${name} where ${views[name]?.search}`).join(';')};
      create materialized view ${schema}.top as
        ${names
          .map(
            (name) => `
              select '${name}' as view, md5(o::text) as digest from ${schema}.of_${name} o union all
              select '${name} as it is', md5(v::text) from ${schema}.${name} v`,
          )
          .join(' union all ')};
      create index on ${schema}.top (view);
      reset role`)
  }
})

/** All that the views show, beside all that plain refreshes of the others show. */
async function expectAlike(): Promise<void> {
  for (const name of [...names, 'top']) {
    const search = views[name]?.search ?? 'true'
    expect({ name, ...((await shown(sql, `app.${name}`, search)) as object) }).toEqual({
      name,
      ...((await shownByPlain(sql, name, search)) as object),
    })
  }
}

test('a view and what reads it are exchanged together, and the catalog is as before', async () => {
  await sql.unsafe(changeTables)
  const before = await namedCatalog(sql)
  for (const name of names) {
    const result = await refresh({ view: `app.${name}`, strategy: 'swap' }, callOn(database))
    expect([name, result.error, result.status]).toEqual([name, undefined, 'updated'])
  }
  await expectAlike()
  const after = await namedCatalog(sql)
  expect(changedObjects(before, after)).toContain('pg_class app.top')
  expect(differences(before, after)).toEqual([])
})

test('a batch exchanges all views at one moment, and the catalog is as before', async () => {
  await sql.unsafe(changeTables)
  const before = await namedCatalog(sql)
  const ended = await advanceToEnd(
    database,
    await begin(database, { pattern: 'app.*', exchange: 'together' }),
  )
  expect(ended).toMatchObject({ status: 'success' })
  await expectAlike()
  const after = await namedCatalog(sql)
  expect(changedObjects(before, after)).toContain('pg_class app.top')
  expect(differences(before, after)).toEqual([])
})

/** The rows of the catalog that only one of the two has, but for the server's own schemas of temporary objects. */
const differences = (before: NamedCatalog, after: NamedCatalog): string[] =>
  Object.keys(before.rows).flatMap((catalog) => {
    const [was, is] = [before, after].map(({ rows }) => new Set(rows[catalog])) as [Set<string>, Set<string>]
    const changed = [...was].filter((row) => !is.has(row)).concat([...is].filter((row) => !was.has(row)))
    return changed.filter((row) => !/pg_(toast_)?temp_/.test(row))
  })
