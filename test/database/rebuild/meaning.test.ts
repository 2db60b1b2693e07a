// @module-tag deep

import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { treesText } from '../../../src/catalog/plan/tree/differences.ts'
import { describeViews, isDefined } from '../../../src/migrate/describe.ts'
import { migrateDown, migrateUp } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Sql } from '../../../src/server/database.ts'
import { setAside } from '../../../src/set-aside/set-aside.ts'
import { counts } from '../../support/counts.ts'
import { emptyTables } from '../../support/record/rows.ts'
import { seedOf } from '../../support/seeded.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack } from '../../support/views/alter.ts'
import { migrateCall, useFolders } from '../../support/views/frozen.ts'
import {
  generatedChanges,
  generatedView,
  isReadBack,
  kindTables,
  peopleQuery,
} from '../../support/views/generated-queries.ts'

const { database, sql } = useDatabase()
const elsewhere = useDatabase()
const folder = useFolders()
let rounds = 0

beforeAll(async () => {
  for (const each of [sql, elsewhere.sql]) await each.unsafe(kindTables)
})

interface Made {
  view: string
  kind: string
  path: string
  query: string
}

/** Tables are the same also under other names. */
const nameOf = `case c.relkind when 'r' then c.oid::text else format('%I.%I', n.nspname, c.relname) end`

/** What views show once they are refreshed by the server itself, what they use, and, in one database, what they mean. */
async function meaningOf(made: Made[], on: Sql): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = []
  for (const { view, kind, path, query } of made) {
    if (kind === 'materialized view') await on.unsafe(`refresh materialized view ${view}`)
    const rows = await on.unsafe(`select v::text as row from ${view} v order by v::text collate "C"`)
    const uses = await on.unsafe(`
      select distinct pg_describe_object(d.refclassid, d.refobjid, 0) as use
        from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
       where w.ev_class = '${view}'::regclass and d.refclassid <> 'pg_class'::regclass order by 1`)
    const trees = on === sql ? await on.unsafe(treesText(`'${view}'::regclass::oid`, { nameOf })) : []
    const of = (some: Iterable<object>) => [...some].map((row) => Object.values(row)[0])
    found.push({ view, path, query, rows: of(rows), uses: of(uses), ...(on === sql && { trees: of(trees) }) })
  }
  return found
}

/** Makes views of generated queries; those that the server refuses are left out. */
async function make(views: { query: string; path: string; kind: string }[]): Promise<Made[]> {
  const made: Made[] = []
  for (const [at, { query, path, kind: wanted }] of views.entries()) {
    const view = `gen.v${at}`
    const kind = isReadBack(path) ? wanted : 'materialized view'
    try {
      await sql.unsafe(
        `set search_path = ${path}; create ${kind} ${view} as ${query}; select from ${view}; reset search_path`,
      )
      made.push({ view, kind, path, query })
    } catch {
      // It has another type than the generator thought, or its rows cannot be computed.
    }
  }
  return made
}

/** Whether the server has accepted a change of tables: it refuses one that a view depends on. */
const changeTables = async (change: string): Promise<boolean> => {
  try {
    for (const statement of change.split('; ')) await sql.unsafe(statement)
    return true
  } catch {
    return false
  }
}

async function dropAll(on: Sql) {
  for (const { kind, name } of await on<{ kind: string; name: string }[]>`
    select case relkind when 'm' then 'materialized view' else 'view' end as kind, oid::regclass::text as name
      from pg_class where relnamespace = 'gen'::regnamespace and relkind in ('m', 'v')`)
    await on.unsafe(`drop ${kind} if exists ${name} cascade`)
  await emptyTables(on, 'definitions', 'migrations')
}

test('what a query means survives whatever is done to its view', { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(generatedView, { minLength: 6, maxLength: 6, size: 'max' }),
      generatedChanges,
      async (views, changes) => {
        for (const each of [sql, elsewhere.sql]) await dropAll(each)
        await sql.unsafe(`create materialized view gen.people as ${peopleQuery}`)
        let made = await make(views)
        let before = await meaningOf(made, sql)
        const expectTheSame = async () => expect(await meaningOf(made, sql)).toEqual(before)
        const keep = async (some: Made[]) => {
          for (const { kind, view } of made.filter((each) => !some.includes(each)))
            await sql.unsafe(`drop ${kind} ${view}`)
          made = some
          before = before.filter(({ view }) => made.some((each) => each.view === view))
        }

        const undo: string[] = []
        const back = async () => {
          for (const each of undo.splice(0).reverse())
            expect([each, await changeTables(each)]).toEqual([each, true])
        }
        const change = async (named = false) => {
          for (const [each, toUndo, renames] of changes)
            if ((named || renames === undefined) && (await changeTables(each))) undo.push(toUndo)
        }
        await change(true)
        await expectTheSame()

        // Each alone. One that cannot be read back is refused, and nothing has changed.
        const refused: Made[] = []
        for (const each of made) {
          if (each.kind === 'view') continue
          const { status, error } = await refresh({ view: each.view, strategy: 'swap' }, callOn(database))
          if (status === 'updated') continue
          expect([each, error?.class]).toEqual([each, isReadBack(each.path) ? undefined : 'SwapImpossible'])
          refused.push(each)
        }
        await expectTheSame()
        for (const { view } of refused)
          await expect(refresh({ view }, callOn(database))).resolves.toMatchObject({ status: 'updated' })
        await expectTheSame()
        await keep(made.filter((each) => !refused.includes(each)))

        // Together with what they read.
        await expect(
          refresh({ view: 'gen.people', strategy: 'swap' }, callOn(database)),
        ).resolves.toMatchObject({ status: 'updated' })
        await expectTheSame()

        await back()
        await callAlter(database, 'alter table gen.base alter column id type int using id + 0')
        await expectTheSame()

        const reading = ['gen.base', 'gen.more']
        await setAside(database, { reading, dryRun: false, requestedBy: 'test', huntMs: 60_000 })
        await change()
        await expect(callPutBack(database)).resolves.toMatchObject({ misfits: [], left: [] })
        await expectTheSame()
        await back()

        // Adopted, with another query and back, and in another database.
        await keep(made.filter(({ kind }) => kind === 'materialized view'))
        const adopted = (
          await describeViews(database, ['gen.people', ...made.map(({ view }) => view)])
        ).filter(isDefined)
        expect(adopted.map(({ misread }) => misread)).toEqual(adopted.map(() => null))
        const definitions = adopted.map(({ definition }) => definition)
        const frozen = await folder(`round ${++rounds}`)
        await frozen.freezeOn(database, definitions, { adopts: true })
        await change()
        await migrateUp(migrateCall(database), await frozen.read())
        await migrateUp(migrateCall(elsewhere.database), await frozen.read())
        expect(await meaningOf(made, elsewhere.sql)).toMatchObject(
          before.map(({ trees: _, ...each }) => each),
        )
        const wider = definitions.map((each) => ({
          ...each,
          sql: `select q.*, 1 as added from (${each.sql}) q`,
        }))
        await frozen.freezeOn(database, wider, { only: wider })
        await migrateUp(migrateCall(database), await frozen.read())
        await migrateDown(
          migrateCall(database),
          await frozen.read(),
          (await frozen.read()).length - definitions.length,
        )
        await expectTheSame()
        await back()
      },
    ),
    { numRuns: counts.generatedViews, seed: seedOf(61), endOnFailure: true },
  )
})
