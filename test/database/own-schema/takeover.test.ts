import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { migrate } from '../../../src/own-schema/apply.ts'
import { createRole, type RoleMade, type RoleRequest } from '../../../src/own-schema/create-role.ts'
import { readView } from '../../../src/record/definitions/look.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog, whyUnused } from '../../../src/slices/db/log.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { recipeOf } from '../../support/recipe.ts'
import { callOn, schemaFolder } from '../../support/servers/database.ts'
import { oneRoleDatabase, type RdsDatabase, useRds } from '../../support/servers/rds.ts'
import { major } from '../../support/servers/test-server.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// Somebody else is there first: eve, who may only create in the database, or who has createrole, too.

const fresh = useRds()

/** Bob's table is not eve's to read. `as` is who her code has run as. */
async function prepared(attributes = ''): Promise<RdsDatabase> {
  const rds = await fresh()
  await oneRoleDatabase(rds)
  await rds.run('master', `create role bob login password 'hunter2'; grant create on database app to bob`)
  await rds.sql.unsafe(
    `create role boss superuser login password 'hunter2'; create role eve login ${attributes} password 'hunter2'; grant create on database app to eve`,
  )
  await rds.run(
    'bob',
    `create schema b; grant usage on schema b to public; create table b.secret as select 'of bob' as word;
     create materialized view b.m as select word from b.secret`,
  )
  return rds
}

const make = (
  rds: RdsDatabase,
  request: Partial<RoleRequest> = {},
  administrator = 'master',
): Promise<RoleMade> =>
  rds.as(administrator).database.withConnection((sql) =>
    createRole(sql, schemaFolder, {
      login: 'keeper_app',
      password: 'hunter2',
      owners: null,
      ownViews: null,
      ...request,
    }),
  )

const rolesOf = async (rds: RdsDatabase) =>
  (await rds.sql`select rolname from pg_roles where rolname ~ '^(viewkeeper|keeper_app)' order by 1`).map(
    ({ rolname }) => rolname,
  )

/** Everything that a hurried reader types: what the message says, as the one who has to. */
async function follow(rds: RdsDatabase, message: string): Promise<void> {
  for (const [, statement] of message.matchAll(/^ {2}((?:alter|revoke|drop|grant) .*;)$/gm))
    await rds.sql.unsafe(statement!)
}

describe('a schema viewkeeper that somebody else has made', () => {
  const trap = `
    create schema viewkeeper; grant usage, create on schema viewkeeper to public;
    create function viewkeeper.helper(q text) returns text language plpgsql security definer as
      $$ declare r text; begin execute q into r; return r; end $$;
    create view viewkeeper.peek as select word from b.secret; grant select on viewkeeper.peek to public;
    create table viewkeeper.ran (who text); grant insert on viewkeeper.ran to public;
    create function viewkeeper.filling(relation oid) returns text language plpgsql as
      $$ begin insert into viewkeeper.ran values (current_user); return 'x'; end $$`

  eachCase(['master', 'boss'], { quick: 1 })('is handed over to nobody by create-role of %s', async (by) => {
    const rds = await prepared()
    await rds.run('eve', trap)
    const refusal = await refusalOf(make(rds, {}, by))
    expect(refusal.message).toMatch(
      /schema viewkeeper belongs to eve; function viewkeeper\.filling\(.*oid\) belongs to eve; function viewkeeper\.helper\(.*text\) belongs to eve;.*view viewkeeper\.peek belongs to eve.*Nothing was changed/s,
    )
    expect(await rolesOf(rds)).toEqual([])
    for (const read of [
      `select viewkeeper.helper('select word from b.secret')`,
      'select * from viewkeeper.peek',
    ])
      await expect(rds.run('eve', read)).rejects.toMatchObject({ code: 'InsufficientPrivilege' })
    await follow(rds, refusal.message)
    expect(await make(rds)).toMatchObject({ missing: [] })
    expect(
      await rds.sql`select nspname, nspowner::regrole::text as owner from pg_namespace where nspname ~ '^viewkeeper'`,
    ).toEqual([{ nspname: 'viewkeeper_before', owner: 'eve' }])
  })

  eachCase(['keeper_app', 'app_owner'], { quick: 1 })(
    'is no place for the record of login %s, and no code of it runs',
    async (login) => {
      const rds = await prepared()
      await make(rds)
      await rds.run('eve', trap)
      const { database } = rds.as(login)
      const refusal = await refusalOf(migrate(database, schemaFolder))
      expect(refusal).toMatchObject({
        code: 'MigrationFailed',
        message: expect.stringContaining('schema viewkeeper belongs to eve'),
      })
      expect(await rds.sql`select to_regclass('viewkeeper.schema_steps') as made`).toEqual([{ made: null }])
      expect(await rds.sql`select who from viewkeeper.ran`).toEqual([])
      const { missing } = await doctor(database, { views: 'all', role: null })
      expect(missing.map(({ sql }) => sql)).toContain('alter schema viewkeeper rename to viewkeeper_before;')
      await follow(rds, refusal.message)
      expect((await migrate(database, schemaFolder)).ahead).toEqual([])
      expect(await refresh({ view: 'shop.sales' }, callOn(database))).toMatchObject({ status: 'updated' })
    },
  )

  test('is not believed because the login is a member of its owner, whose views it refreshes', async () => {
    const rds = await prepared()
    await make(rds)
    await rds.run('bob', trap)
    await expect(migrate(rds.as('keeper_app').database, schemaFolder)).rejects.toThrow('belongs to bob')
  })

  test(
    'is handed over from a role that the administrator names, without what is no part of Viewkeeper',
    deep,
    async () => {
      const rds = await prepared()
      await migrate(rds.as('bob').database, schemaFolder)
      await rds.run(
        'bob',
        `create function viewkeeper.helper() returns integer language sql security definer return 7`,
      )
      const all = (await refusalOf(make(rds))).message
      expect(all).toContain('npx viewkeeper create-role --trust bob')
      const rest = (await refusalOf(make(rds, { trusted: ['bob'] }))).message
      expect(rest).toMatch(
        /^[^;]*function viewkeeper\.helper\(\) is no part of this version of Viewkeeper\. Others/,
      )
      await follow(rds, rest)
      await make(rds, { trusted: ['bob'] }) // from now on role viewkeeper has bob's rights
      expect(await make(rds, { trusted: ['bob'] })).toMatchObject({ missing: [] })
      const owners = await rds.sql`
      select distinct relowner::regrole::text as owner from pg_class where relnamespace = 'viewkeeper'::regnamespace`
      expect(owners).toEqual([{ owner: 'viewkeeper' }])
      expect(await migrate(rds.as('keeper_app').database, schemaFolder)).toEqual({ applied: [], ahead: [] })
    },
  )
})

describe('schema viewkeeper, which is ours', () => {
  const ready = async () => {
    const rds = await prepared()
    await make(rds)
    const { database } = rds.as('keeper_app')
    await migrate(database, schemaFolder)
    return { rds, database, start: () => migrate(database, schemaFolder) }
  }

  test('is refused at the start and by create-role, and said by doctor, while others have a hand in it', async () => {
    const { rds, database, start } = await ready()
    await rds.run(
      'eve',
      `create schema e; create function e.f() returns trigger language plpgsql as 'begin return null; end'`,
    )
    for (const [change, message] of [
      [
        'create table viewkeeper.odd (); alter table viewkeeper.odd owner to eve',
        /table viewkeeper\.odd belongs to eve/,
      ],
      [
        'create type viewkeeper.kind as enum (); alter type viewkeeper.kind owner to eve',
        /type viewkeeper\.kind belongs to eve/,
      ],
      [
        'create trigger t after insert on viewkeeper.runs execute function e.f()',
        /trigger t on viewkeeper\.runs calls e\.f\(\) of eve/,
      ],
      ['grant create on schema viewkeeper to public', /public may create in schema viewkeeper/],
      ['grant insert on viewkeeper.definitions to public', /public has insert on viewkeeper\.definitions/],
      ['grant references (id) on viewkeeper.runs to eve', /eve has references \(id\) on viewkeeper\.runs/],
    ] as const) {
      await rds.sql.unsafe(change)
      const refusal = await refusalOf(start())
      expect(refusal.message).toMatch(message)
      expect((await refusalOf(make(rds))).message).toMatch(message)
      const { schema = [], missing } = await doctor(database, { views: ['shop.days'], role: null })
      expect(schema.map(({ because }) => because).join()).toMatch(message)
      expect(missing).toHaveLength(1)
      await follow(rds, refusal.message)
    }
    expect(await start()).toEqual({ applied: [], ahead: [] })
    expect(await make(rds, { password: null })).toMatchObject({ done: [], missing: [] })
    expect(await doctor(database, { views: 'all', role: null })).toMatchObject({ schema: [], missing: [] })
  })

  /** Who has what on each object of the schema, with the grants that the docs print for two readers. */
  const table = {
    'reporting: usage, viewkeeper: all, viewkeeper_reader: usage': 'viewkeeper',
    'viewkeeper: all, viewkeeper_reader: select':
      'actions batch_groups batch_views batches definitions deliveries incidents latest_runs parts runs set_aside switches view_status',
    'reporting: select, viewkeeper: all': 'freshness',
    'viewkeeper: all':
      'actions_id_seq ages batches_serial_seq definitions_id_seq deliveries_sequence_seq ends events events_sequence_seq ' +
      'keep_last_ends last_ends migrations note_action runs_id_seq schema_steps standings tokens',
    'everybody: execute, viewkeeper: all':
      'age_of as_of behind_logs changed executes_text expect_anew filling find_last_ends first_run_since followed_log has_turn ' +
      'has_waited hiding horizon inputs insist_on_owner is_awaited is_fresh is_unneeded keep_ages kept ' +
      'last_success live lock_read log_of log_proof log_tells lost mend_ends more_time newer not_exact not_fresh note_planner noted places_in reached reads refuser_beside refuser_of require_fresh restored room_of seen timed_out unchanged unused_log ' +
      'usual_duration view_metrics world',
  }

  test('gives each role on each object what a table says, and refuses what docs/security.md does not say', async () => {
    const { rds, start } = await ready()
    await rds.run('master', recipeOf('privileges.md', 'People who only read').replace('…', 'hunter2'))
    await rds.sql.unsafe(`create role reporting; ${recipeOf('freshness-in-sql.md', 'Who may ask')}`)
    const rows = await rds.sql`
      with objects (id, name, kind, owner, acl) as (
        select oid, nspname, 'n'::"char", nspowner, nspacl from pg_namespace where nspname = 'viewkeeper'
        union all select oid, relname, case relkind when 'S' then 's' else 'r' end::"char", relowner, relacl from pg_class
                   where relnamespace = 'viewkeeper'::regnamespace and relkind in ('r', 'v', 'S')
        union all select oid, proname, 'f', proowner, proacl from pg_proc where pronamespace = 'viewkeeper'::regnamespace),
      granted as (
        select o.id, o.name, coalesce(r.rolname, 'everybody') as role,
               case when r.oid = o.owner and array_agg(a.privilege_type order by a.privilege_type) = array(
                      select d.privilege_type from aclexplode(acldefault(o.kind, o.owner)) d where d.grantee = o.owner order by 1) then 'all'
                    else string_agg(lower(a.privilege_type), ' ' order by a.privilege_type) end as has
          from objects o cross join aclexplode(coalesce(o.acl, acldefault(o.kind, o.owner))) a left join pg_roles r on r.oid = a.grantee
         group by o.id, o.name, o.kind, o.owner, r.oid, r.rolname)
      select by, string_agg(distinct name, ' ' order by name) as names
        from (select name, string_agg(role || ': ' || has, ', ' order by role) as by from granted group by id, name) each group by 1`
    expect(Object.fromEntries(rows.map(({ by, names }) => [by, names]))).toEqual(table)
    for (const read of ['latest_runs', 'view_status', "view_metrics('7 days')"])
      await rds.run('viewkeeper_reader', `select from viewkeeper.${read}`)
    const [master] = await rds.sql`select pg_has_role('master', 'viewkeeper', 'usage') as "isMember"`
    expect(master).toEqual({ isMember: false })

    const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')
    const [, , ...said] = page
      .split('## Who may what in schema')[1]!
      .split('\n## ')[0]!
      .match(/^\|.*\|$/gm)!
    const most = said.pop()!.split(' | ').slice(1)
    expect(said).toEqual([
      '| `viewkeeper` | all | all | all | all |',
      '| `viewkeeper_views` | none | none | none | none |',
      '| everybody | none | none | none | execute |',
    ])
    const accepted: string[] = []
    for (const [kind, object] of [
      ['n', 'schema viewkeeper'],
      ['r', 'viewkeeper.runs'],
      ['s', 'sequence viewkeeper.runs_id_seq'],
      ['f', 'function viewkeeper.filling'],
    ] as const) {
      const may: string[] = []
      for (const { privilege } of await rds.sql`
        select distinct lower(privilege_type) as privilege from aclexplode(acldefault(${kind}, 'viewkeeper'::regrole))`) {
        await rds.sql.unsafe(`grant ${privilege} on ${object} to eve`)
        const refusal = await start().catch((error) => error)
        if (refusal.message === undefined) may.push(privilege)
        else expect(refusal.message).toContain(`revoke ${privilege} on ${object} from eve`)
        await rds.sql.unsafe(`revoke ${privilege} on ${object} from eve`)
      }
      accepted.push(may.sort().join())
    }
    expect(accepted).toEqual(most.map((cell) => cell.replace(' |', '').split(', ').sort().join()))
  })
})

describe('schema viewkeeper_logs', () => {
  /** An incremental table of master's with its log, made before there were roles. */
  const logged = async () => {
    const rds = await prepared()
    const { database } = rds.as('master')
    await migrate(database, schemaFolder)
    await rds.run(
      'master',
      `create table public.sold as select i as id, i % 3 as day from generate_series(1, 30) i;
       ${makeKept('public.kept', 'select day, count(*) as n from public.sold group by day')}`,
    )
    const view = { schema: 'public', name: 'kept' }
    await database.withConnection(async (sql) => {
      for (const statement of makeLog(await planLog(sql, await readView(sql, view))))
        await sql.unsafe(statement)
    })
    const whyNot = async () => (await whyUnused(rds.sql, await readView(rds.sql, view)))?.because ?? null
    expect(await whyNot()).toBeNull()
    return { rds, whyNot, examined: () => doctor(rds.as('keeper_app').database, { views: [], role: null }) }
  }
  const owner = async ({ sql }: RdsDatabase) =>
    (
      await sql`select nspowner::regrole::text as owner from pg_namespace where nspname = 'viewkeeper_logs'`
    )[0]?.owner

  test('is handed over with schema viewkeeper, and its logs stay in use', async () => {
    const { rds, whyNot } = await logged()
    const { done } = await make(rds)
    expect(done).toContain('alter schema viewkeeper_logs owner to viewkeeper')
    expect([await owner(rds), await whyNot()]).toEqual(['viewkeeper', null])
    expect((await make(rds, { password: null })).done).toEqual([])
  })

  test('of somebody else is neither believed nor taken; doctor says so, and what mends it', async () => {
    const { rds, whyNot, examined } = await logged()
    await make(rds)
    const why =
      'schema viewkeeper_logs does not belong to viewkeeper, or others may create in it, which the SQL of npx viewkeeper doctor mends'
    for (const [change, because, sql] of [
      [
        'alter schema viewkeeper_logs owner to boss',
        'schema viewkeeper_logs belongs to boss, and schema viewkeeper to viewkeeper',
        'alter schema viewkeeper_logs owner to viewkeeper;',
      ],
      [
        'grant create on schema viewkeeper_logs to public',
        'public may create in schema viewkeeper_logs',
        'revoke create on schema viewkeeper_logs from public cascade;',
      ],
      [
        'alter schema viewkeeper_logs owner to eve',
        'schema viewkeeper_logs belongs to eve, and schema viewkeeper to viewkeeper',
        'alter schema viewkeeper_logs rename to viewkeeper_logs_before;',
      ],
    ] as const) {
      await rds.sql.unsafe(change)
      expect(await whyNot()).toBe(why)
      const { done, missing: refused } = await make(rds, { password: null })
      expect([done, refused.some((fix) => fix.sql === sql)]).toEqual([[], change.endsWith('boss')])
      const { schema, missing } = await examined()
      expect(schema).toMatchObject([{ because, fix: { sql } }])
      expect(missing).toContainEqual(expect.objectContaining({ sql }))
      // It stops no deploy: no code in it runs as us.
      expect((await migrate(rds.as('keeper_app').database, schemaFolder)).applied).toEqual([])
      await rds.sql.unsafe(sql)
      expect((await examined()).schema).toEqual([])
      expect(await whyNot()).toEqual(change.endsWith('eve') ? expect.any(String) : null)
    }
  })
})

describe('roles that somebody else has made', () => {
  /** From 16 on, whoever makes a role administers it. */
  const toHerself = (role: string) => (major < 16 ? `; grant ${role} to eve` : '')

  eachCase(
    [
      ['viewkeeper, which she administers', `create role viewkeeper nologin${toHerself('viewkeeper')}`],
      ['viewkeeper, which may log in', `create role viewkeeper login password 'hunter2'`],
      [
        'viewkeeper_views, which she administers',
        `create role viewkeeper_views nologin${toHerself('viewkeeper_views')}`,
      ],
      [
        'the login, which she administers',
        `create role keeper_app login password 'known'${toHerself('keeper_app')}`,
      ],
    ],
    { quick: 1 },
  )('as %s are refused before anything is granted', async (_, beforehand) => {
    const rds = await prepared('createrole')
    await rds.run('eve', beforehand)
    const before = await rolesOf(rds)
    const refusal = await refusalOf(make(rds))
    expect(refusal.message).toMatch(
      /(eve (may administer|is a member of) role|role viewkeeper may log in).*Nothing was changed/s,
    )
    expect(await rolesOf(rds)).toEqual(before)
    await follow(rds, refusal.message)
    await rds.sql`alter role eve nocreaterole`
    await make(rds, {}, 'boss')
    await expect(rds.run('eve', 'select * from b.secret')).rejects.toMatchObject({
      code: 'InsufficientPrivilege',
    })
    await expect(rds.run('eve', 'set role viewkeeper')).rejects.toMatchObject({
      code: 'InsufficientPrivilege',
    })
  })

  test('are used if the administrator trusts who made them, and doctor says who may administer them', async () => {
    const rds = await prepared('createrole')
    await rds.run('eve', 'create role viewkeeper nologin; grant viewkeeper to bob')
    expect((await refusalOf(make(rds))).message).toContain('npx viewkeeper create-role --trust eve')
    await make(rds, { trusted: ['eve'] })
    const { administrators } = await doctor(rds.as('keeper_app').database, { views: 'all', role: null })
    expect(administrators?.find(({ role }) => role === 'viewkeeper')).toEqual({
      role: 'viewkeeper',
      by: major < 16 ? ['a role with createrole'] : ['eve'],
      members: expect.arrayContaining(['bob']),
    })
  })

  test('do not keep a login whose password another may know: it is set anew, or create-role is refused', async () => {
    const rds = await prepared()
    await rds.run('master', `create role keeper_app login password 'known'`)
    await expect(make(rds, { password: null })).rejects.toMatchObject({
      code: 'InvalidRequest',
      message: expect.stringMatching(/keeper_app exists.*Nothing was changed.*--rotate/s),
    })
    expect(await rolesOf(rds)).toEqual(['keeper_app'])
    await make(rds)
    await expect(
      rds.as('keeper_app', 'known').database.withConnection((sql) => sql`select 1`),
    ).rejects.toMatchObject({ code: 'CredentialsRefused' })
    expect(await make(rds, { password: null })).toMatchObject({ done: [], missing: [] })
  })

  eachCase(
    [
      ['whose member she has made the login', 'grant viewkeeper to app_owner'],
      ['which the login may use', 'grant usage on schema viewkeeper to public'],
    ],
    { quick: 1 },
  )('as the owner of a schema %s are refused at the start, too', async (_, lure) => {
    const rds = await prepared('createrole')
    await rds.run(
      'eve',
      `create role viewkeeper nologin; grant viewkeeper to eve with ${major < 16 ? 'admin option' : 'set true'};
       create schema viewkeeper authorization viewkeeper; ${lure}`,
    )
    await rds.sql`alter role eve nocreaterole`
    await expect(migrate(rds.as('app_owner').database, schemaFolder)).rejects.toThrow(/eve may administer/)
  })
})
