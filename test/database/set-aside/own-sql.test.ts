import { expect, test } from 'vitest'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { migrateCall, useFolders, verifyFrozen } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { describeAll, rowsOf, useScene } from './scene.ts'

const { sql, database } = useDatabase()
useScene(sql, 'own')
const folderNamed = useFolders()

const header = '-- viewkeeper: {"alters": ["keep.orders"]}\n'
const typeOf = async () =>
  (
    await sql`select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'keep.orders'::regclass and attname = 'amount'`
  )[0]?.type

async function frozen(name: string, up: string, down = '') {
  await deleteRows(sql, 'migrations')
  const folder = await folderNamed(name)
  await folder.write('001_change.up.sql', up)
  if (down !== '') await folder.write('001_change.down.sql', down)
  return folder.read()
}

test('own SQL whose first line says so changes a table under ten views, up and down', async () => {
  const [before, rows] = [await describeAll(sql), await rowsOf(sql)]
  const migrations = await frozen(
    'both',
    `${header}reset role;\nalter table keep.orders alter column amount type bigint;\n`,
    `${header}reset role;\nalter table keep.orders alter column amount type integer;\n`,
  )
  await verifyFrozen(database, [], migrations)
  expect(await typeOf()).toBe('integer')
  expect(await describeAll(sql)).toEqual(before)
  await migrateUp(migrateCall(database), migrations)
  expect(await typeOf()).toBe('bigint')
  expect(await rowsOf(sql)).toEqual(rows)
  expect(await sql`select name from viewkeeper.migrations`).toEqual([{ name: '001_change' }])
  await migrateDown(migrateCall(database), migrations, 1)
  expect(await typeOf()).toBe('integer')
  expect(await describeAll(sql)).toEqual(before)
})

test('if a view no longer fits, the migration is not recorded and everything stays', async () => {
  const migrations = await frozen(
    'broken',
    `${header}reset role;\nalter table keep.orders drop column status;\n`,
  )
  const before = await wholeCatalog(sql)
  const refusal = await refusalOf(migrateUp(migrateCall(database), migrations))
  expect(refusal.message).toMatch(/^view keep\.lines no longer fits: .*status.*42703/)
  expect(await wholeCatalog(sql)).toEqual(before)
  expect(await sql`select from viewkeeper.migrations`).toEqual([])
})

test('a paused view with data keeps the migration from being applied', async () => {
  const migrations = await frozen(
    'paused',
    `${header}reset role;\nalter table keep.orders alter column amount type bigint;\n`,
  )
  await pauseView(database, 'keep.totals', true, 'test')
  const rows = await rowsOf(sql)
  const refusal = await refusalOf(migrateUp(migrateCall(database), migrations))
  expect(refusal.message).toContain('keep.totals is paused, and to be made again would give it other data')
  expect([await typeOf(), await rowsOf(sql)]).toEqual(['integer', rows])
  await pauseView(database, 'keep.totals', false, 'test')
})

test.each([
  ['names nothing', '-- viewkeeper: {"alters": []}\nselect 1;\n'],
  [
    'names something else, too',
    '-- viewkeeper: {"alters": ["a"], "drop": {"schema": "a", "name": "b"}}\nselect 1;\n',
  ],
  ['is no list of names', '-- viewkeeper: {"alters": ["a b"]}\nselect 1;\n'],
])('a first line that %s is refused', async (name, text) => {
  expect((await refusalOf(frozen(name.replaceAll(/\W/g, ''), text))).message).toContain(
    '001_change.up.sql was edited',
  )
})

test('an index that is made concurrently cannot have anything set aside around it', async () => {
  const migrations = await frozen('index', `${header}create index concurrently i on keep.orders (day);\n`)
  expect((await refusalOf(migrateUp(migrateCall(database), migrations))).message).toMatch(
    /Leave "alters" out\.$/,
  )
})
