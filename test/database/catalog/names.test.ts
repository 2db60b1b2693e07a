import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { resolveNames } from '../../../src/run/name.ts'
import { listRuns } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Sql } from '../../../src/server/database.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { counts } from '../../support/counts.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { define, insertRow } from '../../support/record/rows.ts'
import { seedOf } from '../../support/seeded.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'

const { database, sql, url, as } = useDatabase()
const suffix = url.slice(-8)
const databaseName = new URL(url).pathname.slice(1)
const call = (changes = {}) => callOn(database, changes)

/** Quotes an identifier, independently of src: doubles the quotes, and adds a pair. */
const quote = (name: string): string => `"${name.split('"').join('""')}"`

/** Cuts code points off: `by` of them at the beginning, or at the end if `by` is negative. */
const cut = (text: string, by: number): string =>
  (by < 0 ? [...text].slice(0, by) : [...text].slice(by)).join('')

/** Cuts a text to the 63 bytes that the server keeps. */
const within63Bytes = (text: string): string =>
  Buffer.byteLength(text) <= 63 ? text : within63Bytes(cut(text, -1))

interface Names {
  schema: string
  view: string
  index: string
  statistics: string
}

/** Creates, refreshes (regular, swap), reads and drops a view with these names, and checks each operation. */
async function liveThrough({ schema, view: name, index, statistics }: Names): Promise<void> {
  const view = `${quote(schema)}.${quote(name)}`
  await sql.unsafe(`create schema if not exists ${quote(schema)}`)
  await insertRow(sql, 'definitions', {
    schemaName: schema,
    name,
    sql: 'select 1 as id, 2 as grp',
    indexes: sql.json([
      { name: index, unique: true, on: '(id)' },
      { name: `${cut(index, -1)}~`, on: '(grp)' },
    ]),
    comment: name,
    source: 'authored',
  })
  const [written] = await sql<
    { name: string }[]
  >`select format('%I.%I', ${schema}::text, ${name}::text) as name`
  const answered = { view: written?.name, response: { view: written?.name } }

  expect(await create({ view }, call())).toMatchObject({ status: 'created', ...answered })
  await sql.unsafe(`create statistics ${quote(schema)}.${quote(statistics)} on id, grp from ${view}`)
  const before = await describeInCatalog(sql, view)
  expect(before).toMatchObject({
    view: { name, comment: name },
    indexes: expect.arrayContaining([expect.objectContaining({ name: index })]),
    statistics: [{ row: { stxname: statistics } }],
  })
  for (const strategy of ['regular', 'concurrent', 'swap'] as const) {
    expect(await refresh({ view, strategy }, call())).toMatchObject({
      status: 'updated',
      ...answered,
      response: { strategy, rowCountAfter: 1 },
    })
    expect(await describeInCatalog(sql, view)).toEqual(before)
  }
  expect(await create({ view, force: true }, call())).toMatchObject({ status: 'created', ...answered })

  const { id, ...shown } = await getView(database, view)
  expect(shown).toMatchObject({ view: written?.name, schema, name, comment: name })
  expect(await drop({ view: String(id) }, call())).toMatchObject({ status: 'deleted', ...answered })
  expect(await sql`select to_regclass(${view}) as there`).toEqual([{ there: null }])
  const { runs } = await listRuns(database, { view, limit: 10 })
  expect(runs.map(({ operation, status, schema, name }) => [operation, status, schema, name])).toEqual(
    ['drop', 'create', 'refresh', 'refresh', 'refresh', 'create'].map((operation) => [
      operation,
      'success',
      schema,
      name,
    ]),
  )
}

describe('a view lives through every operation', () => {
  eachCase(
    [
      ['a keyword', 'select'],
      ['another keyword', 'user'],
      ['capitals and blanks', ' Mixed Case '],
      ['other alphabets', 'übersicht 日本 العربية'],
      ['code points beyond 16 bits', '🦒🏳️‍🌈'],
      ['digits, like an id', '123'],
      ['dots', 'a.b..c.'],
      ['single quotes', "it's ''"],
      ['double quotes', 'say "hi" ""'],
      ['a double quote alone', '"'],
      ['backslashes', "\\ \\' \\\\ E'\\n'"],
      ['dollar quotes', '$$ $viewkeeper$ $1'],
      ['percent signs', '100% %I %s %%'],
      ['braces, as a path of JSON has them', '{sql,0} -> #>>'],
      ['line breaks and tabs', 'a\nb\r\n\tc'],
      ['an injection', '"; drop table viewkeeper.runs; --'],
      ['a comment', 'a /* b -- c'],
      ['63 bytes', 'x'.repeat(63)],
      ['63 bytes of letters of two', `${'ä'.repeat(31)}x`],
      ['a name almost like those of the copies', 'viewkeepers_1_old'],
    ],
    { quick: 1 },
  )('named with %s', async (_, name) => {
    await liveThrough({
      schema: within63Bytes(`in ${name}`),
      view: name,
      index: `I${cut(name, 1)}`,
      statistics: `S${cut(name, 1)}`,
    })
  })

  test('whatever its name', deep, async () => {
    const name = (maxLength: number) =>
      fc
        .string({ unit: 'binary', minLength: 2, maxLength })
        .filter(
          (text) => !text.includes('\0') && !/[\ud800-\udfff]/u.test(text) && Buffer.byteLength(text) <= 63,
        )
    let n = 0
    await fc.assert(
      fc.asyncProperty(name(15), name(15), name(15), async (schema, view, hung) => {
        // The number makes the schema's name new, and keeps it from beginning with pg_, which is reserved.
        await liveThrough({
          schema: within63Bytes(`${++n}${schema}`),
          view,
          index: within63Bytes(`i${hung}`),
          statistics: within63Bytes(`s${hung}`),
        })
      }),
      { numRuns: counts.madeUpNames, seed: seedOf(1) },
    )
  })
})

describe('a name', () => {
  test('of digits alone is an id; in quotes it is a name', async () => {
    await sql.unsafe(`create materialized view "4711" as select 1 as id`)
    for (const view of ['4711', '2147483647', '9999999999'])
      await expect(refresh({ view }, call())).rejects.toThrow(`There is no view with id ${view}.`)
    expect(await refresh({ view: '"4711"' }, call())).toMatchObject({
      view: 'public."4711"',
      status: 'updated',
    })
    const { id } = await insertRow(sql, 'definitions', { view: 'numbered', source: 'authored' })
    await sql.unsafe(
      `create materialized view numbered as select 1 as id; create materialized view "${id}" as select 1 as id`,
    )
    expect(await refresh({ view: String(id) }, call())).toMatchObject({ view: 'public.numbered' })
    expect(await refresh({ view: `"${id}"` }, call())).toMatchObject({ view: `public."${id}"` })
  })

  test('is split at the dots outside quotes only', async () => {
    const names = ['dots.here', '"dots.here"', '"dots.here".x', 'dots."here.x"']
    await sql.unsafe(`
      create schema dots; create schema "dots.here";
      ${names.map((name, rows) => `create materialized view ${name} as select generate_series(0, ${rows}) as id;`).join('')}`)
    for (const [rows, view] of names.entries()) {
      expect(await refresh({ view }, call())).toMatchObject({
        status: 'updated',
        response: { rowCountAfter: rows + 1 },
      })
    }
    const [runs] = await sql`
      select count(distinct (schema_name, view_name))::int as views from viewkeeper.runs
       where schema_name like 'dots%' or view_name like 'dots%'`
    expect(runs).toEqual({ views: names.length })
  })

  test('differs by case, and by how a letter is composed', async () => {
    const names = ['case', 'Case', 'caf\u00e9', 'cafe\u0301']
    for (const [rows, name] of names.entries()) {
      await sql.unsafe(`create materialized view ${quote(name)} as select generate_series(0, ${rows}) as id`)
    }
    for (const [rows, name] of names.entries()) {
      const result = await refresh({ view: quote(name) }, call())
      expect(result).toMatchObject({ status: 'updated', response: { rowCountAfter: rows + 1 } })
    }
    expect(await refresh({ view: 'CASE' }, call())).toMatchObject({
      response: { rowCountAfter: 1 },
    })
  })

  test('of 63 bytes differs by its last byte, and a name of 64 bytes is refused, not cut', async () => {
    const long = 'l'.repeat(62)
    await sql.unsafe(`
      create materialized view ${long}a as select 1 as id; create materialized view ${long}b as select generate_series(1, 2) as id`)
    expect(await refresh({ view: `${long}b` }, call())).toMatchObject({
      view: `public.${long}b`,
      response: { rowCountAfter: 2 },
    })
    await expect(drop({ view: `${long}ab` }, call())).rejects.toMatchObject({ code: 'InvalidName' })
    expect(await sql`select to_regclass(${`${long}a`}) is not null as there`).toEqual([{ there: true }])
  })
})

describe('a name without a schema', () => {
  /** Makes a superuser with this search path. */
  async function login(
    searchPath: string | null,
  ): Promise<ReturnType<typeof as>['database'] & { role: string }> {
    const role = `path_${++logins}_${suffix}`
    await sql.unsafe(`create role ${role} login superuser password 'secret'`)
    if (searchPath !== null)
      await sql.unsafe(`alter role ${role} in database ${databaseName} set search_path = ${searchPath}`)
    return { ...as(role).database, role }
  }
  let logins = 0
  const found = async (database: Awaited<ReturnType<typeof login>>, view: string) =>
    (await refresh({ view, strategy: 'regular' }, callOn(database))).view

  test("is looked for along the role's search path: the first schema wins", async () => {
    await sql.unsafe(`
      create schema path_a; create schema "Path b";
      create materialized view path_a.twice as select 1 as id; create materialized view "Path b".twice as select 1 as id;
      create materialized view path_a.once as select 1 as id`)
    const ab = await login('path_a, "Path b"')
    const ba = await login('nowhere, "Path b", path_a')
    expect(await found(ab, 'twice')).toBe('path_a.twice')
    expect(await found(ba, 'twice')).toBe('"Path b".twice')
    expect(await found(ba, 'path_a.twice')).toBe('path_a.twice')
    expect(await found(ba, 'once')).toBe('path_a.once')
    // Off the path a name is enough if only one view has it.
    expect(await refresh({ view: 'once' }, call())).toMatchObject({ view: 'path_a.once' })
    await expect(refresh({ view: 'twice' }, call())).rejects.toMatchObject({ code: 'UnknownView' })
    const twice = (await listViews(database)).views.filter(({ name }) => name === 'twice')
    expect(twice.map(({ view }) => view)).toEqual(['"Path b".twice', 'path_a.twice'])
    expect(new Set(twice.map(({ id }) => id)).size).toBe(2)
  })

  const strategies = ['regular', 'concurrent', 'swap'] as const
  eachCase(strategies, { quick: 1 })('means one view to the end, and not the other: %s', async (strategy) => {
    const schemas = [`first_${strategy}`, `second_${strategy}`]
    const fresh = schemas.map(
      (schema) => `
        create schema ${schema}; create table ${schema}.base (id integer);
        create materialized view ${schema}.same as select * from ${schema}.base; create unique index on ${schema}.same (id);
        insert into ${schema}.base values (1)`,
    )
    await sql.unsafe(fresh.join(';'))
    const rows = () =>
      sql.unsafe(schemas.map((schema) => `select count(*)::int as n from ${schema}.same`).join(' union all '))
    const second = await login(`second_${strategy}, first_${strategy}`)
    expect(await refresh({ view: 'same', strategy }, callOn(second))).toMatchObject({ status: 'updated' })
    expect(await rows()).toEqual([{ n: 0 }, { n: 1 }])
    expect(await drop({ view: 'same' }, callOn(second))).toMatchObject({
      status: 'deleted',
      view: `second_${strategy}.same`,
    })
    expect(await drop({ view: 'same' }, callOn(second))).toMatchObject({
      status: 'deleted',
      view: `first_${strategy}.same`,
    })
  })

  test('is looked for in "$user", the schema of the role, before public', async () => {
    const own = await login(null)
    await sql.unsafe(`
      create schema ${own.role};
      create materialized view ${own.role}.mine as select 1 as id; create materialized view public.mine as select 1 as id`)
    expect(await found(own, 'mine')).toBe(`${own.role}.mine`)
    expect(await found(await login(null), 'mine')).toBe('public.mine')
    expect(await found(await login(`public, "$user"`), 'mine')).toBe('public.mine')
  })

  test('is refused if something else has it in an earlier schema, because SQL would find that first', async () => {
    await sql.unsafe(`
      create schema early; create table early.shadowed (id integer); create materialized view public.shadowed as select 1 as id`)
    const shadowed = await login('early, public')
    await expect(refresh({ view: 'shadowed' }, callOn(shadowed))).rejects.toThrow('early.shadowed is a table')
    expect(await found(shadowed, 'public.shadowed')).toBe('public.shadowed')
    await expect(refresh({ view: 'pg_class' }, callOn(shadowed))).rejects.toThrow('pg_class is a table')
  })

  test('skips a schema that the role may not look into, as SQL does', async () => {
    const role = `shut_out_${suffix}`
    await sql.unsafe(`
      create role ${role} login password 'secret';
      alter role ${role} set search_path = shut, public;
      grant usage on schema viewkeeper to ${role}; grant all on all tables in schema viewkeeper to ${role};
      create schema shut; grant create on schema public to ${role};
      create materialized view shut.door as select 1 as id; create materialized view public.door as select 1 as id;
      alter materialized view public.door owner to ${role}`)
    expect(await refresh({ view: 'door' }, callOn(as(role).database))).toMatchObject({
      status: 'updated',
      view: 'public.door',
    })
  })

  test('is created in the schema of its definition, else in the first schema of the path', async () => {
    await sql.unsafe('create schema made_a; create schema made_b')
    const both = await login('made_a, made_b')
    const author = (view: string) => define(sql, view, { sql: 'select 1 as id' })
    await author('made_b.made')
    expect(await create({ view: 'made' }, callOn(both))).toMatchObject({
      status: 'created',
      view: 'made_b.made',
    })
    await author('made_a.made')
    // The existing view is found first: a name means the same to every operation.
    expect(await create({ view: 'made' }, callOn(both))).toMatchObject({
      status: 'skipped',
      view: 'made_b.made',
    })
    expect(await drop({ view: 'made' }, callOn(both))).toMatchObject({
      status: 'deleted',
      view: 'made_b.made',
    })
    expect(await create({ view: 'made' }, callOn(both))).toMatchObject({
      status: 'created',
      view: 'made_a.made',
    })
    expect(await drop({ view: 'unheard_of' }, callOn(both))).toMatchObject({
      status: 'skipped',
      view: 'made_a.unheard_of',
    })
  })

  test('is in public if the search path is empty', async () => {
    await sql.unsafe('create materialized view public.pathless as select 1 as id')
    expect(await found(await login("''"), 'pathless')).toBe('public.pathless')
  })
})

describe('several names', () => {
  /** The names as they are resolved, and the number of statements that took. */
  const resolved = (database: ReturnType<typeof as>['database'], names: string[]) =>
    database.withConnection(async (connection) => {
      let statements = 0
      const counted = new Proxy(connection, {
        apply(target, self, words) {
          statements++
          return Reflect.apply(target, self, words)
        },
      }) as Sql
      const found = await resolveNames(counted, names, 'views')
      const [path] = await connection`select current_setting('search_path') as path`
      return { found: found.map(({ schema, name }) => [schema, name]), statements, ...path }
    })

  test('are resolved as one is, in their order, a thousand in as many statements as a few', async () => {
    const role = `several_${suffix}`
    await sql.unsafe(`
      create role ${role} login superuser password 'secret';
      alter role ${role} in database ${databaseName} set search_path = several_a, several_b;
      create schema several_a; create schema several_b;
      create materialized view several_b.there as select 1 as id;
      create materialized view several_a."There" as select 1 as id;
      create table several_b.some_table (id integer)`)
    await insertRow(sql, 'definitions', { view: 'several_b.defined' })
    const { id } = await insertRow(sql, 'definitions', { view: 'elsewhere.by_id' })
    const known = [
      ['there', 'several_b', 'there'],
      [String(id), 'elsewhere', 'by_id'],
      ['"There"', 'several_a', 'There'],
      ['several_x.There', 'several_x', 'there'],
      ['THERE', 'several_b', 'there'],
      ['defined', 'several_b', 'defined'],
      ['nobody', 'several_a', 'nobody'],
      ['some_table', 'several_b', 'some_table'],
      ['pg_class', 'pg_catalog', 'pg_class'],
    ] as [string, string, string][]
    const { database } = as(role)
    const few = await resolved(
      database,
      known.map(([name]) => name),
    )
    expect(few).toMatchObject({
      found: known.map(([, schema, name]) => [schema, name]),
      path: 'pg_catalog, pg_temp',
    })
    const names = Array.from({ length: 1000 }, (_, at) => `one_of_${at}`)
    const many = await resolved(database, [...names, ...known.map(([name]) => name)])
    expect(many).toEqual({
      ...few,
      found: [...names.map((name) => ['several_a', name]), ...few.found],
    })
    expect(await resolved(database, ['a.b'])).toMatchObject({ statements: 0 })
  })

  test('are refused by the first that is unknown or invalid', async () => {
    await expect(resolved(database, ['there', '999999', 'x.y', '999998'])).rejects.toMatchObject({
      code: 'UnknownView',
      message: 'There is no view with id 999999.',
      details: { field: 'views' },
    })
    await expect(resolved(database, ['there', 'a b'])).rejects.toMatchObject({ code: 'InvalidName' })
  })
})
