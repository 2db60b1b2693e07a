import { beforeAll, describe, expect, test } from 'vitest'
import { migrateUp, migrationStatus } from '../../../src/migrate/migrate.ts'
import type { FrozenMigration } from '../../../src/migrate/plan/frozen.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { killClientWhen } from '../../support/processes/killed-client.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { until } from '../../support/waiting/until.ts'
import { untilWaitingAgain } from '../../support/waiting/waiting.ts'

const folder = useFolders()

describe('twenty deploys at once', () => {
  const { database, sql } = useDatabase()

  test('apply each migration once, and no run fails', async () => {
    await sql`create table base as select generate_series(1, 100) as id`
    const frozen = await folder('twenty')
    const views = ['one', 'two', 'three'].map((name) => definition(name, 'select id from public.base'))
    await frozen.freeze(views)
    await frozen.freeze(views.map((view) => ({ ...view, sql: 'select id, id * 2 as n from public.base' })))
    await frozen.write('007_own.up.sql', 'insert into base values (0);\n')
    const migrations = await frozen.read()
    const all = await Promise.all(
      Array.from({ length: 20 }, () => migrateUp(migrateCall(database), migrations)),
    )
    const applied = all.flatMap((each) => each.applied)
    expect(applied.map(({ name }) => name).toSorted()).toEqual(migrations.map(({ name }) => name))
    expect(applied.map(({ does }) => does)).not.toContain(null)
    expect(await sql`select operation, status from viewkeeper.runs order by id`).toEqual(
      Array(6).fill({ operation: 'create', status: 'success' }),
    )
    expect(await sql`select count(*)::int as zeros from base where id = 0`).toEqual([{ zeros: 1 }])
  })
})

describe('a deploy that leaves before the server is done', () => {
  const { database, sql, url } = useDatabase()

  beforeAll(async () => {
    for (const gate of ['slow', 'killed', 'own']) await makeGatedView(sql, gate)
    await sql`create table base as select generate_series(1, 3) as id`
  })

  const soon = () => migrateCall(database, { waitUntil: Date.now() + 2000 })

  /** Starts a deploy, and comes back when it waits for a run: the one before it has left by then. */
  async function startWaiting(migrations: FrozenMigration[]) {
    const sessions = () => sql`
      select query like '%select status from viewkeeper.runs%' as looks from pg_stat_activity
       where application_name = 'viewkeeper migrate' and datname = current_database()`
    await until('the deploy before has left', async () => (await sessions()).length === 0)
    const deploy = migrateUp(migrateCall(database), migrations)
    await until('the deploy looks at the run', async () => (await sessions()).some(({ looks }) => looks))
    return { deploy }
  }

  test('is told which run goes on; the server finishes it, and the next deploy goes on from there', async () => {
    const frozen = await folder('slow')
    await frozen.freeze([
      definition('made_slowly', 'select id from public.base, public.slow_gate()'),
      definition('made_next', 'select id from public.made_slowly'),
    ])
    const migrations = await frozen.read()
    await withGateClosed(sql, 'slow', async (open) => {
      const first = await refusalOf(migrateUp(soon(), migrations))
      await untilAtGate(sql, 'slow') // the first one may have left before the server began
      const [run] = await sql`select id, status from viewkeeper.runs where view_name = 'made_slowly'`
      expect(run?.status).toBe('running')
      expect(first).toMatchObject({ code: 'MigrationRunning', details: { runId: run?.id } })
      expect(first.message).toContain(`run ${run?.id} is still going on`)
      const second = await refusalOf(migrateUp(soon(), migrations))
      expect(second).toMatchObject({ code: 'MigrationRunning', details: { runId: run?.id } })
      expect((await migrationStatus(database, migrations)).applied).toEqual([])
      const { deploy } = await startWaiting(migrations)
      await open()
      const { applied } = await deploy
      expect(applied).toMatchObject([
        { name: '001_made_slowly', does: null },
        { name: '002_made_next', does: 'create' },
      ])
    })
    expect(await sql`select id from made_next order by 1`).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
    expect(await sql`select status from viewkeeper.runs`).toEqual(Array(2).fill({ status: 'success' }))
  })

  test('by being killed is followed by one that finds a rebuild done, and goes on', async () => {
    const frozen = await folder('slow')
    const rebuilt = definition('made_slowly', 'select id, id + 1 as n from public.base, public.killed_gate()')
    // Nothing that reads it, as a materialized view would stand in the way.
    await frozen.freeze([definition('made_slowly', 'select id from public.base, public.slow_gate()')], {
      removes: [{ schema: 'public', name: 'made_next' }],
    })
    await frozen.freeze([rebuilt])
    await frozen.freeze([rebuilt, definition('made_after', 'select n from public.made_slowly')])
    const migrations = await frozen.read()
    await withGateClosed(sql, 'killed', async (open) => {
      await killClientWhen(url, { migrations: frozen.url.href }, () => untilAtGate(sql, 'killed'))
      const { deploy } = await startWaiting(migrations)
      await open()
      const { applied } = await deploy
      expect(applied.map(({ name, does }) => [name, does])).toEqual([
        ['004_made_slowly', null],
        ['005_made_after', 'create'],
      ])
    })
    expect(await sql`select n from made_after order by 1`).toEqual([{ n: 2 }, { n: 3 }, { n: 4 }])
    expect(await sql`select distinct status from viewkeeper.runs`).toEqual([{ status: 'success' }])
    expect(await sql`select relname from pg_class where relname like 'viewkeeper%'`).toEqual([])
  })

  test("by being killed during somebody's own SQL leaves nothing of it, and the next one runs it", async () => {
    const frozen = await folder('slow')
    await frozen.write(
      '006_own.up.sql',
      'create table made_by_own (id integer);\nselect public.own_gate();\n',
    )
    await withGateClosed(sql, 'own', async (open) => {
      await killClientWhen(url, { migrations: frozen.url.href }, () => untilAtGate(sql, 'own'))
      await open()
    })
    const { applied } = await migrateUp(migrateCall(database), await frozen.read())
    expect(applied).toEqual([expect.objectContaining({ name: '006_own', does: 'sql' })])
    expect(await sql`select to_regclass('made_by_own')::text as there`).toEqual([{ there: 'made_by_own' }])
  })
})

describe('a deploy that meets somebody at work on the view', () => {
  const { database, sql } = useDatabase()

  /** Freezes another query for a gated view, and applies it while somebody works on the view, once it waits for them. */
  async function changeWhile(
    name: string,
    work: () => Promise<unknown>,
    untilItWaits: (migrating: Promise<unknown>) => Promise<unknown>,
  ): Promise<void> {
    await makeGatedView(sql, name)
    const view = definition(name, `select b.* from (select 1 as id) b, public.${name}_gate()`, {
      indexes: [{ name: `${name}_key`, unique: true, on: '(id)' }],
    })
    await deleteRows(sql, 'migrations')
    const frozen = await folder(name)
    await frozen.freeze([view])
    await migrateUp(migrateCall(database), await frozen.read())
    await frozen.freeze([{ ...view, sql: 'select 1 as id, 2 as n' }])
    await withGateClosed(sql, name, async (open) => {
      const working = work()
      await untilAtGate(sql, name)
      const migrating = migrateUp(migrateCall(database), await frozen.read())
      await untilItWaits(migrating)
      await open()
      await working
      expect((await migrating).applied).toMatchObject([{ does: 'rebuild' }])
    })
    expect(await sql.unsafe(`select id, n from ${name}`)).toEqual([{ id: 1, n: 2 }])
    const runs = await sql`select distinct status from viewkeeper.runs where view_name = ${name}`
    expect(runs).toEqual([{ status: 'success' }])
  }

  eachCase(['regular', 'concurrent', 'swap'] as const, { quick: 1 })(
    'waits for the end of a %s refresh, and then does what it has to do',
    async (strategy) => {
      const view = `refreshed_${strategy}`
      await changeWhile(
        view,
        () => refresh({ view, strategy }, callOn(database)),
        () =>
          until('the deploy looks at the run', async () => {
            const [row] = await sql`
              select from pg_stat_activity where application_name = 'viewkeeper migrate'
                 and datname = current_database() and query like '%select status from viewkeeper.runs%'`
            return row
          }),
      )
    },
  )

  test('waits for the end of a refresh that is no run, and then does what it has to do', deep, async () => {
    await changeWhile(
      'refreshed_by_hand',
      () => sql`refresh materialized view refreshed_by_hand`.execute(),
      (migrating) => untilWaitingAgain(sql, 'viewkeeper migrate', migrating),
    )
  })

  test('gives up when its time is over, naming who is at work; nothing has changed', async () => {
    await makeGatedView(sql, 'held')
    const view = definition('held', 'select 1 as id')
    await deleteRows(sql, 'migrations')
    const frozen = await folder('held')
    await frozen.freeze([view])
    await withGateClosed(sql, 'held', async (open) => {
      const { runId } = await refresh(
        { view: 'held', strategy: 'regular' },
        callOn(database, { waitUntil: 0 }),
      )
      await untilAtGate(sql, 'held')
      const refusal = await refusalOf(
        migrateUp(migrateCall(database, { waitUntil: Date.now() + 300 }), await frozen.read()),
      )
      expect(refusal).toMatchObject({ code: 'MigrationRunning', details: { runId } })
      await open()
    })
    expect(await sql`select from viewkeeper.migrations`).toEqual([])
  })

  test('gives up, too, on somebody whose work is no run, and says why', async () => {
    await makeGatedView(sql, 'held_by_hand')
    await deleteRows(sql, 'migrations')
    const frozen = await folder('held_by_hand')
    await frozen.freeze([definition('held_by_hand', 'select 1 as id')])
    await withGateClosed(sql, 'held_by_hand', async (open) => {
      const refreshing = sql`refresh materialized view held_by_hand`.execute()
      await untilAtGate(sql, 'held_by_hand')
      const refusal = await refusalOf(
        migrateUp(migrateCall(database, { waitUntil: Date.now() + 300 }), await frozen.read()),
      )
      expect(refusal.message).toMatch(
        /process \d+ \(role postgres, .* AccessExclusiveLock on public.held_by_hand/,
      )
      await open()
      await refreshing
    })
    expect(await sql`select from viewkeeper.migrations`).toEqual([])
  })
})
