import { beforeAll, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { listRuns } from '../../../src/run/read-runs.ts'
import { getView } from '../../../src/watch/read-views.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows, updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import {
  definition,
  everyField,
  type FrozenFolder,
  inFields,
  migrateCall,
  useFolders,
} from '../../support/views/frozen.ts'

const folder = useFolders()
const inPublic = (name: string) => ({ schema: 'public', name })

describe('what a migration writes down', () => {
  const { database, sql, url } = useDatabase()
  const reader = `records_reader_${url.slice(-8)}`

  beforeAll(async () => {
    await sql.unsafe(`create role ${reader}`)
  })

  const full: Definition = {
    ...everyField,
    checks: { ...everyField.checks, "it's \\ odd": 'select from "full"' },
    schema: 'public',
    name: 'full',
    owner: null,
    grants: [{ privileges: ['select'], columns: ['id'], to: reader, grantOption: true }],
    dependsOn: ['public.other'],
  }

  const definitionOf = async (name: string) => {
    const [row] = await sql`select * from viewkeeper.definitions where name = ${name}`
    const {
      id: _,
      created_at: __,
      updated_at: ___,
      expected_since: ____,
      scheduled_interval_seconds: _____,
      promised_lag_seconds: ______,
      promised_for: _______,
      ...rest
    } = row ?? {}
    return rest
  }

  test('is the whole definition', async () => {
    const frozen = await folder('full')
    await frozen.freeze([full])
    await migrateUp(migrateCall(database), await frozen.read())
    expect(inFields(await definitionOf('full'))).toEqual({
      ...full,
      givenBy: null,
      pausedAt: null,
      source: 'authored',
      removedAt: null,
    })
  })

  test('follows every change, up and down', async () => {
    const frozen = await folder('full')
    const before = await definitionOf('full')
    const usual = { ...definition('full', full.sql), indexes: full.indexes }
    await frozen.freeze([usual])
    await migrateUp(migrateCall(database), await frozen.read())
    expect(await definitionOf('full')).toMatchObject({
      comment: null,
      grants: [],
      refresh_strategy: 'auto',
      schedule: null,
      settings: {},
      retries: 1,
      in_all: true,
      depends_on: [],
    })
    await migrateDown(migrateCall(database), await frozen.read(), 1)
    expect(await definitionOf('full')).toEqual(before)
  })

  test('leaves a removed view its runs, and a view made again under the name goes on with them', async () => {
    const frozen = await folder('full')
    const runs = async () =>
      (await listRuns(database, { view: '"full"', limit: 50 })).runs.map(({ id }) => id)
    await frozen.freeze([], { removes: [inPublic('full')] })
    await migrateUp(migrateCall(database), await frozen.read())
    const [run] = await sql`select max(id)::int as id from viewkeeper.runs`
    const removed = await runs()
    expect(removed[0]).toBe(run?.id)
    expect(await definitionOf('full')).toMatchObject({ source: 'authored', removed_at: expect.any(Date) })
    await frozen.freeze([full])
    await migrateUp(migrateCall(database), await frozen.read())
    expect((await runs()).slice(1)).toEqual(removed)
    expect(await definitionOf('full')).toMatchObject({ removed_at: null })
    expect(
      (await getView(database, '"full"')).recentRuns.map(({ operation }) => operation).slice(0, 2),
    ).toEqual(['create', 'drop'])
  })

  test('of a view that is let go again is nothing more than that it is there', async () => {
    await sql`create materialized view adopted as select 1 as id`
    const frozen = await folder('full')
    const adopted = definition('adopted', 'select 1 as id', {
      retries: 9,
      schedule: '* * * * *',
      timeZone: 'UTC',
    })
    await frozen.freeze([full, adopted], { adopts: true })
    const before = await describeInCatalog(sql, 'adopted')
    expect((await migrateUp(migrateCall(database), await frozen.read())).applied).toMatchObject([
      { does: null },
    ])
    expect(await definitionOf('adopted')).toMatchObject({ source: 'authored', retries: 9 })
    const { undone } = await migrateDown(migrateCall(database), await frozen.read(), 1)
    expect(undone).toMatchObject([{ does: null, runId: null }])
    expect(await describeInCatalog(sql, 'adopted')).toEqual(before)
    expect(await definitionOf('adopted')).toMatchObject({
      source: 'discovered',
      sql: null,
      retries: 1,
      schedule: null,
      time_zone: null,
      removed_at: null,
    })
  })

  test('leaves a pause as it is', async () => {
    await updateRows(sql, 'definitions', { name: 'full' }, { pausedAt: sql`clock_timestamp()` })
    const frozen = await folder('paused')
    await deleteRows(sql, 'migrations')
    await frozen.freeze([{ ...full, comment: 'changed while paused' }])
    await migrateUp(migrateCall(database), await frozen.read())
    expect(await definitionOf('full')).toMatchObject({
      paused_at: expect.any(Date),
      comment: 'changed while paused',
    })
  })
})

describe('what nobody has authored', () => {
  const { database, sql, url } = useDatabase()
  const [reader, other] = ['reader', 'other'].map((name) => `kept_${name}_${url.slice(-8)}`) as [
    string,
    string,
  ]

  test('stays on a view that is altered', deep, async () => {
    await sql.unsafe(`create role ${reader}; create role ${other}`)
    const view = definition('kept', 'select 1 as id, 2 as n', {
      indexes: [{ name: 'kept_key', unique: true, on: '(id)' }],
      grants: [{ privileges: ['select', 'update'], to: reader }],
      comment: 'authored',
    })
    const frozen = await folder('kept')
    await frozen.freeze([view])
    await migrateUp(migrateCall(database), await frozen.read())
    await sql.unsafe(`
      create index kept_by_hand on kept (n); grant select on kept to ${other}; grant insert on kept to ${reader};
      grant select (id) on kept to ${reader}; comment on column kept.id is 'by hand'; alter index kept_by_hand set (fillfactor = 50);
      alter materialized view kept alter column n set statistics 7; create statistics kept_stat on id, n from kept`)
    const before = await describeInCatalog(sql, 'kept')
    await frozen.freeze([{ ...view, indexes: [], grants: [], comment: null }])
    await migrateUp(migrateCall(database), await frozen.read())
    const after = await describeInCatalog(sql, 'kept')
    const grants = await sql`
      select privilege_type as privilege, grantee::regrole::text as to from pg_class c, aclexplode(c.relacl)
       where c.oid = 'kept'::regclass and grantee <> c.relowner order by 1, 2`
    expect.soft(grants).toEqual([
      { privilege: 'INSERT', to: reader },
      { privilege: 'SELECT', to: other },
    ])
    expect.soft(after.columns).toEqual(before.columns)
    expect(after.statistics).toEqual(before.statistics)
    expect((after.indexes as { name: string }[]).map(({ name }) => name)).toEqual(['kept_by_hand'])
    await migrateDown(migrateCall(database), await frozen.read(), 1)
    expect.soft(await describeInCatalog(sql, 'kept')).toEqual(before)
  })
})

describe('an empty comment', () => {
  const { database } = useDatabase()

  test('is none, and nothing that would have to be done again and again', async () => {
    const view = definition('uncommented', 'select 1 as id', { comment: '' })
    const frozen = await folder('uncommented')
    await frozen.freeze([view])
    await frozen.freeze([{ ...view, retries: 3 }])
    const { applied } = await migrateUp(migrateCall(database), await frozen.read())
    expect(applied.map(({ does }) => does)).toEqual(['create', null])
    expect(await readDrift(database, [view])).toEqual([])
  })
})

describe('a renamed view', () => {
  const { database, sql } = useDatabase()

  const rename = (from: string, to: string) => ({ renames: [{ from: inPublic(from), to: inPublic(to) }] })
  const up = async (frozen: FrozenFolder) =>
    (await migrateUp(migrateCall(database), await frozen.read())).applied
  const down = async (frozen: FrozenFolder, count: number) =>
    (await migrateDown(migrateCall(database), await frozen.read(), count)).undone
  const runsOf = async (view: string) =>
    (await listRuns(database, { view, limit: 50 })).runs.map(({ result }) => result.request.migration)
  const [old, other] = [definition('old', 'select 1 as id'), definition('other', 'select 2 as id')] as [
    Definition,
    Definition,
  ]

  test('may take the name that a removed view once had, and goes back', deep, async () => {
    const frozen = await folder('taken over')
    await frozen.freeze([old, other])
    await frozen.freeze([other], { removes: [inPublic('old')] })
    await frozen.freeze([{ ...other, name: 'old' }], rename('other', 'old'))
    expect((await up(frozen)).map(({ does }) => does)).toEqual(['create', 'create', 'drop', 'rename'])
    expect(await sql`select id from old`).toEqual([{ id: 2 }])
    expect(await readDrift(database, [{ ...other, name: 'old' }])).toEqual([])
    expect(
      await sql`select name, removed_at is null as live, sql from viewkeeper.definitions order by 1`,
    ).toEqual([
      { name: 'old', live: true, sql: 'select 2 as id' },
      { name: 'other', live: false, sql: 'select 2 as id' },
    ])
    expect(await runsOf('other')).toEqual(['002_other'])
    expect((await down(frozen, 1)).map(({ does }) => does)).toEqual(['rename'])
    expect(
      await sql`select name, removed_at is null as live, sql from viewkeeper.definitions order by 1`,
    ).toEqual([
      { name: 'old', live: false, sql: expect.any(String) },
      { name: 'other', live: true, sql: 'select 2 as id' },
    ])
    expect((await down(frozen, 3)).map(({ does }) => does)).toEqual(['create', 'drop', 'drop'])
    expect(await sql`select from pg_matviews`).toEqual([])
    expect(await sql`select from viewkeeper.migrations`).toEqual([])
    expect(await sql`select from viewkeeper.definitions where removed_at is null`).toEqual([])
    expect((await up(frozen)).map(({ does }) => does)).toEqual(['create', 'create', 'drop', 'rename'])
    expect(await readDrift(database, [{ ...other, name: 'old' }])).toEqual([])
    await down(frozen, 4)
  })

  test('may change its schema, with what hangs on it; and is changed in one go', async () => {
    await sql`create schema elsewhere`
    const frozen = await folder('moved')
    const first = definition('here', 'select 1 as id', {
      indexes: [{ name: 'here_key', unique: true, on: '(id)' }],
      comment: 'moves',
    })
    await frozen.freeze([first])
    await up(frozen)
    await sql`create view reads_here as select id from here`
    const before = await describeInCatalog(sql, 'here')
    const to = { schema: 'elsewhere', name: 'there' }
    const moved = {
      ...first,
      ...to,
      sql: 'select 1 as id, 2 as n',
      indexes: [{ name: 'there_key', unique: true, on: '(id)' }],
    }
    await frozen.freeze([moved], { renames: [{ from: inPublic('here'), to }] })
    expect((await up(frozen)).map(({ does }) => does)).toEqual(['rename', 'rebuild'])
    expect(await readDrift(database, [moved])).toEqual([])
    expect(await sql`select id from reads_here`).toEqual([{ id: 1 }])
    expect(
      await sql`select schema_name as schema, name from viewkeeper.definitions where removed_at is null`,
    ).toEqual([to])
    expect(await runsOf('elsewhere.there')).toEqual(['003_there', '002_there', '001_here'])
    expect((await down(frozen, 2)).map(({ does }) => does)).toEqual(['rebuild', 'rename'])
    expect(await describeInCatalog(sql, 'here')).toEqual(before)
    await sql`drop view reads_here`
    await down(frozen, 1)
  })
})
