import { expect, test } from 'vitest'
import { describeViews, isDefined } from '../../src/migrate/describe.ts'
import { readDrift } from '../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../src/migrate/migrate.ts'
import { describeInCatalog } from '../support/catalog/catalog.ts'
import { wholeCatalog } from '../support/catalog/whole-catalog.ts'
import { callAlter } from '../support/views/alter.ts'
import { migrateCall, useFolders } from '../support/views/frozen.ts'
import { shown, shownByPlain, useExtensions } from './support/scene.ts'
import { views } from './support/views.ts'

const { sql, database } = useExtensions()
const folder = useFolders()
const all = Object.entries(views)

/** What the catalog says about each view, and what each shows. */
async function everything(): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const [name, { search }] of all)
    found[name] = [await describeInCatalog(sql, `app.${name}`), await shown(sql, `app.${name}`, search)]
  return found
}

test('a table is changed around the views, and catalog and rows are as before', async () => {
  const before = await everything()
  for (const table of ['places', 'texts']) {
    const text = `alter table app.${table} alter column id type integer using id + 1 - 1`
    await callAlter(database, text)
  }
  expect(await everything()).toEqual(before)
})

test('the views are adopted: what is frozen is what is there', async () => {
  const definitions = (
    await describeViews(
      database,
      all.map(([name]) => `app.${name}`),
    )
  ).filter(isDefined)
  expect(definitions.flatMap(({ leftOut }) => leftOut)).toEqual([])
  const frozen = await folder('adopted')
  const before = await wholeCatalog(sql)
  const authored = definitions.map(({ definition }) => definition)
  await frozen.freezeOn(database, authored)
  expect(await wholeCatalog(sql)).toEqual(before)
  await migrateUp(migrateCall(database), await frozen.read())
  expect(await differences(authored)).toEqual([])

  const views = await everything()
  const wider = authored.map((each) => ({ ...each, sql: `select q.*, 1 as added from (${each.sql}) q` }))
  await frozen.freezeOn(database, wider)
  await migrateUp(migrateCall(database), await frozen.read())
  expect(await differences(wider)).toEqual([])
  await migrateDown(migrateCall(database), await frozen.read(), wider.length)
  expect(await differences(authored)).toEqual([])
  expect(await everything()).toEqual(views)
  for (const [name, { search }] of all)
    expect(await shown(sql, `app.${name}`, search)).toEqual(await shownByPlain(sql, name, search))
})

const differences = async (definitions: Parameters<typeof readDrift>[1]) =>
  (await readDrift(database, definitions)).filter(({ kind }) => kind !== 'unmanaged')
