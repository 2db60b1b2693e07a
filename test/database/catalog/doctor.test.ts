import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { abilities, type ViewRights } from '../../../src/catalog/plan/abilities.ts'
import { fixesOf, fixLines } from '../../../src/catalog/plan/rights.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { fixesIn } from '../../support/catalog/fixes.ts'
import { eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'

const { url, sql, as } = useDatabase()
const suffix = randomUUID().slice(0, 8)
const databaseName = new URL(url).pathname.slice(1)
let version = 0
let places = 0

beforeAll(async () => {
  const [server] = await sql`select current_setting('server_version_num')::int / 10000 as major`
  version = server?.major
})

/** What a situation is made of: a view `kept` of role $owner in a schema of its own, and the login $app. */
async function makePlace(setUp = '') {
  const n = ++places
  const schema = `clinic_${n}`
  const names: Record<string, string> = {
    schema,
    database: databaseName,
    ...Object.fromEntries(['app', 'owner', 'other', 'boss'].map((role) => [role, `${role}_${n}_${suffix}`])),
    options: version < 16 ? '' : ' with inherit true, set true',
  }
  const fill = (text: string) => text.replace(/\$([a-z]+)/g, (whole, name) => names[name] ?? whole)
  const run = (text: string) => sql.unsafe(fill(text))
  await run(`
    create role $app login password 'secret'; create role $owner; create role $other; create role $boss createrole;
    grant usage on schema viewkeeper to $app;
    grant select, insert, update on viewkeeper.definitions, viewkeeper.runs to $app;
    grant select on viewkeeper.batches, viewkeeper.batch_views, viewkeeper.batch_groups to $app;
    create schema $schema authorization $owner;
    create table $schema.base as select generate_series(1, 5) as id; alter table $schema.base owner to $owner;
    create materialized view $schema.kept as select id from $schema.base;
    create unique index on $schema.kept (id);
    alter materialized view $schema.kept owner to $owner;
    ${version < 16 ? '' : 'grant $owner to $boss with admin true, inherit false, set false; grant $other to $boss with admin true, inherit false, set false;'}
    ${setUp}`)
  const view = `${schema}.kept`
  const app = names.app as string
  const look = async () => {
    const findings = await doctor(as(app).database, { views: [view], role: null })
    return { ...findings, kept: findings.views[0] as ViewRights }
  }
  return { app, view, run, fill, look }
}

const impossible = (view: ViewRights) => abilities.filter((ability) => view[ability].length > 0)

const situations: { lacks: string; setUp: string; hinders: string[]; sql: string[]; by: string[] }[] = [
  {
    lacks: 'membership of the owner',
    setUp: '',
    hinders: ['refresh', 'concurrent', 'swap', 'migrate'],
    sql: ['grant $owner to $app$options;'],
    by: ['$boss'],
  },
  {
    lacks: 'create of the owner on the schema',
    setUp:
      'grant $owner to $app$options; alter schema $schema owner to $other; grant usage on schema $schema to $owner',
    hinders: ['swap', 'migrate'],
    sql: ['grant create on schema $schema to $owner;'],
    by: ['$other'],
  },
  {
    lacks: 'usage and create of the owner on the schema',
    setUp: 'grant $owner to $app$options; alter schema $schema owner to $other',
    hinders: ['refresh', 'concurrent', 'swap', 'migrate'],
    sql: ['grant usage on schema $schema to $owner;', 'grant create on schema $schema to $owner;'],
    by: ['$other', '$other'],
  },
  {
    lacks: 'select of the owner on a table',
    setUp:
      'grant $owner to $app$options; grant usage on schema $schema to $other; alter table $schema.base owner to $other',
    hinders: ['refresh', 'concurrent', 'swap', 'migrate'],
    sql: ['grant select on $schema.base to $owner;'],
    by: ['$other'],
  },
  {
    lacks: 'temporary of the owner on the database',
    setUp: 'grant $owner to $app$options; revoke temporary on database $database from public',
    hinders: ['concurrent'],
    sql: ['grant temporary on database $database to $owner;'],
    by: [],
  },
  {
    lacks: 'delete of the owner on its own view',
    setUp: 'grant $owner to $app$options; revoke delete on $schema.kept from $owner',
    hinders: ['concurrent'],
    sql: ['grant delete on $schema.kept to $owner;'],
    by: ['$owner'],
  },
  {
    lacks: 'membership of the owner of a plain view',
    setUp: `grant $owner to $app$options; grant usage, create on schema $schema to $other; grant select on $schema.kept to $other;
        create view $schema.above as select id from $schema.kept; alter view $schema.above owner to $other`,
    hinders: ['swap', 'migrate'],
    sql: ['grant $other to $app$options;'],
    by: ['$boss'],
  },
  {
    lacks: 'select of the owner of a plain view on a table',
    setUp: `grant $owner to $app$options; grant usage on schema $schema to $other; create view $schema.between as select id from $schema.base;
        alter view $schema.between owner to $other; grant select on $schema.base to $other; grant select on $schema.between to $owner; drop materialized view $schema.kept;
        create materialized view $schema.kept as select id from $schema.between; create unique index on $schema.kept (id); alter materialized view $schema.kept owner to $owner; revoke select on $schema.base from $other`,
    hinders: ['refresh', 'concurrent', 'swap', 'migrate'],
    sql: ['grant select on $schema.base to $other;'],
    by: ['$owner'],
  },
  {
    lacks: 'select of the owner on a table behind a plain view that reads as its caller',
    setUp: `grant $owner to $app$options; grant usage on schema $schema to $other; alter table $schema.base owner to $other;
        create view $schema.between with (security_invoker = on, security_barrier = true) as select id from $schema.base;
        alter view $schema.between owner to $other; grant select on $schema.between, $schema.base to $owner; drop materialized view $schema.kept;
        create materialized view $schema.kept as select id from $schema.between; create unique index on $schema.kept (id); alter materialized view $schema.kept owner to $owner; revoke select on $schema.base from $owner`,
    hinders: ['refresh', 'concurrent', 'swap', 'migrate'],
    sql: ['grant select on $schema.base to $owner;'],
    by: ['$other'],
  },
  {
    lacks: 'usage of the owner on the schema of a table',
    setUp: `grant $owner to $app$options; create schema $schema_far authorization $other; create table $schema_far.base as select 1 as id;
        alter table $schema_far.base owner to $owner; drop materialized view $schema.kept;
        create materialized view $schema.kept as select id from $schema_far.base; create unique index on $schema.kept (id); alter materialized view $schema.kept owner to $owner`,
    hinders: ['swap', 'migrate'],
    sql: ['grant usage on schema $schema_far to $owner;'],
    by: ['$other'],
  },
  {
    lacks: 'execute of the owner on a function',
    setUp: `grant $owner to $app$options; create function $schema.one() returns int language sql as 'select 1'; revoke execute on function $schema.one from public;
        drop materialized view $schema.kept; create materialized view $schema.kept as select id + $schema.one() as id from $schema.base;
        create unique index on $schema.kept (id); alter materialized view $schema.kept owner to $owner`,
    hinders: ['refresh', 'concurrent', 'swap', 'migrate'],
    sql: ['grant execute on function $schema.one() to $owner;'],
    by: [],
  },
  {
    lacks: 'membership of who has granted privileges on it',
    setUp: `grant $owner to $app$options; grant usage on schema $schema to $other; grant select on $schema.kept to $other with grant option;
        set role $other; grant select on $schema.kept to public; reset role`,
    hinders: ['swap', 'migrate'],
    sql: ['grant $other to $app$options;'],
    by: ['$boss'],
  },
  {
    lacks: 'create on the database, for views that read it',
    setUp: `grant $owner to $app$options; create materialized view $schema.above as select id from $schema.kept; alter materialized view $schema.above owner to $owner`,
    hinders: ['swap', 'migrate'],
    sql: ['grant create on database $database to $app;'],
    by: [],
  },
]

describe('the doctor', () => {
  test('finds nothing if the login is a member of the owner', async () => {
    const { look, app } = await makePlace('grant $owner to $app$options')
    expect(await look()).toMatchObject({
      role: app,
      missing: [],
      kept: { refresh: [], concurrent: [], swap: [], migrate: [] },
    })
  })

  test('takes what is no privilege to read for none: a type, an index, and what another rule of a plain view writes; nor an alias for a schema', async () => {
    const { look, view, app } = await makePlace(`
      grant $owner to $app$options; grant usage on schema $schema to $other;
      create schema $schema_far authorization $other;
      create type $schema.pair as (a int, b int); alter type $schema.pair owner to $other;
      create table $schema.log (id int primary key); alter table $schema.log owner to $other;
      create view $schema.between as select id from $schema.base; alter view $schema.between owner to $owner;
      create rule keeps as on insert to $schema.between do instead insert into $schema.log select new.id;
      drop materialized view $schema.kept;
      create materialized view $schema.kept as
        select $schema_far.id, (row(id, 2)::$schema.pair).a, '$schema.log_pkey'::regclass as key from $schema.between $schema_far;
      create unique index on $schema.kept (id); alter materialized view $schema.kept owner to $owner`)
    expect(await look()).toMatchObject({
      missing: [],
      kept: { refresh: [], concurrent: [], swap: [], migrate: [] },
    })
    for (const strategy of ['regular', 'swap'] as const)
      expect(await refresh({ view, strategy }, callOn(as(app).database))).toMatchObject({ status: 'updated' })
  })

  eachCase(situations, { quick: 2 })(
    'names the SQL for a login that lacks $lacks, and the SQL fixes it',
    async ({ setUp, hinders, sql: wanted, by }) => {
      const { look, run, fill, app, view } = await makePlace(setUp)
      const { kept, missing } = await look()
      expect(impossible(kept)).toEqual(hinders)
      expect(missing.map((fix) => fix.sql)).toEqual(wanted.map(fill))
      for (const [at, fix] of missing.entries()) {
        const giver = fill(by[at] ?? '')
        // Before 16, every role with createrole may grant each membership.
        const isAnybody = version < 16 && fix.membership !== undefined
        expect(fix.by).toEqual(isAnybody ? ['a role with createrole'] : by.length === 0 ? [] : [giver])
        await run(by.length === 0 ? fix.sql : `set role ${giver}; ${fix.sql} reset role`)
      }
      expect(await look()).toMatchObject({
        missing: [],
        kept: { refresh: [], concurrent: [], swap: [], migrate: [] },
      })
      for (const strategy of ['regular', 'concurrent', 'swap'] as const) {
        expect(await refresh({ view, strategy }, callOn(as(app).database))).toMatchObject({
          status: 'updated',
        })
      }
      await run('grant temporary on database $database to public')
    },
  )

  eachCase(situations, { quick: 1 })(
    'says of $lacks what a refused refresh says: the same words and the same fix',
    async ({ setUp }) => {
      const { look, run, app, view } = await makePlace(setUp)
      // A login that may not look at a view is told that first.
      if (setUp === '') await run('grant usage on schema $schema to $app')
      const { kept } = await look()
      for (const [strategy, ability] of [
        ['regular', 'refresh'],
        ['concurrent', 'concurrent'],
        ['swap', 'swap'],
      ] as const) {
        const { error } = await refresh({ view, strategy }, callOn(as(app).database)).catch(
          (problem: Error & { hint?: string }) => ({ error: problem }),
        )
        const said = [error?.message, error?.hint].join(' ')
        const same = kept[ability].filter(({ because }) => said.includes(because))
        expect([strategy, same.length > 0]).toEqual([strategy, kept[ability].length > 0])
        expect(fixesIn(fixLines(fixesOf(same)).join('\n'))).toEqual(expect.arrayContaining(fixesIn(said)))
      }
      await run('grant temporary on database $database to public')
    },
  )
})
