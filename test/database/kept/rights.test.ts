import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findingsLines } from '../../../cli/commands/author/doctor.ts'
import { readWriters } from '../../../src/catalog/db/writers.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { definition } from '../../support/views/frozen.ts'

const { database, sql, as } = useDatabase()
const suffix = randomUUID().slice(0, 8)
const [etl, reader, loader, root] = ['etl', 'reader', 'loader', 'root'].map((role) => `${role}_${suffix}`)
const query = 'select i as id from generate_series(1, 3) i'
const daily = definition('daily', query, {
  schema: 'app',
  storage: 'table',
  grants: [{ privileges: ['select'], to: reader! }],
})

beforeAll(() =>
  sql.unsafe(`
    create role ${etl}; create role ${reader}; create role ${loader}; create role ${root} superuser;
    create schema app;
    create table app.plain (id int); grant insert on app.plain to ${etl}; create materialized view app.other as select 1 as id;
    create view app.daily_query as ${query}; comment on view app.daily_query is '${keptMark}';
    grant select on app.daily_query to ${etl}; alter default privileges in schema app grant select, insert, delete on tables to ${etl};
    create table app.daily as select * from app.daily_query with no data;
    grant select on app.daily to ${reader}; grant insert, truncate on app.daily to ${root}`),
)

afterAll(() =>
  sql.unsafe(
    `drop schema app cascade; drop role ${etl}; drop role ${reader}; drop role ${loader}; drop role ${root}`,
  ),
)

const found = async (views: string[] | 'all' = 'all') =>
  (await doctor(database, { views, role: null })).writers
const drift = async () =>
  (await readDrift(database, [daily])).filter(({ view, kind }) => view === 'app.daily' && kind !== 'query')
const told = (who: string, what: string) => ({
  schema: 'app',
  name: 'daily',
  text: `${who} may write app.daily, which only refreshes write: ${what}.`,
  next: `revoke ${what} on app.daily from ${who} cascade;`,
})

describe('who may write an incremental table besides its owner and superusers', () => {
  test('is named with what ends it, also if default privileges have given the right', async () => {
    expect(await found()).toEqual([told(etl!, 'delete, insert')])
    expect(await drift()).toEqual([
      {
        view: 'app.daily',
        kind: 'grant',
        message: `${told(etl!, 'delete, insert').text} Type: ${told(etl!, 'delete, insert').next}`,
      },
    ])
    expect(findingsLines(await doctor(database, { views: 'all', role: null })).join('\n')).toContain(
      `${told(etl!, 'delete, insert').text}\n  next: ${told(etl!, 'delete, insert').next}`,
    )
    expect(await found(['app.other'])).toBeUndefined()
    await sql.unsafe(told(etl!, 'delete, insert').next)
    expect(await found()).toBeUndefined()
    expect(await drift()).toEqual([])
  })

  test('is everybody, whoever may write one column, and whoever may put a trigger on it, which refreshes would execute as its owner', async () => {
    await sql.unsafe(
      `grant update (id) on app.daily to ${loader}; grant trigger, truncate on app.daily to public`,
    )
    expect(await found()).toEqual([told(loader!, 'update (id)'), told('public', 'trigger, truncate')])
    expect((await drift()).map(({ message }) => message)).toEqual([
      expect.stringContaining(`${loader} may write`),
      expect.stringContaining('public may write'),
    ])
    for (const { next } of (await found())!) await sql.unsafe(next)
    expect(await found()).toBeUndefined()
  })

  test('and who may read its query, which shows what policies of the table hide', async () => {
    await sql.unsafe(`grant select (id) on app.daily_query to ${reader}`)
    const reads = (who: string) => ({
      schema: 'app',
      name: 'daily',
      text: `${who} may read app.daily_query, which shows the rows that policies of app.daily hide.`,
      next: `revoke select on app.daily_query from ${who} cascade;`,
    })
    expect(await found()).toBeUndefined()
    await sql.unsafe('alter table app.daily enable row level security')
    expect(await found()).toEqual([reads(etl!), reads(reader!)])
    for (const { next } of (await found())!) await sql.unsafe(next)
    expect(await found()).toBeUndefined()
    await sql.unsafe('alter table app.daily disable row level security')
  })

  test('is a member of pg_write_all_data, which is said once', async () => {
    // Undone, because it holds in all databases.
    const undone = sql.begin(async (part) => {
      await part.unsafe(`grant pg_write_all_data to ${loader}, ${root}`)
      expect(await readWriters(part as never)).toEqual([
        {
          schema: null,
          name: null,
          text: `${loader} may write incremental tables, which only refreshes write: it is a member of pg_write_all_data.`,
          next: `revoke pg_write_all_data from ${loader};`,
        },
      ])
      expect(await drift()).toEqual([])
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
  })
})

test('what a login lacks to refresh an incremental table is named, also for its query', async () => {
  await sql.unsafe(`
    create role login_${suffix} login password 'secret'; grant usage on schema viewkeeper to login_${suffix};
    grant select, insert, update on viewkeeper.definitions, viewkeeper.runs to login_${suffix};
    grant usage on schema app to ${loader}; alter schema app owner to ${loader};
    create view app.sum_query as select sum(id) as n from app.plain; comment on view app.sum_query is '${keptMark}';
    create table app.sum as select * from app.sum_query with no data;
    alter view app.sum_query owner to ${loader}; alter table app.sum owner to ${loader}`)
  const { missing } = await doctor(as(`login_${suffix}`).database, { views: ['app.sum'], role: null })
  expect(missing.map(({ sql }) => sql.replace(/ with inherit.*;/, ';')).toSorted()).toEqual([
    `grant ${loader} to login_${suffix};`,
    `grant select on app.plain to ${loader};`,
  ])
  await sql.unsafe(
    `drop schema app cascade; drop owned by login_${suffix}; drop role login_${suffix}; create schema app`,
  )
})
