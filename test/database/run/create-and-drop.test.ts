import { describe, expect, test } from 'vitest'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { listRuns } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { untilToldToComeBack } from '../../support/waiting/told.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql } = useDatabase()
const call = (changes = {}) => callOn(database, changes)

const author = (name: string, query: string, more = {}) =>
  define(sql, `public.${name}`, { sql: query, ...more })

describe('creating', () => {
  test('makes the view with its indexes, comment and grants, filled and analyzed', async () => {
    await sql`create role made_reader`
    await author('made', 'select i as id, i % 3 as grp from generate_series(1, 90) i', {
      indexes: sql.json([
        { name: 'made_key', unique: true, on: '(id)' },
        { name: 'made Grp', on: 'using hash (grp)' },
      ]),
      comment: "it's made",
      grants: sql.json([{ privileges: ['select'], to: 'made_reader' }]),
    })
    expect(await create({ view: 'made' }, call())).toMatchObject({
      operation: 'create',
      status: 'created',
      view: 'public.made',
      response: {
        rowCountBefore: null,
        rowCountAfter: 90,
        sql: expect.arrayContaining([expect.stringMatching(/^create unique index/)]),
      },
    })
    const [made] = await sql`
      select obj_description(oid) as comment, reltuples::int as estimate, has_table_privilege('made_reader', oid, 'select') as granted,
             (select array_agg(c.relname order by c.relname) from pg_index i join pg_class c on c.oid = i.indexrelid where indrelid = v.oid) as indexes
        from pg_class v where v.relname = 'made'`
    expect(made).toEqual({
      comment: "it's made",
      estimate: 90,
      granted: true,
      indexes: ['made Grp', 'made_key'],
    })
  })

  test('again is skipped, and leaves a run that says why', async () => {
    const result = await create({ view: 'made' }, call())
    expect(result).toMatchObject({ status: 'skipped', response: { because: 'the view exists already' } })
    expect((await listRuns(database, { view: 'made', limit: 1 })).runs[0]).toMatchObject({
      id: result.runId,
      status: 'skipped',
    })
  })

  test('by force makes the view again, under the same names, while readers have the old view', async () => {
    await author('made', 'select 1 as id, 2 as grp, 3 as more')
    const oid = async () => (await sql`select 'made'::regclass::oid as oid`)[0]?.oid
    const before = await oid()
    expect(await create({ view: 'made', force: true }, call())).toMatchObject({
      status: 'created',
      response: { rowCountBefore: 90, rowCountAfter: 1 },
    })
    expect(await oid()).not.toBe(before)
    expect(await sql`select * from made`).toEqual([{ id: 1, grp: 2, more: 3 }])
    const names =
      await sql`select relname from pg_class where relname like 'viewkeeper%' and relnamespace = 'public'::regnamespace`
    expect(names).toEqual([])
  })

  test('by force is refused, by name, if anything depends on the view', async () => {
    await sql`create view on_top as select * from made`
    await sql`create materialized view above as select * from on_top`
    expect(await create({ view: 'made', force: true }, call())).toMatchObject({
      status: 'error',
      error: { class: 'DependentsExist', message: expect.stringContaining('view public.on_top') },
    })
  })

  test('without data makes an empty view', async () => {
    await author('hollow', 'select 1 as id')
    expect(await create({ view: 'hollow', withData: false }, call())).toMatchObject({
      status: 'created',
      response: { rowCountAfter: null },
    })
    await expect(sql`select * from hollow`).rejects.toMatchObject({ code: '55000' })
    const status = async () =>
      (
        await sql`select last_status, last_success_at is not null as fresh from viewkeeper.view_status where name = 'hollow'`
      )[0]
    expect(await status()).toEqual({ last_status: 'success', fresh: false })
    await refresh({ view: 'hollow' }, call())
    expect(await status()).toEqual({ last_status: 'success', fresh: true })
  })

  test.each([
    ['ends_in_comment', 'select 1 as id -- and that is all'],
    ['ends_in_semicolon', 'select 1 as id;'],
    ['with_query', 'with x as (select 1 as id) select * from x'],
    ['values_query', 'values (1), (2)'],
    ['table_query', 'table pg_class'],
    ['parentheses', '(select 1 as id)'],
  ])('takes a query that %s', async (name, query) => {
    await author(name, query)
    expect(await create({ view: name }, call())).toMatchObject({ status: 'created' })
  })

  test('of a query that fails leaves nothing behind', async () => {
    await author('wrong', 'select 1 / 0 as x', { indexes: sql.json([{ name: 'wrong_key', on: '(x)' }]) })
    expect(await create({ view: 'wrong' }, call())).toMatchObject({
      status: 'error',
      error: { sqlstate: '22012' },
    })
    expect(await sql`select to_regclass('wrong') as there`).toEqual([{ there: null }])
  })

  test('is refused if nobody authored the view, or if something else has the name', async () => {
    await expect(create({ view: 'nobody_knows' }, call())).rejects.toMatchObject({
      code: 'DefinitionRequired',
    })
    await sql`create table taken (id integer)`
    await author('taken', 'select 1 as id')
    await expect(create({ view: 'taken' }, call())).rejects.toThrow('public.taken is a table')
    await sql`create materialized view unauthored as select 1 as id`
    expect(await create({ view: 'unauthored', force: true }, call())).toMatchObject({
      status: 'error',
      error: { class: 'DefinitionRequired' },
    })
    expect(await create({ view: 'unauthored' }, call())).toMatchObject({ status: 'skipped' })
  })

  test.each([
    ['viewkeeper.mine', 'its schema "viewkeeper" is the schema of Viewkeeper itself'],
    ['pg_catalog.mine', 'its schema "pg_catalog" belongs to the server'],
    ['public.viewkeeper_4711', 'its name "viewkeeper_4711" begins as the names that Viewkeeper gives'],
  ])('is refused for %s, a name that nobody may give', async (view, message) => {
    await define(sql, view, { sql: 'select 1 as id' })
    expect(await create({ view }, call())).toMatchObject({
      status: 'error',
      error: { class: 'InvalidName', message: expect.stringContaining(message) },
    })
  })

  test('works under the settings of the definition, and refuses those that are not allowed', async () => {
    await author('roomy', "select current_setting('work_mem') as mem", {
      settings: sql.json({ work_mem: '77MB' }),
    })
    await create({ view: 'roomy' }, call())
    expect(await sql`select mem from roomy`).toEqual([{ mem: '77MB' }])
    await define(sql, 'public.roomy', { settings: { session_replication_role: 'replica' } })
    expect(await refresh({ view: 'roomy' }, call())).toMatchObject({
      status: 'error',
      error: { class: 'InvalidRequest', message: expect.stringContaining('search_path') },
    })
  })
})

test('a view with the name of a removed view takes over nothing from the old definition', async () => {
  await author('twice', 'select 1 as id', {
    schedule: '0 6 * * *',
    time_zone: 'UTC',
    min_interval_seconds: 60,
  })
  await define(sql, 'public.twice', { removed_at: sql`now()`, paused_at: sql`now()` })
  await sql`create materialized view twice as select 2 as id`
  await refresh({ view: 'twice' }, call())
  const [definition] = await sql`
    select source, sql, schedule, min_interval_seconds, paused_at, removed_at from viewkeeper.definitions where name = 'twice'`
  expect(definition).toEqual({
    source: 'discovered',
    sql: null,
    schedule: null,
    min_interval_seconds: 0,
    paused_at: null,
    removed_at: null,
  })
})

describe('dropping', () => {
  test('drops the view; dropping it again is skipped or, on request, an error', async () => {
    await sql`create materialized view gone as select generate_series(1, 4)`
    expect(await drop({ view: 'gone' }, call())).toMatchObject({
      operation: 'drop',
      status: 'deleted',
      response: { sql: ['drop materialized view "public"."gone"'] },
    })
    expect(await drop({ view: 'gone' }, call())).toMatchObject({ status: 'skipped', view: 'public.gone' })
    await expect(drop({ view: 'gone', ifExists: false }, call())).rejects.toMatchObject({
      code: 'UnknownView',
    })
    const { runs } = await listRuns(database, { view: 'gone', limit: 10 })
    expect(runs.map(({ status }) => status)).toEqual(['skipped', 'success'])
  })

  test('is refused, by name, if anything depends on the view, and advises to cascade', async () => {
    await sql`create materialized view base as select 1 as id`
    await sql`create view reads_base as select * from base`
    await sql`create materialized view "Reads it" as select * from base`
    expect(await drop({ view: 'base' }, call())).toMatchObject({
      status: 'error',
      error: {
        class: 'DependentsExist',
        message: expect.stringMatching(
          /materialized view public\."Reads it".*view public\.reads_base.*cascade/,
        ),
      },
    })
    expect(await drop({ view: 'base', cascade: true }, call())).toMatchObject({
      status: 'deleted',
      response: {
        because: 'also dropped: materialized view public."Reads it", view public.reads_base',
      },
    })
    expect(await sql`select to_regclass('reads_base') as there`).toEqual([{ there: null }])
  })

  test('is an error, not a skip, if the name is not a materialized view', async () => {
    await sql`create table precious (id integer)`
    await sql`create view plain as select 1 as id`
    await expect(drop({ view: 'precious' }, call())).rejects.toThrow('precious is a table')
    await expect(drop({ view: 'plain' }, call())).rejects.toThrow('public.plain is a plain view')
  })

  test('does not make readers wait behind a long reader', async () => {
    await sql`create materialized view read_long as select 1 as id`
    const reader = await sql.reserve()
    await reader`begin`
    await reader`select * from read_long`
    const dropping = drop({ view: 'read_long' }, call())
    // If the drop queued for its lock, one of these would wait behind it until the long reader is done.
    const others = await sql.reserve()
    await others`set lock_timeout = '30s'`
    await untilToldToComeBack(sql, () => others`select * from read_long`)
    await others`reset lock_timeout`
    others.release()
    await reader`commit`
    reader.release()
    expect(await dropping).toMatchObject({ status: 'deleted' })
  })

  test('by cascade does not make readers wait while a long reader reads a dependent view', async () => {
    await sql`create materialized view read_below as select 1 as id`
    await sql`create materialized view read_above as select * from read_below`
    const reader = await sql.reserve()
    await reader`begin`
    await reader`select * from read_above`
    const dropping = drop({ view: 'read_below', cascade: true }, call())
    const others = await sql.reserve()
    await until('it queues for what goes along', async () => {
      const waiting = await others`
        select from pg_locks where relation = 'read_above'::regclass and not granted`
      return waiting.length > 0
    })
    await others`set lock_timeout = '30s'`
    await untilToldToComeBack(sql, () => others`select * from read_below`)
    await others`reset lock_timeout`
    others.release()
    await reader`commit`
    reader.release()
    expect(await dropping).toMatchObject({ status: 'deleted' })
  })

  test('keeps an authored definition, so that the view can be created again', async () => {
    await author('phoenix', 'select 1 as id')
    await create({ view: 'phoenix' }, call())
    await drop({ view: 'phoenix' }, call())
    expect(await create({ view: 'phoenix' }, call())).toMatchObject({ status: 'created' })
  })
})
