import { describe, expect, test } from 'vitest'
import { oneRoleDatabase, useRds } from '../support/servers/rds.ts'
import { major } from '../support/servers/test-server.ts'
import { Project } from './support/project.ts'

const fresh = useRds()
const options = major < 16 ? '' : ' with inherit true, set true'
const granter = major < 16 ? 'a role with createrole' : 'master'

describe('viewkeeper doctor and create-role', () => {
  test('tell about a database in which one role owns everything, from nothing to the first clean bill', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    const project = new Project(rds.url)

    const before = await project.run(['doctor', 'shop.days', '--role', 'pg_monitor'])
    expect(before).toMatchObject({ code: 1, err: '' })
    expect(before.out).toBe(`  What pg_monitor may do:

  view        owner       refresh   concurrent   swap   migrate
  shop.days   app_owner   ✗         ✗            ✗      ✗

  shop.days
    refresh, concurrent, swap, migrate: pg_monitor may not act as its owner, app_owner
    concurrent: it has no unique index

  ${granter} or a superuser has to run:
    grant app_owner to pg_monitor${options};

  1 right is missing. When the SQL above has run, look again: npx viewkeeper doctor
`)

    const made = await project.run(['create-role', '--login', 'keeper_app'])
    expect(made.err).toMatch(
      /^ {2}keeper_app will have all rights of app_owner: .*\n\n {2}✓ create role viewkeeper nologin\n/,
    )
    expect(made.err).toContain(`✓ grant app_owner to viewkeeper${options}\n`)
    expect(made.err).toMatch(/\n {2}2 views: no right is missing\n$/)
    const { username, password } = JSON.parse(made.out)
    expect({ code: made.code, username }).toEqual({ code: 0, username: 'keeper_app' })
    expect(made.err).not.toContain(password)

    const again = await project.run(['create-role', '--login', 'keeper_app'])
    expect(again).toMatchObject({ code: 0, out: '' })
    expect(again.err).toMatch(
      /nothing had to be changed\n.*keeper_app keeps its password; --rotate gives it a new one\n/,
    )
    const rotated = await project.run([
      'create-role',
      '--login',
      'keeper_app',
      '--rotate',
      '--connection-limit',
      '40',
    ])
    expect(JSON.parse(rotated.out).password).not.toBe(password)
    expect(rotated.err).toContain('✓ alter role keeper_app connection limit 40\n')
    expect(rotated.err).toContain("✓ alter role keeper_app login password '...'\n")

    const { url } = rds.as('keeper_app', JSON.parse(rotated.out).password)
    const after = await project.run(['doctor', '--json'], { url })
    expect(after).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(after.out)).toMatchObject({ role: 'keeper_app', missing: [] })
  })

  test('make a login for IAM, without a password and without a secret', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    const project = new Project(rds.url)
    const make = (...more: string[]) =>
      project.run(['create-role', '--login', 'keeper_app', '--iam', ...more])
    expect(await make()).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/no role rds_iam/) })
    expect(await make('--own-views', 'keep')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/Leave --iam out/),
    })
    await rds.sql.unsafe('create role rds_iam; grant rds_iam to master with admin option')
    const made = await make()
    expect(made).toMatchObject({ code: 0, out: '' })
    expect(made.err).toContain(`✓ grant rds_iam to keeper_app${options}\n`)
    expect(made.err).toContain('keeper_app logs in with a token of IAM and has no password\n')
    expect(made.err).toContain('your own login is a member of rds_iam, too')
    expect((await make()).err).toContain('nothing had to be changed\n')
    await rds.sql.unsafe("create role working login password 'x'")
    const taken = await project.run(['create-role', '--login', 'working', '--iam'])
    expect(taken).toMatchObject({
      code: 2,
      err: expect.stringMatching(/working logs in with a password.+Name another role/s),
    })
    const [row] = await rds.sql.unsafe(
      "select rolpassword is not null as kept from pg_authid where rolname = 'working'",
    )
    expect(row).toEqual({ kept: true })
  })

  test('print the SQL that the administrator could not run, sorted by who can', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    await rds.sql.unsafe(`
      create role archivist; create schema archive authorization archivist; grant usage on schema archive to app_owner;
      create materialized view archive.past as select 1 as id; alter materialized view archive.past owner to app_owner;
      alter materialized view shop.days owner to postgres`)
    const { code, out, err } = await new Project(rds.url).run(['create-role', '--login', 'keeper_app'])
    expect({ code, secret: JSON.parse(out).username }).toEqual({ code: 1, secret: 'keeper_app' })
    expect(err).toContain(`
  archivist or a superuser has to run:
    grant create on schema archive to app_owner;

  a superuser has to run:
    alter materialized view shop.days owner to viewkeeper_views;

  2 rights are missing. When the SQL above has run, look again: npx viewkeeper doctor
`)
  })

  test('explain the ways if the views belong to the administrator, change nothing, and go the way that is asked for', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds, 'master')
    const project = new Project(rds.url)
    const refused = await project.run(['create-role'])
    expect(refused).toMatchObject({ code: 2, out: '' })
    expect(refused.err).toMatch(
      /^viewkeeper: 2 views belong to your own login, master: shop\.days, shop\.sales\..* Nothing was changed\. Choose a way; each has a price:\n\n/,
    )
    for (const way of ['keep', 'give'])
      expect(refused.err).toMatch(new RegExp(`  --own-views ${way} .*\\n +Price: `))
    expect(refused.err.includes('--own-views maintain')).toBe(major >= 17)
    expect(await rds.sql`select from pg_roles where rolname like 'viewkeeper%'`).toHaveLength(0)

    const kept = await project.run(['create-role', '--own-views', 'keep'])
    expect(kept).toMatchObject({ code: 0, out: '' })
    expect(kept.err).toMatch(
      /nothing was changed: Viewkeeper works as master\..*[\s\S]*2 views: no right is missing\n$/,
    )
    expect(await rds.sql`select from pg_roles where rolname like 'viewkeeper%'`).toHaveLength(0)

    const maintained = await project.run(['create-role', '--own-views', 'maintain'])
    if (major < 17) expect(maintained.err).toMatch(/maintain exists from 17 on\. Choose keep or give\.\n$/)
    else
      expect(maintained.err).toMatch(
        /✓ grant maintain on shop\.sales to viewkeeper\n[\s\S]*no right is missing\n$/,
      )

    const given = await project.run(['create-role', '--own-views', 'give', '--rotate'])
    expect(given.code).toBe(1)
    expect(given.err).toContain('✓ alter materialized view shop.sales owner to viewkeeper_views\n')
    const fix = major < 16 ? 'grant master to viewkeeper;' : 'alter view shop.best owner to viewkeeper_views;'
    expect(given.err).toContain(`\n  ${granter} or a superuser has to run:\n    ${fix}\n`)
  })

  test('name a role or a view that is not there', async () => {
    const rds = await fresh()
    const project = new Project(rds.url)
    expect(await project.refused('doctor', '--role', 'nobody')).toBe('This server has no role "nobody".')
    expect(await project.refused('doctor', 'nothing')).toBe(
      'There is no materialized view public.nothing in this database.',
    )
  })
})

describe('viewkeeper migrate up', () => {
  test('says which rights are missing for the next migration, and goes on when they are there', async () => {
    const rds = await fresh()
    await oneRoleDatabase(rds)
    const made = await new Project(rds.url).run([
      'create-role',
      '--login',
      'keeper_app',
      '--owners',
      'master',
    ])
    const { url } = rds.as('keeper_app', JSON.parse(made.out).password)
    const project = new Project(url)
    project.author('days', 'select id from shop.orders where id > 1', `schema: 'shop'`)
    project.author('fresh', 'select id from shop.orders', `schema: 'shop'`)
    await project.succeed('freeze', '-m', 'a test', '--unverified')

    const refusals: string[] = []
    for (const [role, fix] of [
      ['app_owner', 'grant usage on schema shop to viewkeeper'],
      ['master', `grant app_owner to viewkeeper${options}`],
      ['app_owner', 'grant usage, create on schema shop to viewkeeper_views'],
      ['app_owner', 'grant select on shop.orders to viewkeeper_views'],
    ] as const) {
      refusals.push(await project.refused('migrate', 'up'))
      await rds.run(role, fix)
    }
    expect(refusals).toEqual([
      `migrations/001_days.up.sql: permission denied for schema shop. Missing: keeper_app may not look into schema shop.

app_owner or a superuser has to run:
  grant usage on schema shop to viewkeeper;`,
      `migrations/001_days.up.sql: shop.days cannot be changed to match its definition. Missing: keeper_app may not act as its owner, app_owner.

${granter} or a superuser has to run:
  grant app_owner to viewkeeper${options};`,
      `migrations/002_fresh.up.sql, line 9: permission denied for schema shop (42501). Missing: viewkeeper_views lacks usage on schema shop; viewkeeper_views lacks create on schema shop.

app_owner or a superuser has to run:
  grant usage on schema shop to viewkeeper_views;
  grant create on schema shop to viewkeeper_views;

The database is as it was before this migration.`,
      `migrations/002_fresh.up.sql: insufficient privilege (42501), run 2. Missing: its owner, viewkeeper_views, lacks select on shop.orders.

app_owner or a superuser has to run:
  grant select on shop.orders to viewkeeper_views;

The database is as it was before this migration.`,
    ])
    expect(await project.succeed('migrate', 'up')).toMatch(/1 migration applied\n$/)
  })
})
