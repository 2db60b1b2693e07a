import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { prune } from '../../../src/keeper/jobs.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { createRole } from '../../../src/own-schema/create-role.ts'
import { planRemoval } from '../../../src/own-schema/uninstall.ts'
import { create } from '../../../src/run/create.ts'
import { drop } from '../../../src/run/drop.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { recipeOf } from '../../support/recipe.ts'
import { define } from '../../support/record/rows.ts'
import { administrator, callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { muchLater } from '../../support/waiting/until.ts'

// One file for all of it: role viewkeeper belongs to the whole server, and who made it matters.

const suffix = randomUUID().slice(0, 8)
const names = {
  admin: `admin_${suffix}`,
  owner: `owner_${suffix}`,
  first: `first_${suffix}`,
  second: `second_${suffix}`,
}

beforeAll(async () => {
  const server = administrator(inject('postgresUrl'))
  await server.unsafe(`create role ${names.admin} login createrole password 'admin'`)
  await server.end()
})

const asked = { password: "it's \\ odd", owners: [], ownViews: null }

describe('the role that Viewkeeper works with', () => {
  const { url, sql, as } = useDatabase({ migrated: false })

  let made: Awaited<ReturnType<typeof createRole>>[]
  beforeAll(async () => {
    await sql.unsafe(`
      grant create on database ${new URL(url).pathname.slice(1)} to ${names.admin} with grant option;
      grant connect, temporary on database ${new URL(url).pathname.slice(1)} to ${names.admin} with grant option`)
    made = await as(names.admin, 'admin').database.withConnection(async (admin) => {
      await admin.unsafe(`create role ${names.owner}`)
      await sql.unsafe(`
        create materialized view early as select 1 as id; grant all on schema public to ${names.owner};
        alter materialized view early owner to ${names.owner}`)
      const results = []
      for (const login of [names.first, names.second, names.first])
        results.push(await createRole(admin, schemaFolder, { ...asked, login, owners: null }))
      return results
    })
    await migrate(as(names.first, "it's \\ odd").database, schemaFolder)
  })

  test('is made by an administrator who is no superuser, as on RDS, and may be made again', async () => {
    const [server] = await sql`select current_setting('server_version_num')::int >= 160000 as strict`
    // From 16 on it takes the right to pass it on, which RDS gives to its administrators.
    const missing = ['pg_signal_backend', 'pg_read_all_stats'].map((membership) => ({
      sql: `grant ${membership} to viewkeeper with inherit true, set true;`,
      grants: true,
      membership,
      // Roles belong to the whole server: another test file may have one that may grant it.
      by: expect.not.arrayContaining([names.admin]),
    }))
    expect(made.map((each) => each.missing)).toEqual(Array(3).fill(server?.strict ? missing : []))
  })

  test('leaves half of the connections to others, and a limit that is set as it is unless another is asked for', async () => {
    const limits = () => sql`
      select rolconnlimit as limit from pg_roles where rolname = ${names.first}`
    const [server] = await sql`select current_setting('max_connections')::int / 2 as half`
    expect(await limits()).toEqual([{ limit: server?.half }])
    await sql.unsafe(`alter role ${names.first} connection limit 7`)
    await as(names.admin, 'admin').database.withConnection((admin) =>
      createRole(admin, schemaFolder, { ...asked, login: names.first }),
    )
    expect(await limits()).toEqual([{ limit: 7 }])
    for (const [connectionLimit, limit] of [
      [9, 9],
      ['half', server?.half],
    ] as const) {
      const again = () =>
        as(names.admin, 'admin').database.withConnection((admin) =>
          createRole(admin, schemaFolder, { ...asked, login: names.first, connectionLimit }),
        )
      expect((await again()).done).toContain(`alter role ${names.first} connection limit ${limit}`)
      expect(await limits()).toEqual([{ limit }])
      expect((await again()).done.join()).not.toContain('connection limit')
    }
    await sql.unsafe(`alter role ${names.first} connection limit 50`)
  })

  test('owns the schema, so that two logins can take turns', async () => {
    const first = as(names.first, "it's \\ odd").database
    const second = as(names.second, "it's \\ odd").database
    const [schema] =
      await sql`select nspowner::regrole::text as owner from pg_namespace where nspname = 'viewkeeper'`
    expect(schema?.owner).toBe('viewkeeper')
    // What the second one adds to the schema belongs to the schema's owner, not to itself.
    await second.withConnection(async (other) => {
      await other`set role viewkeeper`
      await other`alter table viewkeeper.runs add column turn text`
    })
    expect(await migrate(second, schemaFolder)).toEqual({ applied: [], ahead: [] })
    for (const login of [first, second]) {
      expect(await refresh({ view: 'early' }, callOn(login))).toMatchObject({ status: 'updated' })
    }
  })

  test('may vacuum its own tables, whichever login asks', async () => {
    const visible = async () =>
      (
        await sql`select relallvisible > 0 as visible from pg_class where oid = 'viewkeeper.runs'::regclass`
      )[0]
    await refresh({ view: 'early' }, callOn(as(names.first, "it's \\ odd").database))
    expect(await visible()).toEqual({ visible: false })
    await prune(as(names.second, "it's \\ odd").database, { successes: 5, days: 9 }, muchLater())
    expect(await visible()).toEqual({ visible: true })
  })

  test('owns what is created, so that the other login can refresh and drop it', async () => {
    const first = as(names.first, "it's \\ odd").database
    const second = as(names.second, "it's \\ odd").database
    await define(sql, 'handed_on', { sql: 'select 1 as id' })
    await sql`grant all on schema public to viewkeeper_views`
    expect(await create({ view: 'handed_on' }, callOn(first))).toMatchObject({ status: 'created' })
    expect(await create({ view: 'handed_on', force: true }, callOn(second))).toMatchObject({
      status: 'created',
    })
    expect(await refresh({ view: 'handed_on' }, callOn(first))).toMatchObject({ status: 'updated' })
    expect(await drop({ view: 'handed_on' }, callOn(second))).toMatchObject({ status: 'deleted' })
  })

  test('becomes a member of the owners of views, but of no superuser, not of the administrator and of nobody who is its member', async () => {
    await sql.unsafe(`
      create materialized view of_superuser as select 1 as id;
      create materialized view of_login as select 1 as id; alter materialized view of_login owner to ${names.first};
      create materialized view of_admin as select 1 as id; alter materialized view of_admin owner to ${names.admin};
      create materialized view its_own as select 1 as id; alter materialized view its_own owner to viewkeeper_views`)
    const { findings } = await as(names.admin, 'admin').database.withConnection((admin) =>
      createRole(admin, schemaFolder, { ...asked, login: names.second, owners: null }),
    )
    const refreshable = findings.views.filter(({ refresh }) => refresh.length === 0).map(({ view }) => view)
    expect(refreshable).toEqual(['public.early', 'public.its_own'])
    const [member] = await sql`
      select pg_has_role('viewkeeper', ${names.admin}, 'MEMBER') as "ofAdmin", pg_has_role('viewkeeper', 'postgres', 'MEMBER') as "ofSuperuser"`
    expect(member).toEqual({ ofAdmin: false, ofSuperuser: false })
    await sql`drop materialized view of_superuser, of_login, of_admin, its_own`
  })

  test('is not made a member of its own member, and nothing else fails for it', async () => {
    await as(names.admin, 'admin').database.withConnection((admin) =>
      createRole(admin, schemaFolder, {
        login: names.second,
        password: 'secret',
        owners: [names.first, names.owner],
        ownViews: null,
      }),
    )
    const [member] = await sql`select pg_has_role('viewkeeper', ${names.owner}, 'USAGE') as "ofOwner"`
    expect(member).toEqual({ ofOwner: true })
    await as(names.second).database.withConnection(async () => {})
  })
})

describe('a database of an administrator who is no superuser, as on RDS', () => {
  const { url, sql, as } = useDatabase({ migrated: false })
  const [login, owner, reader] = ['app', 'app_owner', 'analyst'].map((name) => `${name}_${suffix}`) as [
    string,
    string,
    string,
  ]
  const working = as(login).database
  const asAdmin = (text: string) =>
    as(names.admin, 'admin').database.withConnection((admin) => admin.unsafe(text))

  beforeAll(async () => {
    await sql.unsafe(`alter database ${new URL(url).pathname.slice(1)} owner to ${names.admin}`)
    await as(names.admin, 'admin').database.withConnection(async (admin) => {
      await createRole(admin, schemaFolder, { ...asked, login, password: 'secret' })
      await admin.unsafe(
        `create role ${owner}; create role ${reader}; create table public.orders (id integer)`,
      )
    })
    await migrate(working, schemaFolder)
    await define(sql, 'sales', {
      sql: 'select id from public.orders',
      grants: [{ privileges: ['select'], to: reader }],
    })
  })

  test('has a first view by the grants of docs/privileges.md, none without one of them, and keeps it when uninstall rids it of Viewkeeper', async () => {
    const grants = recipeOf('privileges.md', 'The first view').trim().split('\n')
    expect(grants).toHaveLength(2)
    for (const [at, message] of [
      'permission denied for schema',
      'grant select on public.orders to viewkeeper_views',
    ].entries()) {
      const refusal = await create({ view: 'public.sales' }, callOn(working)).catch((error) => error)
      expect(`${refusal.message} ${JSON.stringify(refusal)}`).toContain(message)
      await asAdmin(grants[at] as string)
    }
    expect(await create({ view: 'public.sales' }, callOn(working))).toMatchObject({ status: 'created' })

    await sql.unsafe(`
      create view public.rates as select 1 as id; alter view public.rates owner to viewkeeper_views;
      create function public.own() returns integer language sql return 1; alter function public.own owner to viewkeeper_views`)
    const made = async () => sql`
      select relname as name, relowner::regrole::text as owner, relispopulated as populated,
             has_table_privilege(${reader}, oid, 'select') as readable
        from pg_class where relname in ('sales', 'rates') order by 1`
    const before = await made()
    await asAdmin(`grant create on schema public to ${owner}; grant select on public.orders to ${owner}`)
    const admin = as(names.admin, 'admin').database
    const { statements } = await admin.withConnection((sql) =>
      planRemoval(sql, [login], { giveTo: owner, dropDependents: false }),
    )
    await asAdmin(statements.join(';'))
    expect(await made()).toEqual(before.map((view) => ({ ...view, owner })))
    expect(await sql`select proowner::regrole::text as owner from pg_proc where proname = 'own'`).toEqual([
      { owner },
    ])
    expect(
      await sql`
      select rolname from pg_roles where rolname in ('viewkeeper', 'viewkeeper_views', ${login})
      union all select nspname from pg_namespace where nspname = 'viewkeeper'`,
    ).toEqual([])
    await asAdmin(`set role ${owner}; refresh materialized view public.sales`)
  })
})
