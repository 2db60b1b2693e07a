import { beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../src/db/connect.ts'
import { checkViews } from '../../src/operations/check-views.ts'
import { create } from '../../src/operations/create.ts'
import { describeViews } from '../../src/operations/describe-views.ts'
import { migrateUp } from '../../src/operations/migrate-views.ts'
import { refresh } from '../../src/operations/refresh.ts'
import { verifyFrozen } from '../../src/operations/verify-frozen.ts'
import type { Definition } from '../../src/plan/definition.ts'
import { callOn } from '../support/database.ts'
import { definition, migrateCall, useFolders } from '../support/frozen.ts'
import { escapeAndForge, useHostileDatabase } from '../support/hostile.ts'

// Code of one owner of views runs as that owner, or as the role that owns what Viewkeeper makes; as nobody else.

const place = useHostileDatabase()
const folder = useFolders()
const { run, arm, breaches, whoRan } = place
const logins: [string, () => Database][] = [
  ['the login of create-role', () => place.database],
  ['a superuser', () => place.root],
]

let made = 0
const newName = () => `v${++made}`

/** A query that, whenever somebody reads its text, has mallory's code executed. */
const trap = "select id, '{7}'::m.dom[] as trap from m.base"

/** A view of mallory's, made by herself. */
async function mallorysView(query = trap, more = (_view: string) => ''): Promise<string> {
  const view = `m.${newName()}`
  await run('mallory', `create materialized view ${view} as ${query}; ${more(view)}`)
  return view
}

/** What the authors say of a view that Viewkeeper is to make. */
async function author(more: Partial<Definition> = {}): Promise<string> {
  const name = newName()
  const { sql } = place
  await sql`
    insert into viewkeeper.definitions (schema_name, name, sql, source, indexes, row_count_strategy)
    values ('made', ${name}, ${more.sql ?? trap}, 'authored', ${sql.json((more.indexes ?? []) as never)},
            ${more.rowCountStrategy ?? 'none'})`
  return `made.${name}`
}

const expectOnly = async (...roles: string[]) => {
  expect({ breaches: await breaches(), who: await whoRan() }).toEqual({ breaches: [], who: roles })
}

/** Whose what Viewkeeper makes is. */
async function makersRole(): Promise<string> {
  const view = await author({ sql: 'select 1 as id' })
  await create({ view }, callOn(place.database))
  const [row] =
    await place.sql`select relowner::regrole::text as owner from pg_class where oid = ${view}::regclass`
  return row?.owner
}

describe.each(logins)(
  'by %s, code of an owner that the text of a view executes runs as that owner when',
  (_, as) => {
    beforeAll(() => arm(escapeAndForge))

    test.each(['auto', 'swap'] as const)('the view is refreshed (%s)', async (strategy) => {
      const view = await mallorysView()
      expect(await refresh({ view, strategy }, callOn(as()))).toMatchObject({ status: 'updated' })
      await expectOnly('mallory')
    })

    test('an index of it has such an expression', async () => {
      const view = await mallorysView(
        'select id from m.base',
        (name) => `create index on ${name} ((id + cardinality('{7}'::m.dom[])))`,
      )
      expect(await refresh({ view, strategy: 'swap' }, callOn(as()))).toMatchObject({ status: 'updated' })
      await expectOnly('mallory')
    })

    test('a statistics object of it has such an expression', async () => {
      const view = await mallorysView(
        'select id from m.base',
        (name) => `create statistics m.${newName()} on id, (id + cardinality('{7}'::m.dom[])) from ${name}`,
      )
      expect(await refresh({ view, strategy: 'swap' }, callOn(as()))).toMatchObject({ status: 'updated' })
      await expectOnly('mallory')
    })

    test("it is that of a plain view that reads somebody else's view", async () => {
      const view = `a.${newName()}`
      await run(
        'alice',
        `create materialized view ${view} as select 1 as id; grant select on ${view} to mallory`,
      )
      await run('mallory', `create view m.${newName()} as select id, '{7}'::m.dom[] as trap from ${view}`)
      expect(await refresh({ view, strategy: 'swap' }, callOn(as()))).toMatchObject({ status: 'updated' })
      await expectOnly('mallory')
    })

    test('it is compared with its definition (check)', async () => {
      const view = await mallorysView()
      await checkViews(as(), [definition(view.slice(2), trap, { schema: 'm' })])
      await expectOnly('mallory')
    })

    test('it is adopted', async () => {
      const view = await mallorysView()
      const [described] = await describeViews(as(), [view])
      const frozen = await folder(`adopt ${view}`)
      await frozen.freeze([described!.definition])
      await verifyFrozen(as(), [], await frozen.read())
      await place.sql`delete from viewkeeper.view_migrations`
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly('mallory')
    })

    test('it is given another query by a migration', async () => {
      const view = await mallorysView('select id from m.base')
      const frozen = await folder(`rebuild ${view}`)
      await frozen.freeze([definition(view.slice(2), trap, { schema: 'm' })])
      await place.sql`delete from viewkeeper.view_migrations`
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly('mallory')
    })
  },
)

describe.each(logins)(
  'by %s, code that the text of an authored view executes runs as who owns what is made, when',
  (_, as) => {
    beforeAll(() => arm(escapeAndForge))

    test('the view is created', async () => {
      const view = await author()
      expect(await create({ view }, callOn(as()))).toMatchObject({ status: 'created' })
      await expectOnly(await makersRole())
    })

    test('its index has such an expression', async () => {
      const view = await author({
        sql: 'select id from m.base',
        indexes: [{ name: newName(), on: "((id + cardinality('{7}'::m.dom[])))" }],
      })
      expect(await create({ view }, callOn(as()))).toMatchObject({ status: 'created' })
      await expectOnly(await makersRole())
    })

    test('it comes by a migration', async () => {
      const frozen = await folder(newName())
      await frozen.freeze([definition(newName(), trap, { schema: 'made' })])
      await place.sql`delete from viewkeeper.view_migrations`
      await migrateUp(migrateCall(as()), await frozen.read())
      await expectOnly(await makersRole())
    })

    test('it is tried before it is frozen', async () => {
      const frozen = await folder(newName())
      await frozen.freeze([definition(newName(), trap, { schema: 'made' })])
      await place.sql`delete from viewkeeper.view_migrations`
      await verifyFrozen(as(), [], await frozen.read())
      await expectOnly(await makersRole())
    })
  },
)
