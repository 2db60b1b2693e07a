import { beforeEach, expect, test } from 'vitest'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { eachGroup } from '../../support/deep.ts'
import { deleteRows, emptyTables } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack, callSetAside } from '../../support/views/alter.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { useScene } from './scene.ts'

const { sql, database, as } = useDatabase()
const { login, anna } = useScene(sql, 'managed')
const folderNamed = useFolders()

const shares = definition(
  'shares',
  'select id, amount * 1.5 as share, keep.orders.amount::text as text from keep.orders -- per order',
  {
    schema: 'keep',
    owner: anna,
    indexes: [{ name: 'shares_key', unique: true, on: '(id)' }],
    comment: 'shares',
  },
)
let folders = 0

beforeEach(() => emptyTables(sql, 'definitions', 'migrations'))

/** Freezes and makes views. */
async function make(definitions: ReturnType<typeof definition>[]) {
  const folder = await folderNamed(`managed${++folders}`)
  await folder.freeze(definitions)
  await migrateUp(migrateCall(database), await folder.read())
}

const typeOf = async (view: string, column: string) =>
  (
    await sql`select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = ${view}::regclass and attname = ${column}`
  )[0]?.type
const differences = async () =>
  (await readDrift(database, [shares])).filter(({ kind }) => kind !== 'unmanaged')

const to = (type: string) => `alter table keep.orders alter column amount type ${type}`

const ways: [string, (change: string) => Promise<unknown>][] = [
  ['alter', (change) => callAlter(database, change)],
  [
    'set-aside and put-back',
    async (change) => {
      await callSetAside(database, ['keep.orders'])
      await sql.unsafe(change)
      await callPutBack(database)
    },
  ],
  [
    'own SQL',
    async (change) => {
      const folder = await folderNamed(`managed${++folders}`)
      await deleteRows(sql, 'migrations')
      await folder.write(
        '001_change.up.sql',
        `-- viewkeeper: {"alters": ["keep.orders"]}\nreset role;\n${change};\n`,
      )
      await migrateUp(migrateCall(database), await folder.read())
    },
  ],
]

eachGroup(ways, { quick: 1 })('with %s', (_, change) => {
  test('a managed view is made from its frozen query, so a type that comes and goes leaves nothing behind', async () => {
    await callAlter(database, to('numeric'))
    await make([shares])
    expect(await typeOf('keep.shares', 'share')).toBe('numeric')
    await change(to('double precision'))
    expect(await typeOf('keep.shares', 'share')).toBe('double precision')
    expect(await differences()).toEqual([])
    await change(to('numeric'))
    expect(await typeOf('keep.shares', 'share')).toBe('numeric')
    expect(await differences()).toEqual([])
  })
})

test('a view whose query somebody has changed by hand keeps its query, and what hangs on a view stays as it is', async () => {
  await make([shares])
  await sql.unsafe(`
    set role ${anna}; drop materialized view keep.shares;
    create materialized view keep.shares as select id, amount * 2.5 as share, 'mine' as text from keep.orders;
    reset role`)
  await callAlter(database, to('bigint'))
  expect(await sql`select distinct text from keep.shares`).toEqual([{ text: 'mine' }])
})

test('indexes, comments and grants of a managed view stay as somebody has changed them', async () => {
  await make([shares])
  await sql.unsafe(`
    set role ${anna}; drop index keep.shares_key; create index by_hand on keep.shares (share);
    comment on materialized view keep.shares is 'by hand'; reset role`)
  const before = await differences()
  await callAlter(database, to('bigint'))
  expect(await differences()).toEqual(before)
  expect(before.map(({ kind }) => kind).sort()).toEqual(['comment', 'index', 'index'])
})

test('names without a schema mean what they meant, also on the search path of another login', async () => {
  const path = (schemas: string) =>
    sql.unsafe(
      `do $$ begin execute format('alter database %I set search_path = ${schemas}', current_database()); end $$`,
    )
  await path('keep')
  await make([
    definition('shares', 'select id, amount * 1.5 as share from orders', { schema: 'keep', owner: anna }),
  ])
  await sql.unsafe(`
    create table far.orders as select 0 as id, 0 as amount; grant usage on schema far to ${anna}; grant select on far.orders to ${anna}`)
  await callSetAside(database, ['keep.orders'])
  await path('far, keep')
  expect((await callPutBack(database)).misfits).toEqual([])
  expect(await sql`select count(*)::int as n from keep.shares`).toEqual([{ n: 200 }])
  await path('public')
})

test('a database without schema viewkeeper, or a login that may not read it, has no frozen queries', async () => {
  await make([shares])
  await sql.unsafe(`revoke all on schema viewkeeper from ${login}; revoke managed_keeper from ${login}`)
  await sql`alter schema viewkeeper rename to hidden`
  try {
    expect((await callAlter(as(login).database, to('bigint'))).length).toBeGreaterThan(10)
  } finally {
    await sql`alter schema hidden rename to viewkeeper`
  }
})
