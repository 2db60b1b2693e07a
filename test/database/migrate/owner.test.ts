import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readMembershipAdvice } from '../../../src/catalog/db/owner.ts'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { authoredDifferences } from '../../../src/migrate/plan/freeze.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { create } from '../../../src/run/create.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { fixesIn } from '../../support/catalog/fixes.ts'
import { deep } from '../../support/deep.ts'
import { define, deleteRows } from '../../support/record/rows.ts'
import { callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import {
  definition,
  type FrozenFolder,
  migrateCall,
  useFolders,
  verifyFrozen,
} from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// Roles as on RDS: a master that is no superuser makes the application's role, and those of Viewkeeper.

const folder = useFolders()
const { sql, url, as } = useDatabase({ migrated: false })
const suffix = url.slice(-8)
const [master, owner, other, stranger, app, keeper] = [
  'master',
  'app_owner',
  'other',
  'stranger',
  'login',
  'keeper',
].map((name) => `${name}_${suffix}`) as [string, string, string, string, string, string]
/** Owns what is created by default. */
const views = `${keeper}_views`
const { database } = as(app)
/** The database in an environment whose views belong to the application's role. */
const ofOwner = connectTo(fromUrl(as(app).url), { viewOwner: owner })
let withOptions = ''

beforeAll(async () => {
  const [server] = await sql`select current_setting('server_version_num')::int >= 160000 as strict`
  withOptions = server?.strict ? ' with inherit true, set true' : ''
  await sql.unsafe(`
    create role ${master} login createrole createdb password 'secret'; create role ${stranger};
    alter database ${new URL(url).pathname.slice(1)} owner to ${master}`)
  await as(master).database.withConnection((admin) =>
    admin
      .unsafe(
        `create role ${owner}; create role ${other}; create role ${keeper}; create role ${views};
         create role ${app} login password 'secret';
         grant ${owner}, ${other}, ${views} to ${keeper}${withOptions}; grant ${keeper} to ${app}${withOptions};
         grant ${owner}, ${keeper} to ${master}${withOptions};
         create schema viewkeeper authorization ${keeper}; create schema shop authorization ${owner};
         set role ${owner};
         grant usage, create on schema shop to ${views}, ${other};
         create table shop.base as select 1 as id, 2 as shop, 'word' as word;
         grant select on shop.base to ${views}, ${other};
         create table shop.secret as select 7 as id;
         create table shop.guarded as select i as id from generate_series(1, 10) i;
         alter table shop.guarded enable row level security, force row level security;
         create policy all_of_it on shop.guarded for select to ${owner} using (true);
         reset role`,
      )
      .simple(),
  )
  await migrate(database, schemaFolder)
})

beforeEach(async () => {
  await deleteRows(sql, 'migrations')
})

const inShop = (name: string, query: string, more: Partial<Definition> = {}) =>
  definition(name, query, { schema: 'shop', ...more })

/** Freezes a state of all views, tries it as the login, and applies it as the login. */
async function apply(frozen: FrozenFolder, authored: Definition[], on = database) {
  const known = (await frozen.read()).length
  await frozen.freeze(authored)
  const migrations = await frozen.read()
  const tried = await verifyFrozen(on, migrations.slice(0, known), migrations.slice(known))
  const { applied } = await migrateUp(migrateCall(on), migrations)
  expect(tried.map(({ does }) => does)).toEqual(applied.map(({ does }) => does))
  expect(await checkedOf(authored)).toEqual([])
  return applied.map(({ does }) => does)
}

/** The differences, without those that the tests make by hand: other views, and grants to `stranger`. */
const checkedOf = async (definitions: Definition[]) =>
  (await readDrift(database, definitions)).filter(
    ({ kind, message }) => kind !== 'unmanaged' && !message.includes(stranger),
  )

const ownerOf = async (view: string) =>
  (await sql`select relowner::regrole::text as owner from pg_class where oid = ${view}::regclass`)[0]?.owner

const write = (name: string, query: string, owner: string | null) =>
  define(sql, `shop.${name}`, { sql: query, owner })

describe('a view that is created', () => {
  test('belongs to the role that its definition names, and reads what that role may read', async () => {
    await write('said', 'select id from shop.secret', owner)
    expect(await create({ view: 'shop.said' }, callOn(database))).toMatchObject({ status: 'created' })
    expect(await ownerOf('shop.said')).toBe(owner)
    for (const strategy of ['regular', 'swap'] as const)
      expect(await refresh({ view: 'shop.said', strategy }, callOn(database))).toMatchObject({
        status: 'updated',
      })
    expect(await ownerOf('shop.said')).toBe(owner)
  })

  test('belongs to the default owner of the environment, else to the role of Viewkeeper', async () => {
    for (const [name, on, expected] of [
      ['by_default', database, views],
      ['by_environment', ofOwner, owner],
    ] as const) {
      await write(name, 'select id from shop.base', null)
      expect(await create({ view: `shop.${name}` }, callOn(on))).toMatchObject({ status: 'created' })
      expect(await ownerOf(`shop.${name}`)).toBe(expected)
    }
    await write('said_there', 'select id from shop.base', other)
    await create({ view: 'shop.said_there' }, callOn(ofOwner))
    expect(await ownerOf('shop.said_there')).toBe(other)
  })

  test('by force belongs to the role that its definition names, else to the owner of the old view', async () => {
    await sql.unsafe(`
      create materialized view shop.kept as select 1 as id; alter materialized view shop.kept owner to ${owner}`)
    await write('kept', 'select id from shop.secret', null)
    const force = async () => (await create({ view: 'shop.kept', force: true }, callOn(database))).status
    expect(await force()).toBe('created')
    expect(await ownerOf('shop.kept')).toBe(owner)
    await write('kept', 'select id from shop.base', other)
    expect(await force()).toBe('created')
    expect(await ownerOf('shop.kept')).toBe(other)
  })

  test.each([
    [
      'a role that does not exist',
      () => 'nobody_here',
      'InvalidRequest',
      /owner: there is no role "nobody_here"/,
    ],
    ['a superuser', () => 'postgres', 'InvalidRequest', /owner: postgres is a superuser/],
    ['the owner of the record', () => keeper, 'InvalidRequest', /owner: .* owns schema viewkeeper/],
    ['the login', () => app, 'InvalidRequest', /owner: .* may become its owner/],
  ])('cannot belong to %s', async (_, role, code, message) => {
    await write('refused', 'select 1 as id', role())
    expect(await create({ view: 'shop.refused' }, callOn(database))).toMatchObject({
      status: 'error',
      error: { class: code, message: expect.stringMatching(message) },
    })
  })

  test('is refused, with the grant that helps, if the login may not act as its owner', async () => {
    await write('foreign_owner', 'select 1 as id', stranger)
    const failed = await create({ view: 'shop.foreign_owner' }, callOn(database))
    const grant = `grant ${stranger} to ${keeper}${withOptions};`
    expect(failed).toMatchObject({
      status: 'error',
      error: { class: 'InsufficientPrivilege', message: expect.stringContaining(grant) },
    })
    await sql.unsafe(`${grant} grant usage, create on schema shop to ${stranger}`)
    expect(await create({ view: 'shop.foreign_owner' }, callOn(database))).toMatchObject({
      status: 'created',
    })
    expect(await ownerOf('shop.foreign_owner')).toBe(stranger)
    await sql.unsafe(`revoke ${stranger} from ${keeper}`)
  })

  test('is refused, by the name of the variable, if the default owner of the environment is none', async () => {
    const on = connectTo(fromUrl(as(app).url), { viewOwner: 'nobody_here' })
    await write('lost', 'select 1 as id', null)
    expect(await create({ view: 'shop.lost' }, callOn(on))).toMatchObject({
      error: { class: 'InvalidRequest', message: expect.stringMatching(/^VIEW_OWNER: there is no role/) },
    })
  })
})

describe('an owner in a migration', () => {
  test('owns what the migration makes, also what is tried, and the file says so in SQL', async () => {
    const frozen = await folder('said')
    const first = inShop('made', 'select id from shop.secret', { owner })
    expect(await apply(frozen, [first])).toEqual(['create'])
    expect(await ownerOf('shop.made')).toBe(owner)
    expect((await frozen.read())[0]?.up.text).toContain(
      `alter materialized view "shop"."made" owner to "${owner}";\n\nrefresh materialized view`,
    )
  })

  test('is a change that freeze sees, and goes forth and back without a trace', async () => {
    const frozen = await folder('moved')
    const reader = { privileges: ['select'], to: other }
    const first = inShop('moved', 'select id, shop from shop.base', {
      indexes: [{ name: 'moved_key', unique: true, on: '(id)' }],
      grants: [reader, { privileges: ['select'], to: owner }],
    })
    expect(await apply(frozen, [first])).toEqual(['create'])
    await sql.unsafe(`
      set role ${views}; create statistics shop.moved_statistics on id, shop from shop.moved; reset role;
      grant select (id) on shop.moved to ${stranger}`)
    const before = await describeInCatalog(sql, 'shop.moved')
    const second = {
      ...first,
      owner,
      grants: [reader, { privileges: ['select'], to: views }],
      comment: 'moved',
    }
    expect(authoredDifferences([second], await frozen.read(), (text) => text)).toMatchObject([
      { kind: 'unfrozen', message: 'comment, grants, owner changed since 001_moved' },
    ])
    expect(await apply(frozen, [second])).toEqual(['alter'])
    expect(await ownerOf('shop.moved')).toBe(owner)
    const [statistics] = await sql`select stxowner::regrole::text as owner from pg_statistic_ext`
    expect(statistics).toEqual({ owner })
    expect(await refresh({ view: 'shop.moved', strategy: 'swap' }, callOn(database))).toMatchObject({
      status: 'updated',
    })
    await migrateDown(migrateCall(database), await frozen.read(), 1)
    expect(await describeInCatalog(sql, 'shop.moved')).toEqual(before)
    expect(await checkedOf([first])).toEqual([])
  })

  test('goes together with another query, for which the new owner has the rights', deep, async () => {
    const frozen = await folder('both')
    const readable = [{ privileges: ['select'], to: owner }]
    const first = inShop('both', 'select id from shop.base', { grants: readable })
    expect(await apply(frozen, [first])).toEqual(['create'])
    await sql.unsafe(
      `create view shop.reads_both as select id from shop.both; alter view shop.reads_both owner to ${owner};`,
    )
    const before = await describeInCatalog(sql, 'shop.both')
    const second = { ...first, sql: 'select id from shop.guarded', owner, grants: [] }
    expect(await apply(frozen, [second])).toEqual(['rebuild'])
    expect(await ownerOf('shop.both')).toBe(owner)
    expect(await sql`select count(*)::int as count from shop.reads_both`).toEqual([{ count: 10 }])
    await migrateDown(migrateCall(database), await frozen.read(), 1)
    expect(await ownerOf('shop.both')).toBe(views)
    expect((await describeInCatalog(sql, 'shop.both')).dependents).toEqual(before.dependents)
  })

  test('takes nothing from a role whose views read the view', deep, async () => {
    const frozen = await folder('readers')
    const base = inShop('read', 'select id from shop.base')
    const above = inShop('reads', 'select id from shop.read')
    await apply(frozen, [base, above])
    const granted = { ...base, owner, grants: [{ privileges: ['select'], to: views }] }
    expect((await refusalOf(apply(frozen, [{ ...base, owner }, above]))).message).toContain(
      `Write grants: [{ privileges: ['select'], to: '${views}' }] into the definition.`,
    )
    for (const way of ['up', 'down']) await rm(join(frozen.path, `003_read.${way}.sql`))
    expect(await apply(frozen, [granted, above])).toEqual(['alter'])
    expect(await refresh({ view: 'shop.reads' }, callOn(database))).toMatchObject({ status: 'updated' })
  })

  test('is not given the view of a role whose rights the login does not inherit, and the reason is said', async () => {
    const lone = `lone_${suffix}`
    await sql.unsafe(`
      create role ${lone} login noinherit password 'secret';
      grant ${stranger} to ${lone}${withOptions && ' with inherit false, set true'}`)
    const advice = () =>
      as(lone).database.withConnection((connection) => readMembershipAdvice(connection, stranger))
    expect(await advice()).toMatch(`Viewkeeper does not inherit the rights of ${stranger}.\n\n`)
    await sql.unsafe(`revoke ${stranger} from ${lone}`)
    expect(await advice()).toMatch(
      new RegExp(
        `Viewkeeper may not act as ${stranger}\\.\n\n.* has to run:\n  grant ${stranger} to ${lone}`,
      ),
    )
  })

  test('that cannot own the view is refused before anything is done, with the grant that helps', async () => {
    const frozen = await folder('cannot')
    const first = inShop('cannot', 'select id from shop.base')
    await apply(frozen, [first])
    await frozen.freeze([{ ...first, owner: stranger }])
    const migrations = await frozen.read()
    const refusal = () => refusalOf(migrateUp(migrateCall(database), migrations))
    const { message: lacking } = await refusal()
    expect(lacking).toContain(`Viewkeeper may not act as ${stranger}.`)
    expect(fixesIn(lacking)).toMatchObject([{ statement: `grant ${stranger} to ${keeper}${withOptions};` }])
    await sql.unsafe(
      `grant ${stranger} to ${keeper}${withOptions}; revoke all on schema shop from ${stranger}`,
    )
    const { message } = await refusal()
    const grants = ['usage', 'create'].map((each) => `grant ${each} on schema shop to ${stranger};`)
    expect(fixesIn(message)).toEqual(grants.map((statement) => ({ statement, roles: [owner] })))
    await sql.unsafe(`${grants.join(' ')} grant select on shop.base to ${stranger}`)
    expect((await migrateUp(migrateCall(database), migrations)).applied).toMatchObject([{ does: 'alter' }])
    expect(await ownerOf('shop.cannot')).toBe(stranger)
  })
})

describe('a frozen name that nobody may give', () => {
  test.each([
    [
      definition('mine', 'select 1 as id', { schema: 'viewkeeper' }),
      'viewkeeper.mine cannot be made: its schema',
    ],
    [inShop('viewkeeper_7', 'select 1 as id'), 'shop.viewkeeper_7 cannot be made: its name'],
  ])('is refused before anything is done', async (reserved, message) => {
    const frozen = await folder(reserved.name)
    await frozen.freeze([reserved])
    const migrations = await frozen.read()
    const applied = () => migrateUp(migrateCall(database), migrations)
    for (const refused of [() => verifyFrozen(database, [], migrations), applied])
      expect((await refusalOf(refused())).message).toContain(message)
  })
})

describe('drift', () => {
  test('names another owner than the frozen one, and takes any owner if none is frozen', async () => {
    await sql.unsafe(`
      create materialized view shop.drifted as select id from shop.base; alter materialized view shop.drifted owner to ${other}`)
    const frozen = inShop('drifted', 'select id from shop.base')
    expect(await checkedOf([frozen])).toEqual([])
    expect(await checkedOf([{ ...frozen, owner: other }])).toEqual([])
    expect(await checkedOf([{ ...frozen, owner }])).toEqual([
      {
        view: 'shop.drifted',
        kind: 'owner',
        message: `it belongs to ${other}, and is frozen as that of ${owner}`,
      },
    ])
  })
})

describe('adopt', () => {
  test('says the owner, unless a new view would have the same one, or no view can be made for it', async () => {
    const owners = { theirs: owner, usual: views, admins: 'postgres' }
    for (const [name, role] of Object.entries(owners))
      await sql.unsafe(`
        create materialized view shop.${name} as select 1 as id; alter materialized view shop.${name} owner to ${role}`)
    const said = async (on: typeof database) =>
      Object.fromEntries(
        (
          await describeViews(
            on,
            Object.keys(owners).map((name) => `shop.${name}`),
          )
        )
          .filter(isDefined)
          .map(({ definition: { name, owner } }) => [name, owner]),
      )
    await sql.unsafe(`grant select on shop.admins to ${app}`)
    expect(await said(database)).toEqual({ theirs: owner, usual: null, admins: null })
    expect(await said(ofOwner)).toEqual({ theirs: null, usual: views, admins: null })
  })
})
