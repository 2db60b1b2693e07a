import { beforeAll, expect, test } from 'vitest'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { deep } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { callAlter } from '../../support/views/alter.ts'
import { migrateCall, useFolders } from '../../support/views/frozen.ts'

// An extension apart from the path of our login. `is distinct from` finds its operator on the path only: `::text` compares the case.

const here = useDatabase()
const there = useDatabase()
const folder = useFolders()
const tables = `
  create schema ext; create extension citext schema ext; create schema app;
  create table app.users (id int primary key, mail ext.citext); insert into app.users values (1, 'Ann@x.org'), (2, 'ben@x.org')`
const rows = ({ sql }: typeof here, view: string) => sql.unsafe(`select * from ${view} order by 1`)

beforeAll(async () => {
  for (const { sql } of [here, there]) await sql.unsafe(tables)
  await here.sql.unsafe(`
    set search_path = app, ext;
    create materialized view others as select id, mail from users where mail is distinct from 'ANN@x.org'::citext;
    create materialized view plain as select id from users;
    create view above as select id from others where nullif(mail, 'BEN@x.org'::citext) is null;
    reset search_path`)
})

test(
  'a view that is adopted means the same in another database, with the path that its query needs',
  deep,
  async () => {
    const described = await describeViews(here.database, 'all')
    const definitions = described.filter(isDefined)
    expect(
      definitions.map(({ definition: { name, settings }, misread }) => ({ name, settings, misread })),
    ).toEqual([
      { name: 'others', settings: { search_path: 'ext' }, misread: null },
      { name: 'plain', settings: {}, misread: null },
    ])
    const authored = definitions.map(({ definition }) => definition)
    const frozen = await folder('adopted')
    await frozen.freezeOn(here.database, authored, { adopts: true })
    await migrateUp(migrateCall(here.database), await frozen.read())
    await migrateUp(migrateCall(there.database), await frozen.read())
    for (const each of described) if ('ownSql' in each) await there.sql.unsafe(each.ownSql)
    for (const view of ['app.others', 'app.above']) {
      expect(await rows(here, view)).toEqual([expect.objectContaining({ id: 2 })])
      expect(await rows(there, view)).toEqual(await rows(here, view))
    }
    for (const { database } of [here, there])
      expect((await readDrift(database, authored)).filter(({ kind }) => kind !== 'unmanaged')).toEqual([])
    await callAlter(there.database, 'alter table app.users alter column id type bigint')
    expect(await rows(there, 'app.others')).toEqual(await rows(here, 'app.others'))
  },
)

test('a view that nobody could make again from its text is not adopted', async () => {
  await here.sql.unsafe('grant create on schema ext to public')
  const [others] = (await describeViews(here.database, ['app.others'])).filter(isDefined)
  expect(others?.misread).toBe('the server reads its own text of the query in another way')
  await here.sql.unsafe('revoke create on schema ext from public')
})
