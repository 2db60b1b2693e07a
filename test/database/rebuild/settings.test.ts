import postgres from 'postgres'
import { beforeAll, expect, test } from 'vitest'
import { diffView } from '../../../src/migrate/authoring/diff.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { authorStatement } from '../../../src/record/definitions/authored.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { deep } from '../../support/deep.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { callAlter } from '../../support/views/alter.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'

// Views whose text, or whose rows, depend on settings that somebody has set for the database.

const { database, sql, url } = useDatabase()
const elsewhere = useDatabase()
const bare = useDatabase({ migrated: false })
const folder = useFolders()

const tables = `
  create schema s;
  create table s.t (id int, at timestamptz, d date, i interval, f float8, b bytea, x text, "Upper" int);
  insert into s.t select n, '2024-03-01 00:00+05:30'::timestamptz + n * interval '1 hour', date '2024-01-01' + n,
    n * interval '1 mon -2 days +03:04:05.6', n / 3.0, '\\x5c27ff00', case n % 3 when 0 then 'NULL' when 1 then E'a\\\\b''c' end, n
    from generate_series(1, 200) n`

const queries: Record<string, string> = {
  moments: `select id from s.t where d < date '2024-07-04' and at >= timestamptz '2024-03-02 00:00+05:30'
              and i > interval '1 mon -3 days +04:05:06.7' and i < interval '-1 mon +9000 days -00:00:01'`,
  numbers: `select id, f::numeric::money as m from s.t
             where f <> all (array[0.30000000000000004::float8, 13.404953999999975]) and f < 33.333333333333336 and f::numeric::money > '12.50'::money`,
  texts: `select id, 'it''s \\' || x as y from s.t where x = E'a\\\\b''c' and b = '\\x5c27ff00'::bytea
             or x = any ('{NULL,"NULL",a}'::text[])`,
  names: `select "Upper" as id, quote_ident('plain') as "select", '<a/>between<b/>'::xml::text as doc from s.t`,
  patterns: `select id, x ~ '\\d' as digit, x similar to 'a\\\\%' as back from s.t`,
  values_as_text: `select id, at::text as at, d::text as d, i::text as i, f::text as f, b::text as b, f::numeric::money::text as m from s.t`,
}
const views = [...Object.keys(queries), 'above', 'matched']

/** Each with settings that change what the server writes, or how it reads. */
const combinations = [
  `datestyle = 'German'; timezone = 'Asia/Kolkata'`,
  `datestyle = 'SQL, DMY'; timezone = 'Asia/Kolkata'`,
  `datestyle = 'Postgres, MDY'; timezone = 'America/St_Johns'`,
  `datestyle = 'ISO, YMD'; intervalstyle = 'sql_standard'`,
  `intervalstyle = 'iso_8601'; extra_float_digits = 0`,
  `intervalstyle = 'postgres_verbose'; extra_float_digits = -15`,
  `quote_all_identifiers = on; datestyle = 'SQL, MDY'`,
  `standard_conforming_strings = off; escape_string_warning = off`,
  `bytea_output = 'escape'; standard_conforming_strings = off; extra_float_digits = 3`,
  `xmloption = 'document'; array_nulls = off`,
  `session_replication_role = 'replica'; lc_monetary = 'C.UTF-8'; transform_null_equals = on`,
  `datestyle = 'German'; timezone = 'Australia/Eucla'; intervalstyle = 'sql_standard'; extra_float_digits = 0; bytea_output = 'escape';
   xmloption = 'document'; array_nulls = off; quote_all_identifiers = on; standard_conforming_strings = off`,
]
const settingsOf = (combination: string) => combination.split(';').map((setting) => setting.trim())
const everything = combinations.at(-1) as string

/** Sets these settings for a database: they hold for every session that begins from now on. */
async function setFor(url: string, combination: string | null): Promise<void> {
  const name = new URL(url).pathname.slice(1)
  await sql.unsafe(`alter database ${name} reset all`)
  for (const setting of combination === null ? [] : settingsOf(combination))
    await sql.unsafe(`alter database ${name} set ${setting}`)
}

/** The stored queries, but for what an exchange changes: places in the text, how a cast was written, OIDs of views. */
async function trees(): Promise<Record<string, string>> {
  const rows = await sql<{ oid: number; name: string; tree: string }[]>`
    select c.oid::int8 as oid, c.relname as name, regexp_replace(w.ev_action::text,
             ':(location|stmt_location|stmt_len|list_start|list_end|\\w*format) -?\\d+', '', 'g') as tree
      from pg_class c join pg_rewrite w on w.ev_class = c.oid where c.relnamespace = 's'::regnamespace`
  const names = new Map(rows.map(({ oid, name }) => [String(oid), name]))
  return Object.fromEntries(
    rows.map(({ name, tree }) => [name, tree.replace(/\d+/g, (found) => names.get(found) ?? found)]),
  )
}

/** What the views hold, as text. */
async function rowsOf(on: typeof sql): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const view of views)
    found[view] = (
      await on.unsafe(`select jsonb_agg(to_jsonb(v) order by v.id) as rows from s.${view} v`)
    )[0]?.rows
  return found
}

const described = async () =>
  Object.fromEntries(
    (await describeViews(database, 'all')).map((each) =>
      isDefined(each)
        ? [each.definition.name, { sql: each.definition.sql, indexes: each.definition.indexes }]
        : [each.name, each],
    ),
  )

beforeAll(async () => {
  await sql.unsafe(tables)
  for (const [name, query] of Object.entries(queries))
    await sql.unsafe(`create materialized view s.${name} as ${query}; create unique index on s.${name} (id)`)
  await sql`create view s.between as select id, date '2024-02-01' + id as day from s.moments where id > 0`
  await sql`create materialized view s.above as select id, day::text as day from s.between where day > date '2024-03-04'`
  await sql`create unique index on s.above (id)`
  await sql`create materialized view s.matched as select id, digit from s.patterns where back is not true`
})

// The last one has almost all of them.
for (const combination of combinations)
  test(`with ${combination} no query changes, and no row`, combination === everything ? {} : deep, () =>
    keepsMeaning(combination),
  )

async function keepsMeaning(combination: string): Promise<void> {
  // A zone changes how a moment is written, and not which one it is.
  await setFor(url, settingsOf(combination).find((setting) => setting.startsWith('timezone')) ?? null)
  const [before, definitions] = [await trees(), await described()]
  await setFor(url, combination)
  expect(await described()).toEqual(definitions)
  // With the settings of the database, as somebody's psql.
  const hand = postgres(url, { onnotice: () => {} })
  try {
    for (const view of views) await hand.unsafe(`refresh materialized view s.${view}`)
    const byHand = await rowsOf(sql)
    for (const view of [...Object.keys(queries), 'matched']) await refreshBy('swap', view)
    await refreshBy('regular', 'matched')
    expect(await trees()).toEqual(before)
    expect(await rowsOf(sql)).toEqual(byHand)
    await refreshBy('concurrent', 'values_as_text')
    expect(await rowsOf(sql)).toEqual(byHand)
    await callAlter(database, `alter table s.t alter column x type text using x || ''`)
    expect(await trees()).toEqual(before)
    expect(await rowsOf(sql)).toEqual(byHand)
  } finally {
    await hand.end()
  }
  const batch = await begin(database, { views: ['s.moments'] })
  expect(await advanceToEnd(database, batch)).toMatchObject({ status: 'success' })
  const { views: listed } = await listViews(database)
  for (const { lastSuccessAt, asOf } of listed.filter(({ view }) => view === 's.moments'))
    for (const time of [lastSuccessAt, asOf]) expect(Number(new Date(time ?? ''))).toBeGreaterThan(1.7e12)
}

async function refreshBy(strategy: 'swap' | 'concurrent' | 'regular', view: string): Promise<void> {
  const result = await refresh({ view: `s.${view}`, strategy }, callOn(database))
  expect([result.error, result.response.strategy]).toEqual([undefined, strategy])
}

test(
  'views that are adopted under all of these settings mean the same in a database with others',
  deep,
  async () => {
    await setFor(url, everything)
    const adopted = (await describeViews(database, 'all')).flatMap((each) =>
      isDefined(each) ? [each.definition] : [],
    )
    const definitions = adopted.filter(({ name }) => name !== 'above')
    const frozen = await folder('adopted')
    await frozen.freeze(definitions.map(({ name, sql: query }) => definition(name, query, { schema: 's' })))
    await elsewhere.sql.unsafe(tables)
    const there = Object.fromEntries(
      await Promise.all(
        Object.entries(queries).map(async ([name, query]) => [name, await elsewhere.sql.unsafe(query)]),
      ),
    )
    await migrateUp(migrateCall(elsewhere.database), await frozen.read())
    for (const name of Object.keys(queries))
      expect([name, [...(await elsewhere.sql.unsafe(`select * from s.${name} order by id`))]]).toEqual([
        name,
        [...there[name]],
      ])
  },
)

test('own SQL, checks and comparisons of data are executed under the settings of the database', async () => {
  await setFor(url, combinations[1] as string)
  await callAlter(database, `create table s.said as select at::text as at from s.t where id = 1`)
  expect(await sql`select at from s.said`).toEqual([{ at: '01/03/2024 01:00:00 IST' }])
  const checked = definition('values_as_text', queries.values_as_text as string, {
    schema: 's',
    checks: { 'as here': `select from values_as_text v join s.t using (id) where v.at <> t.at::text` },
  })
  await database.withConnection((own) => own.unsafe(authorStatement(checked)))
  for (const strategy of ['swap', 'concurrent'] as const) await refreshBy(strategy, 'values_as_text')
  const [run] =
    await sql`select checks from viewkeeper.runs where view_name = 'values_as_text' order by id desc limit 1`
  expect(run?.checks).toMatchObject([{ name: 'as here', rows: 0 }])
  const differs = await diffView(database, { schema: 's', name: 'values_as_text' }, null)
  expect(differs).toMatchObject({ before: 200, after: 200, added: 0, gone: 0, changed: 0 })
})

test('schema viewkeeper is made under all of these settings', async () => {
  await setFor(bare.url, everything)
  await migrate(bare.database, schemaFolder)
  expect(await listViews(bare.database)).toMatchObject({ views: [] })
})
