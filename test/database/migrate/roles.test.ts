import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Definition } from '../../../src/catalog/plan/definition.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { readDrift } from '../../../src/migrate/drift.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { schemaFolder, useDatabase } from '../../support/servers/database.ts'
import {
  definition,
  type FrozenFolder,
  migrateCall,
  useFolders,
  verifyFrozen,
} from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// Roles as create-role makes them: a login that is a member of the schema's owner, and through it of the views' owners.

const folder = useFolders()
const { sql, url, as } = useDatabase({ migrated: false })
const suffix = url.slice(-8)
const [app, keeper, boss, stranger, reader] = ['app', 'keeper', 'boss', 'stranger', 'reader'].map(
  (name) => `members_${name}_${suffix}`,
) as [string, string, string, string, string]
/** Owns what is created: who it is goes by the name of who owns schema viewkeeper. */
const views = `${keeper}_views`
const { database } = as(app)
let folders = 0

beforeAll(async () => {
  await sql.unsafe(`
    create role ${keeper}; create role ${views}; create role ${boss}; create role ${stranger}; create role ${reader};
    create role ${app} login password 'secret';
    grant ${boss} to ${keeper}; grant ${views} to ${keeper}; grant ${keeper} to ${app};
    create schema viewkeeper authorization ${keeper};
    create schema shop; grant usage, create on schema shop to ${keeper}, ${views}, ${boss}, ${stranger};
    create schema closed;
    create table shop.base as select 1 as id, 'secret' as word;
    grant select on shop.base to ${keeper}, ${views}, ${boss}, ${stranger}`)
  await migrate(database, schemaFolder)
})

beforeEach(async () => {
  await deleteRows(sql, 'migrations')
})

const inShop = (name: string, query: string, more: Partial<Definition> = {}) =>
  definition(name, query, { schema: 'shop', ...more })

/** Freezes a state of all views, tries it as the login, and applies it as the login. */
async function apply(frozen: FrozenFolder, authored: Definition[], more = {}) {
  const known = (await frozen.read()).length
  await frozen.freeze(authored, more)
  const migrations = await frozen.read()
  const tried = await verifyFrozen(database, migrations.slice(0, known), migrations.slice(known))
  const { applied } = await migrateUp(migrateCall(database), migrations)
  expect(tried.map(({ does }) => does)).toEqual(applied.map(({ does }) => does))
  expect(await checkedOf(authored)).toEqual([])
  return applied.map(({ does }) => does)
}

const checkedOf = async (definitions: Definition[]) =>
  (await readDrift(database, definitions)).filter(({ kind }) => kind !== 'unmanaged')

const ownerOf = async (view: string) =>
  (await sql`select relowner::regrole::text as owner from pg_class where oid = ${view}::regclass`)[0]?.owner

const whole = { indexes: [{ name: 'made_key', unique: true, on: '(id)' }], comment: 'made' }
const grants = [
  { privileges: ['select'], to: reader },
  { privileges: ['update'], columns: ['id'], to: reader, grantOption: true },
]

describe('a login that is no superuser', () => {
  test(
    'lives the life of a view of its own, which belongs to the role that it is a member of',
    deep,
    async () => {
      const frozen = await folder('own')
      const first = inShop('made', 'select id from shop.base', { ...whole, grants })
      expect(await apply(frozen, [first])).toEqual(['create'])
      expect(await ownerOf('shop.made')).toBe(views)
      const made = await describeInCatalog(sql, 'shop.made')
      const second = { ...first, sql: 'select id, word from shop.base' }
      expect(await apply(frozen, [second])).toEqual(['rebuild'])
      const third = {
        ...second,
        comment: 'altered',
        grants: [],
        indexes: [{ name: 'made_key', unique: true, on: '(id, word)' }],
      }
      expect(await apply(frozen, [third])).toEqual(['alter'])
      const names = { from: { schema: 'shop', name: 'made' }, to: { schema: 'shop', name: 'renamed' } }
      expect(await apply(frozen, [{ ...third, ...names.to }], { renames: [names] })).toEqual(['rename'])
      expect(await ownerOf('shop.renamed')).toBe(views)
      expect(await apply(frozen, [], { removes: [names.to] })).toEqual(['drop'])

      const { undone } = await migrateDown(migrateCall(database), await frozen.read(), 4)
      expect(undone.map(({ does }) => does)).toEqual(['create', 'rename', 'alter', 'rebuild'])
      expect(await describeInCatalog(sql, 'shop.made')).toEqual(made)
      expect((await migrateDown(migrateCall(database), await frozen.read(), 1)).undone).toMatchObject([
        { does: 'drop' },
      ])
    },
  )

  test(
    'adopts and changes what another role owns, in whose place it may act; it stays theirs',
    deep,
    async () => {
      await sql.unsafe(`
      create materialized view shop.theirs as select id from shop.base; alter materialized view shop.theirs owner to ${boss};
      create unique index theirs_key on shop.theirs (id); grant select on shop.theirs to ${reader};
      create view shop.reads_theirs as select id from shop.theirs; alter view shop.reads_theirs owner to ${boss}`)
      const frozen = await folder('theirs')
      const [described] = (await describeViews(database, ['shop.theirs'])).filter(isDefined)
      const first = described!.definition
      expect(await apply(frozen, [first])).toEqual([null])
      const before = await describeInCatalog(sql, 'shop.theirs')
      const second = { ...first, sql: 'select id, word from shop.base' }
      expect(await apply(frozen, [second])).toEqual(['rebuild'])
      expect(await ownerOf('shop.theirs')).toBe(boss)
      expect(await apply(frozen, [{ ...second, comment: 'c', grants, indexes: [] }])).toEqual(['alter'])
      await migrateDown(migrateCall(database), await frozen.read(), 2)
      expect(await describeInCatalog(sql, 'shop.theirs')).toEqual(before)
    },
  )

  test(
    'changes a view where only its owner may read and create, though it has none of their rights itself',
    deep,
    async () => {
      const [lone, bridge] = [`members_lone_${suffix}`, `members_bridge_${suffix}`]
      await sql.unsafe(`
      create role ${lone}; create role ${bridge} noinherit; grant ${lone} to ${bridge}; grant ${bridge} to ${keeper};
      create schema alone; grant usage on schema alone to ${keeper}; grant usage, create on schema alone to ${lone};
      create table alone.base as select 1 as id, 2 as n; grant select on alone.base to ${lone};
      create materialized view alone.theirs as select id from alone.base; alter materialized view alone.theirs owner to ${lone}`)
      const frozen = await folder('alone')
      const [described] = (await describeViews(database, ['alone.theirs'])).filter(isDefined)
      const first = described!.definition
      expect(await apply(frozen, [first])).toEqual([null])
      const second = { ...first, sql: 'select id, n from alone.base' }
      expect(await apply(frozen, [second])).toEqual(['rebuild'])
      expect(await apply(frozen, [{ ...second, ...whole, grants }])).toEqual(['alter'])
      expect(await ownerOf('alone.theirs')).toBe(lone)
    },
  )

  test(
    'changes a view under readers of other owners, and gives it to another owner meanwhile',
    deep,
    async () => {
      const database = new URL(url).pathname.slice(1)
      await sql.unsafe(
        `grant create on database ${database} to ${app}; grant usage on schema shop to ${reader}`,
      )
      const frozen = await folder('readers')
      const grants = [{ privileges: ['select'], to: boss }]
      const below = inShop('below', 'select id from shop.base', { grants })
      const above = inShop('above', 'select id from shop.below', {
        owner: boss,
        grants: [{ privileges: ['select'], to: reader }],
      })
      expect(await apply(frozen, [below, above])).toEqual(['create', 'create'])
      await sql.unsafe(`
      create view shop.plain as select id from shop.below; alter view shop.plain owner to ${boss};
      create materialized view shop.top as select id from shop.plain; alter materialized view shop.top owner to ${boss}`)
      const before = await describeInCatalog(sql, 'shop.above')
      const changed = { ...below, sql: 'select id + 1 as id, word from shop.base' }
      expect(await apply(frozen, [changed, above])).toEqual(['rebuild'])
      expect(await sql`select id from shop.top`).toEqual([{ id: 2 }])
      expect((await describeInCatalog(sql, 'shop.above')).acl).toEqual(before.acl)
      expect([await ownerOf('shop.below'), await ownerOf('shop.above')]).toEqual([views, boss])

      const given = { ...changed, sql: 'select id + 2 as id from shop.base', owner: boss, grants: [] }
      expect(await apply(frozen, [given, above])).toEqual(['rebuild'])
      expect([await ownerOf('shop.below'), await ownerOf('shop.top')]).toEqual([boss, boss])
      expect(await sql`select id from shop.top`).toEqual([{ id: 3 }])
      await migrateDown(migrateCall(as(app).database), await frozen.read(), 2)
      expect(await ownerOf('shop.below')).toBe(views)
      expect(await sql`select id from shop.top`).toEqual([{ id: 1 }])
      await sql.unsafe(
        `drop materialized view shop.below cascade; revoke create on database ${database} from ${app}`,
      )
    },
  )
})

describe("somebody's own SQL, by a login that is no superuser,", () => {
  const up = async (frozen: FrozenFolder) => {
    const { applied } = await migrateUp(migrateCall(database), await frozen.read())
    return applied.map(({ does }) => does)
  }

  test('creates what belongs to the role that owns the views, which can read it', async () => {
    const frozen = await folder('rates')
    await frozen.write('001_rates.up.sql', 'create view shop.rates as select id from shop.base;')
    await frozen.write('001_rates.down.sql', 'drop view shop.rates;')
    await frozen.freeze([inShop('sales', 'select id from shop.rates')])
    const migrations = await frozen.read()
    const tried = await verifyFrozen(database, migrations.slice(0, 1), migrations.slice(1))
    expect(tried.map(({ does }) => does)).toEqual(['create'])
    expect(await up(frozen)).toEqual(['sql', 'create'])
    expect(await ownerOf('shop.rates')).toBe(views)
    expect(await sql`select id from shop.sales`).toEqual([{ id: 1 }])
    await migrateDown(migrateCall(database), await frozen.read(), 2)
    expect(await sql`select to_regclass('shop.rates') as rates`).toEqual([{ rates: null }])
  })

  test('finds names by the search path of the login, whatever schema is called like the role', async () => {
    await sql.unsafe(`
      create schema authorization ${views}; create schema authorization ${app};
      grant usage, create on schema ${app} to ${views}`)
    const frozen = await folder('path')
    await frozen.write('001_path.up.sql', 'create table by_path (id integer);')
    expect(await up(frozen)).toEqual(['sql'])
    expect(await ownerOf(`${app}.by_path`)).toBe(views)
  })

  test('says who it was run as where that role may not, and goes on as the login where it says so', async () => {
    await sql.unsafe(`create table shop.of_login (id integer); alter table shop.of_login owner to ${app}`)
    const frozen = await folder('of login')
    const change = 'alter table shop.of_login add column n integer;'
    await frozen.write('001_change.up.sql', change)
    const before = await wholeCatalog(sql)
    expect((await refusalOf(up(frozen))).message).toMatch(
      /^migrations\/001_change\.up\.sql: must be owner of table of_login \(42501\)\. .*"reset role;"/,
    )
    expect(await wholeCatalog(sql)).toEqual(before)
    await frozen.write('001_change.up.sql', `reset role;\n${change}`)
    expect(await up(frozen)).toEqual(['sql'])
  })

  test('needs usage on PL/pgSQL for own SQL, and the role that is to own what is created does not', async () => {
    await sql.unsafe(
      `revoke usage on language plpgsql from public; grant usage on language plpgsql to ${app}`,
    )
    try {
      const frozen = await folder('language')
      await frozen.write('001_table.up.sql', 'create table shop.by_role (id integer);')
      expect(await up(frozen)).toEqual(['sql'])
      expect(await ownerOf('shop.by_role')).toBe(views)
    } finally {
      await sql`grant usage on language plpgsql to public`
    }
  })

  test("builds an index concurrently on the role's tables and on the login's", async () => {
    await sql.unsafe(`
      create table shop.of_role (id integer); alter table shop.of_role owner to ${keeper};
      create table shop.indexed (id integer); alter table shop.indexed owner to ${app}`)
    const frozen = await folder('indexes')
    await frozen.write('001_role.up.sql', 'create index concurrently of_role_id on shop.of_role (id);')
    await frozen.write('002_login.up.sql', 'create index concurrently indexed_id on shop.indexed (id);')
    expect(await up(frozen)).toEqual(['sql', 'sql'])
    expect(await ownerOf('shop.of_role_id')).toBe(keeper)
    expect(await ownerOf('shop.indexed_id')).toBe(app)
  })
})

describe('a login that may not', () => {
  /** Applies one definition, which has to fail with nothing changed, and gives what is said: applied, and only tried. */
  async function refused(view: Definition): Promise<string[]> {
    const frozen = await folder(`refused ${++folders}`)
    await frozen.freeze([view])
    const migrations = await frozen.read()
    const before = await wholeCatalog(sql)
    const applying = await refusalOf(migrateUp(migrateCall(database), migrations))
    const trying = await refusalOf(verifyFrozen(database, [], migrations))
    expect(await wholeCatalog(sql)).toEqual(before)
    expect(await sql`select from viewkeeper.migrations`).toEqual([])
    return [applying.message, trying.message]
  }

  test('read what a query reads is told so, with the file and the run', async () => {
    await sql`create table shop.hidden (id integer)`
    const frozen = await folder('hidden')
    await frozen.freeze([inShop('reads_hidden', 'select id\n  from shop.hidden')])
    const before = await wholeCatalog(sql)
    const refusal = await refusalOf(migrateUp(migrateCall(database), await frozen.read()))
    expect(refusal.message).toMatch(
      /^migrations\/001_reads_hidden\.up\.sql: insufficient privilege \(42501\), run \d+\. Missing: its owner, \w+, lacks select on shop\.hidden\.\n\na superuser decides whether to run:\n {2}grant select on shop\.hidden to \w+;\n\nThe /,
    )
    expect(await wholeCatalog(sql)).toEqual(before)
  })

  test.each(['looked_into', 'closed'])('create anything in %s is told so, with the file', async (schema) => {
    await sql.unsafe(`create schema if not exists ${schema}`)
    if (schema === 'looked_into') await sql.unsafe(`grant usage on schema looked_into to ${views}`)
    const [applying, trying] = await refused(definition('made', 'select 1 as id', { schema }))
    const denied = `permission denied for schema ${schema}`
    expect.soft(applying).toMatch(new RegExp(`^migrations/001_made\\.up\\.sql.*${denied}`))
    expect.soft(trying).toMatch(new RegExp(`^${schema}\\.made.*${denied}`))
  })

  describe('act as the owner of a view', () => {
    beforeAll(async () => {
      await sql.unsafe(`
        create materialized view shop.strangers as select id from shop.base;
        alter materialized view shop.strangers owner to ${stranger}`)
    })

    eachCase<[string, Partial<Definition>]>(
      [
        ['another query', { sql: 'select 2 as id' }],
        ['another comment', { comment: 'c' }],
        ['only more to say', { retries: 7 }],
      ],
      { quick: 1 },
    )('is told which role it is: %s', async (_, change) => {
      const view = inShop('strangers', 'select id from shop.base', change)
      const [applying, trying] = await refused(view)
      expect.soft(applying).toContain(`${app} may not act as its owner, ${stranger}`)
      expect.soft(applying).toMatch(/^migrations\/001_strangers\.up\.sql: /)
      expect.soft(trying).toContain(`${app} may not act as its owner, ${stranger}`)
    })

    test('is not told by a check that the SQL does not run', async () => {
      const views = [
        inShop('strangers', 'select id from shop.base'),
        inShop('not_there', 'select id from shop.base'),
      ]
      const differences = await checkedOf(views)
      expect.soft(differences.map(({ view }) => view)).toContain('shop.not_there')
      expect.soft(JSON.stringify(differences)).not.toContain('does not run')
    })
  })

  test('look into the schema of one view has the others checked', async () => {
    const views = [
      definition('hidden_view', 'select 1 as id', { schema: 'closed' }),
      inShop('not_there', 'select id from shop.base'),
    ]
    const differences = await checkedOf(views)
    expect(differences.map(({ view }) => view)).toContain('shop.not_there')
  })
})
