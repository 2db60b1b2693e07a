import { describe, expect, test } from 'vitest'
import { fixLines } from '../../../src/catalog/plan/rights.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { createRole, type RoleMade, type RoleRequest } from '../../../src/own-schema/create-role.ts'
import { settingUp } from '../../../src/own-schema/db/apply-steps.ts'
import { AdministratorWork } from '../../../src/own-schema/db/role.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { deep } from '../../support/deep.ts'
import { callOn, schemaFolder } from '../../support/servers/database.ts'
import { oneRoleDatabase, type RdsDatabase, useRds } from '../../support/servers/rds.ts'
import { major } from '../../support/servers/test-server.ts'
import { until } from '../../support/waiting/until.ts'

const fresh = useRds()
const options = major < 16 ? '' : ' with inherit true, set true'

const make = (rds: RdsDatabase, request: Partial<RoleRequest> = {}): Promise<RoleMade> =>
  rds.as('master').database.withConnection((sql) =>
    createRole(sql, schemaFolder, {
      login: 'keeper_app',
      password: 'hunter2',
      owners: null,
      ownViews: null,
      ...request,
    }),
  )

const refreshBy = (rds: RdsDatabase, view: string, strategy: 'auto' | 'regular' | 'concurrent' | 'swap') =>
  refresh({ view, strategy }, callOn(rds.as('keeper_app').database))

const again = { password: null }

describe('a database in which one role owns everything', () => {
  test('is ready after create-role: each refresh succeeds, and by swap', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    const { done, missing, findings } = await make(rds)
    expect(missing).toEqual([])
    expect(done).toContain(`grant app_owner to viewkeeper${options}`)
    expect(
      findings.views.map(({ view, refresh, swap, migrate }) => ({ view, refresh, swap, migrate })),
    ).toEqual(['shop.days', 'shop.sales'].map((view) => ({ view, refresh: [], swap: [], migrate: [] })))
    await migrate(rds.as('keeper_app').database, schemaFolder)
    for (const view of ['shop.sales', 'shop.days']) {
      expect(await refreshBy(rds, view, 'auto')).toMatchObject({
        status: 'updated',
        response: { strategy: 'swap' },
      })
    }
    expect(await refreshBy(rds, 'shop.sales', 'concurrent')).toMatchObject({ status: 'updated' })
    expect(await doctor(rds.as('keeper_app').database, { views: 'all', role: null })).toMatchObject({
      missing: [],
    })
  })

  test('is changed by nothing the second time, and the login keeps its password', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await make(rds)
    expect(await make(rds, again)).toMatchObject({ done: [], missing: [] })
    await rds.run('keeper_app', 'select 1')
  })

  test('is not half done if something fails', deep, async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.sql.unsafe(`create schema viewkeeper authorization master`)
    const [blocker] = [await rds.sql.reserve()]
    await blocker`begin`
    await blocker`lock table pg_catalog.pg_namespace in access exclusive mode`
    await expect(make(rds)).rejects.toThrow(/lock/)
    await blocker`rollback`
    blocker.release()
    expect(
      await rds.sql`select rolname from pg_roles where rolname like 'viewkeeper%' or rolname = 'keeper_app'`,
    ).toEqual([])
  })
})

test('a role that the set-up of another database makes at the same moment is used', deep, async () => {
  const rds = await fresh()
  await oneRoleDatabase(rds)
  await rds.as('master').database.withConnection(async (other) => {
    await other`begin`
    await other`create role viewkeeper nologin`
    const made = make(rds)
    await until(
      'the role is waited for',
      async () =>
        (
          await rds.sql`select from pg_stat_activity where query = 'create role viewkeeper nologin' and wait_event_type = 'Lock'`
        ).length,
    )
    await other`commit`
    expect(await made).toMatchObject({ missing: [] })
  })
})

describe('what an administrator may not grant', () => {
  test('is said as SQL, with those who have to run it; they run it, and nothing is missing any more', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.sql.unsafe(`
      create role archivist login password 'hunter2'; create schema archive authorization archivist;
      grant usage on schema archive to app_owner;
      create table archive.old as select 1 as id; alter table archive.old owner to archivist;
      create materialized view archive.past as select id from archive.old; alter materialized view archive.past owner to app_owner`)
    const { missing, done } = await make(rds)
    expect(done).toContain(`grant app_owner to viewkeeper${options}`)
    expect(missing).toEqual([
      { sql: 'grant select on archive.old to app_owner;', grants: true, by: ['archivist'] },
      { sql: 'grant create on schema archive to app_owner;', grants: true, by: ['archivist'] },
    ])
    for (const { sql } of missing) await rds.run('archivist', sql)
    expect(await make(rds, again)).toMatchObject({ done: [], missing: [] })
    await migrate(rds.as('keeper_app').database, schemaFolder)
    expect(await refreshBy(rds, 'archive.past', 'swap')).toMatchObject({ status: 'updated' })
  })

  test('is from 16 on a role that it did not create, because it takes ADMIN on the role', deep, async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.sql.unsafe(`
      create role stranger; grant usage, create on schema shop to stranger; grant select on shop.orders to stranger;
      create materialized view shop.theirs as select id from shop.orders; alter materialized view shop.theirs owner to stranger`)
    const membership = {
      sql: `grant stranger to viewkeeper${options};`,
      grants: true,
      membership: 'stranger',
    }
    expect((await make(rds)).missing).toEqual(major < 16 ? [] : [{ ...membership, by: [] }])
    if (major < 16) return
    await rds.sql`create role chief login createrole password 'hunter2'`
    await rds.sql`grant stranger to chief with admin true, inherit false, set false`
    const { missing } = await make(rds, again)
    expect(missing).toEqual([{ ...membership, by: ['chief'] }])
    await rds.run('chief', missing[0]?.sql ?? '')
    expect(await make(rds, again)).toMatchObject({ done: [], missing: [] })
  })

  test('is never given to a role that owns none of the views, and no function is let be executed', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.run(
      'master',
      `create role analyst login password 'hunter2'; create role outsider; grant create on database app to analyst`,
    )
    await rds.sql.unsafe(`
      grant usage, create on schema shop to analyst, outsider;
      set role analyst;
      create table shop.notes as select 1 as id;
      create function shop.secret() returns int security definer return 7; revoke execute on function shop.secret from public;
      create materialized view shop.noted as select id from shop.notes;
      reset role;
      create view shop.between as select id from shop.orders; alter view shop.between owner to outsider;
      grant select on shop.between to app_owner;
      create materialized view shop.past as select id, shop.secret() from shop.between join shop.notes using (id) with no data;
      alter materialized view shop.past owner to app_owner`)
    const { missing, done } = await make(rds)
    expect(done.filter((sql) => sql.includes(' on shop.'))).toEqual([])
    expect(missing).toEqual([
      { sql: 'grant select on shop.notes to app_owner;', grants: true, by: ['analyst'] },
      { sql: 'grant select on shop.orders to outsider;', grants: true, by: ['app_owner'] },
      { sql: 'grant execute on function shop.secret() to app_owner;', grants: true, by: ['analyst'] },
    ])
    for (const { sql, by } of missing) await rds.run(by[0] ?? '', sql)
    expect(await make(rds, again)).toMatchObject({ done: [], missing: [] })
  })

  test.each(['master', 'a superuser'])(
    'is what belongs to others, whatever a view of a thief names: %s only prints it',
    async (who) => {
      const rds = await fresh()
      await oneRoleDatabase(rds)
      await rds.run('master', `create role eve login password 'hunter2'; grant create on database app to eve`)
      await rds.run(
        'app_owner',
        `grant usage on schema shop to eve; create table shop.secret as select 'word' as word;
       create function shop.fn() returns int language sql return 1; revoke execute on function shop.fn() from public`,
      )
      await rds.run(
        'eve',
        `create schema e; create materialized view e.steal as select word from shop.secret with no data;
       create table e.mine as select 1 as id; create materialized view e.own as select id from e.mine;
       revoke select on e.mine from eve; create view e.plain as select total from shop.orders;
       create materialized view e.behind as select total, shop.fn() from e.plain with no data`,
      )
      const request = { login: 'keeper_app', password: 'hunter2', owners: null, ownViews: null }
      const { done, missing, findings } =
        who === 'master' ? await make(rds) : await createRole(rds.sql, schemaFolder, request)
      expect(done).toContain('grant select on e.mine to eve')
      expect(missing.map(({ sql, by }) => [by[0], sql])).toEqual([
        ['app_owner', 'grant select on shop.orders to eve;'],
        ['app_owner', 'grant execute on function shop.fn() to eve;'],
        ['app_owner', 'grant select on shop.secret to eve;'],
      ])
      const steal = findings.views.find(({ view }) => view === 'e.steal')
      expect(steal?.refresh.map(({ because }) => because)).toEqual([
        'its owner, eve, lacks select on shop.secret',
      ])
      expect(fixLines(missing)[1]).toBe('app_owner decides whether to run:')
      for (const query of ['select from shop.secret', 'select from e.plain', 'select shop.fn()'])
        await expect(rds.run('eve', query)).rejects.toThrow('permission denied')
    },
  )

  test('is left as it is if the server refuses the statement, and the rest goes on', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.run('app_owner', 'create type shop.pair as (a int, b int)')
    await rds.as('app_owner').database.withConnection((connection) =>
      settingUp(connection, async (transaction) => {
        const work = await AdministratorWork.in(transaction)
        for (const refused of ['grant select on shop.pair to master', 'grant select on shop.gone to master'])
          expect(await work.try([refused])).toBe(false)
        expect(await work.try(['grant select on shop.orders to master'])).toBe(true)
      }),
    )
  })

  test('is membership of a superuser: it is not offered, and the view has to be given away', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.sql`alter materialized view shop.days owner to postgres`
    const { missing, findings } = await make(rds)
    expect(findings.views[0]?.refresh[0]?.because).toMatch(/superuser, and nobody should become a member/)
    expect(missing).toEqual([
      { sql: 'alter materialized view shop.days owner to viewkeeper_views;', grants: false, by: [] },
    ])
  })
})

test('nobody makes Viewkeeper a member of a superuser, not even a superuser who names one', async () => {
  const rds = await fresh()
  const request = { login: 'keeper_app', password: 'hunter2', owners: ['postgres'], ownViews: null }
  const { done } = await createRole(rds.sql, schemaFolder, request)
  expect(done.filter((sql) => sql.startsWith('grant postgres '))).toEqual([])
})

describe('a database whose master owns the views', () => {
  const prepare = async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds, 'master')
    return rds
  }

  test('is left alone unless a way is asked for', async () => {
    const rds = await prepare()
    const { missing } = await make(rds)
    const owners = await rds.sql`select distinct matviewowner as owner from pg_matviews`
    expect(owners).toEqual([{ owner: 'master' }])
    expect(missing).not.toEqual([])
    const [member] = await rds.sql`select pg_has_role('viewkeeper', 'master', 'MEMBER') as is`
    expect(member).toEqual({ is: false })
  })

  test('is worked on after its views were given to viewkeeper_views, and the master goes on altering them', async () => {
    const rds = await prepare()
    await rds.run(
      'master',
      'create schema raw; create table raw.visits (id int); create materialized view shop.visits as select id from raw.visits',
    )
    const { missing, done } = await make(rds, { ownViews: 'give' })
    expect(done).toContain('alter materialized view shop.days owner to viewkeeper_views')
    expect(done).toContain('grant usage on schema raw to viewkeeper_views')
    // A swap makes the plain view again, as its owner. Before 16, Viewkeeper can become a member of the master.
    expect(missing.map(({ sql, by }) => `${by}: ${sql}`)).toEqual([
      major < 16
        ? 'a role with createrole: grant master to viewkeeper;'
        : 'master: alter view shop.best owner to viewkeeper_views;',
    ])
    await rds.run('master', missing[0]?.sql ?? '')
    expect(await make(rds, { ...again, ownViews: 'give' })).toMatchObject({ missing: [] })
    await migrate(rds.as('keeper_app').database, schemaFolder)
    for (const view of ['shop.sales', 'shop.days', 'shop.visits']) {
      expect(await refreshBy(rds, view, 'auto')).toMatchObject({ response: { strategy: 'swap' } })
    }
    await rds.run(
      'master',
      'refresh materialized view shop.sales; comment on materialized view shop.days is $$its days$$',
    )
    expect(await make(rds, { ...again, ownViews: 'give' })).toMatchObject({ done: [], missing: [] })
  })

  test('is refreshed by maintain from 17 on, without a swap', async () => {
    const rds = await prepare()
    if (major < 17) {
      await expect(make(rds, { ownViews: 'maintain' })).rejects.toThrow(/MAINTAIN/)
      return
    }
    const { missing, findings, done } = await make(rds, { ownViews: 'maintain' })
    expect(missing).toEqual([])
    expect(done).toContain('grant maintain on shop.sales to viewkeeper')
    expect(findings.views.map(({ refresh, swap }) => [refresh, swap.length > 0])).toEqual([
      [[], true],
      [[], true],
    ])
    await migrate(rds.as('keeper_app').database, schemaFolder)
    expect(await refreshBy(rds, 'shop.sales', 'auto')).toMatchObject({ response: { strategy: 'concurrent' } })
    expect(await refreshBy(rds, 'shop.days', 'auto')).toMatchObject({ response: { strategy: 'regular' } })
    expect(await make(rds, { ...again, ownViews: 'maintain' })).toMatchObject({ done: [], missing: [] })
  })

  test('is worked on by the master itself, with its own secret', deep, async () => {
    const rds = await prepare()
    const { database } = rds.as('master')
    expect(await doctor(database, { views: 'all', role: null })).toMatchObject({ missing: [] })
    await migrate(database, schemaFolder)
    expect(await refresh({ view: 'shop.sales' }, callOn(database))).toMatchObject({
      response: { strategy: 'swap' },
    })
  })

  test('makes Viewkeeper a member of the master only if the master is named, before 16', deep, async () => {
    const rds = await prepare()
    const { missing } = await make(rds, { owners: ['master'] })
    const [member] = await rds.sql`select pg_has_role('viewkeeper', 'master', 'MEMBER') as is`
    expect([member?.is, missing.length === 0]).toEqual([major < 16, major < 16])
  })
})

describe('a database that somebody has worked on as the administrator first', () => {
  const owners = (rds: RdsDatabase) => rds.sql<{ owner: string }[]>`
    select nspowner::regrole::text as owner from pg_namespace where nspname = 'viewkeeper'
    union select relowner::regrole::text from pg_class where relnamespace = 'viewkeeper'::regnamespace
    union select proowner::regrole::text from pg_proc where pronamespace = 'viewkeeper'::regnamespace
    union select typowner::regrole::text from pg_type where typnamespace = 'viewkeeper'::regnamespace`

  test('is handed over with its record, and the login goes on', deep, async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.run('master', `grant app_owner to master${options}`)
    await migrate(rds.as('master').database, schemaFolder)
    const before = await refresh({ view: 'shop.sales' }, callOn(rds.as('master').database))
    expect(await owners(rds)).toEqual([{ owner: 'master' }])

    expect(await make(rds)).toMatchObject({ missing: [] })
    expect(await owners(rds)).toEqual([{ owner: 'viewkeeper' }])
    expect(await migrate(rds.as('keeper_app').database, schemaFolder)).toEqual({ applied: [], ahead: [] })
    const after = await refreshBy(rds, 'shop.sales', 'auto')
    expect(after.runId).toBeGreaterThan(before.runId)
    // The administrator was a member of viewkeeper only for the moment.
    const [master] = await rds.sql`select pg_has_role('master', 'viewkeeper', 'USAGE') as "isMember"`
    expect(master).toEqual({ isMember: false })
    expect(await make(rds, again)).toMatchObject({ done: [], missing: [] })
  })

  test('has the views of role viewkeeper handed over to viewkeeper_views', deep, async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await make(rds)
    await rds.sql`create materialized view shop.ours as select id from shop.orders`
    await rds.sql`alter materialized view shop.ours owner to viewkeeper`
    const { missing, done } = await make(rds, again)
    const owner = () => rds.sql`select matviewowner as owner from pg_matviews where matviewname = 'ours'`
    // The schema and the table belong to app_owner, who decides, although viewkeeper may act as app_owner.
    expect(done).toEqual([])
    const ofOwner = missing.filter(({ by }) => by[0] === 'app_owner').map(({ sql }) => sql)
    expect(ofOwner).toEqual([
      'grant usage on schema shop to viewkeeper_views;',
      'grant create on schema shop to viewkeeper_views;',
    ])
    const select = 'grant select on shop.orders to viewkeeper_views;'
    for (const sql of [...ofOwner, select]) await rds.run('app_owner', sql)
    expect(await make(rds, again)).toMatchObject({
      done: ['alter materialized view shop.ours owner to viewkeeper_views'],
      missing: [],
    })
    expect(await owner()).toEqual([{ owner: 'viewkeeper_views' }])
    await migrate(rds.as('keeper_app').database, schemaFolder)
    expect(await refreshBy(rds, 'shop.ours', 'swap')).toMatchObject({ status: 'updated' })
  })
})
