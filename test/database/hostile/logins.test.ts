import { beforeAll, describe, expect, test } from 'vitest'
import { createRole } from '../../../src/own-schema/create-role.ts'
import { closeLostRuns, isWorkedOn } from '../../../src/record/runs/life.ts'
import { create } from '../../../src/run/create.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Sql } from '../../../src/server/database.ts'
import { counts } from '../../support/counts.ts'
import { deep } from '../../support/deep.ts'
import { define, earlier, updateRows } from '../../support/record/rows.ts'
import { callOn, schemaFolder } from '../../support/servers/database.ts'
import { useHostileDatabase } from '../../support/servers/hostile.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { until } from '../../support/waiting/until.ts'

// Logins that may perform single operations, and users of the database.

const place = useHostileDatabase()
const { run, breaches } = place

let made = 0
const newName = () => `v${++made}`

describe('a login of your own that performs single operations', () => {
  const forgedPlan = JSON.stringify({
    ifRunning: 'skip',
    basis: null,
    settings: {},
    result: 'updated',
    fills: false,
    prepare: [
      "select public.keep('forged plan', current_user)",
      "insert into viewkeeper.switches (key, value) values ('paused', '{}')",
      'drop table if exists a.precious',
    ].map((sql) => ({ kind: 'command', phase: 'building', sql })),
    locked: { lockTimeoutMs: 0, recordLockTimeoutMs: 0, giveUpAfterMs: 1000, statements: [] },
    aside: [],
  })

  beforeAll(async () => {
    // The recipe of docs/privileges.md.
    await place.sql.unsafe(`
      create role single login password 'secret';
      grant usage on schema viewkeeper to single;
      grant select, insert, update on viewkeeper.definitions, viewkeeper.runs to single;
      grant select on viewkeeper.batches, viewkeeper.batch_views, viewkeeper.batch_groups to single`)
  })

  /**
   * Writes the forged plan into every run that is pending, again and again, while `work` goes on.
   */
  async function whileForging(work: () => Promise<unknown>): Promise<void> {
    const single = place.session('single')
    const [row] = await single`select pg_backend_pid() as pid`
    const forging = single
      .unsafe(`
      do $$ begin
        loop
          update viewkeeper.runs set plan = '${forgedPlan.replaceAll("'", "''")}'::jsonb
           where status = 'pending' and plan is not null and plan -> 'prepare' -> 0 ->> 'sql' not like '%forged%';
          commit;
          perform pg_sleep(${counts.forgersPauseMs} / 1000.0);
        end loop;
      end $$`)
      .simple()
      .catch(() => {}) // the test ends this session
    await work()
    await place.sql`select pg_terminate_backend(${row?.pid})`
    await forging
  }

  async function victims(count: number): Promise<string[]> {
    const views = Array.from({ length: count }, () => `a.${newName()}`)
    await run(
      'alice',
      `create table if not exists a.precious as select 1 as id;
       ${views.map((view) => `create materialized view ${view} as select 1 as id;`).join('\n')}`,
    )
    return views
  }

  async function expectNothingForged() {
    expect({
      breaches: await breaches(),
      settings: await place.sql`select key from viewkeeper.switches`,
      precious: await place.sql`select to_regclass('a.precious') is not null as "isThere"`,
    }).toEqual({ breaches: [], settings: [], precious: [{ isThere: true }] })
  }

  test('cannot have its own plan executed by the main login that requests a run', deep, async () => {
    const [view] = await victims(1)
    await whileForging(() => refresh({ view: view! }, callOn(place.database)).catch(() => {}))
    await expectNothingForged()
  })

  test('cannot have its own plan executed by the main login that advances a batch', deep, async () => {
    const views = await victims(4)
    await whileForging(async () => {
      const batchId = await begin(place.database, { views, retries: 0 })
      await advanceToEnd(place.database, batchId)
    })
    await expectNothingForged()
  })

  test('cannot have its own run executed in a batch that the main login advances', deep, async () => {
    const views = await victims(8)
    const batchId = await begin(place.database, { views, retries: 0 })
    const single = place.session('single')
    await single`
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, batch_id, plan, claim_by)
      select definition_id, schema_name, view_name, 'refresh', 'batch', batch_id, ${forgedPlan}::text::jsonb,
             clock_timestamp() + interval '1 year'
        from viewkeeper.batch_views where batch_id = ${batchId}`
    await whileForging(() => advanceToEnd(place.database, batchId))
    await expectNothingForged()
  })

  test('cannot author a view: neither a new one, nor another query, owner or name for a view', async () => {
    const view = newName()
    const author = (sql: Sql, name: string, more = {}) => sql`
      insert into viewkeeper.definitions ${sql({ schema_name: 'made', name, source: 'authored', sql: 'select 1 as id', owner: 'alice', ...more })}`
    await author(place.sql, view)
    const single = place.session('single')
    const refused = { code: '42501', message: 'single may not author views, only perform operations on them' }
    for (const more of [{}, { owner: null }, { sql: null }])
      await expect(author(single, newName(), more)).rejects.toMatchObject(refused)
    for (const change of [
      { sql: 'select 2 as id' },
      { owner: 'mallory' },
      { schema_name: 'm' },
      { name: newName() },
      { indexes: single.json([{ name: 'i', on: '(m.evil(id))' }]) },
      { grants: single.json([{ privileges: ['all'], to: 'single' }]) },
    ])
      await expect(
        single`update viewkeeper.definitions set ${single(change as object)} where name = ${view}`,
      ).rejects.toMatchObject(refused)
    await single`update viewkeeper.definitions set paused_at = null, timeout_seconds = 60 where name = ${view}`
    await author(place.session('viewkeeper_app'), newName())
  })
})

describe('a user of the database who may only use the schema', () => {
  test('cannot forge what people did by hand, neither by a trigger nor by a function that somebody let them execute', async () => {
    await place.sql.unsafe(`
      create role curious login password 'secret'; grant usage on schema viewkeeper to curious`)
    const curious = place.session('curious')
    await curious.unsafe(
      'create temporary table forged (id text, requested_at timestamptz, requested_by text, request jsonb)',
    )
    const forge = () =>
      curious
        .unsafe(`
        drop trigger if exists t on forged;
        create trigger t after insert on forged for each row execute function viewkeeper.note_action();
        insert into forged values ('b', now(), 'alice', '{}')`)
        .simple()
    const refused = (message: RegExp) => ({ code: '42501', message: expect.stringMatching(message) })
    await expect(forge()).rejects.toMatchObject(refused(/function .*note_action/))
    await place.sql`grant execute on function viewkeeper.note_action() to curious`
    await expect(forge()).rejects.toMatchObject(refused(/forged/))
    expect(await place.sql`select from viewkeeper.actions where requested_by = 'alice'`).toEqual([])
  })
})

describe('an author of definitions', () => {
  const injected = "reset role; select public.keep('injected', current_user)"
  test.each([
    [
      'query',
      {
        sql: `select 1 as id with no data; ${injected}; create materialized view made.other_$ as select 1 as id`,
      },
    ],
    ['index', { indexes: [{ name: 'injected_$', on: `(id); ${injected}` }] }],
    [
      'index in a comment',
      { indexes: [{ name: 'commented_$', on: `(id);${injected.replaceAll(' ', '/**/')}` }] },
    ],
    [
      'grant',
      {
        grants: [
          { privileges: [`select on viewkeeper.runs to public; ${injected}; grant select`], to: 'public' },
        ],
      },
    ],
  ])('cannot hide statements for the main login in the %s of a definition', async (_, written) => {
    const name = newName()
    const row = JSON.stringify({ sql: 'select 1 as id', ...written }).replaceAll('$', name)
    await define(place.sql, `made.${name}`, JSON.parse(row))
    await create({ view: `made.${name}` }, callOn(place.database)).catch(() => {})
    expect(await breaches()).toEqual([])
  })
})

describe('whether a run goes on', () => {
  /** Makes a view whose refresh does `first`, then waits until the test lets it go on. */
  async function stoppedView(first = 'null'): Promise<string> {
    const view = `m.${newName()}`
    await run(
      'mallory',
      `create or replace function m.stop() returns integer language plpgsql as $$
       begin perform ${first}; perform pg_advisory_xact_lock_shared(88, 1); return 1; end $$;
       create materialized view ${view} as select m.stop() as id with no data`,
    )
    return view
  }

  /** Calls `work` while a refresh of the view stands before its gate. */
  async function whileStopped(first: string, work: (run: { id: number; pid: number }) => Promise<void>) {
    const view = await stoppedView(first)
    const keeper = place.session('postgres')
    await keeper`select pg_advisory_lock(88, 1)`
    const { runId } = await refresh({ view }, callOn(place.database, { waitUntil: 0 }))
    await until('the refresh stands before its gate', async () => {
      const rows =
        await place.sql`select from pg_locks where locktype = 'advisory' and classid = 88 and not granted`
      return rows.length > 0
    })
    const [row] = await place.sql`select backend_pid as pid from viewkeeper.runs where id = ${runId}`
    try {
      await work({ id: runId, pid: row?.pid })
    } finally {
      await keeper`select pg_advisory_unlock_all()`
    }
    await until('the run ends', async () => (await recordOf(runId))?.status !== 'running')
    return recordOf(runId)
  }

  const recordOf = async (id: number) =>
    (await place.sql`select status, error ->> 'class' as class from viewkeeper.runs where id = ${id}`)[0]
  const closing = (id: number) => place.database.withConnection((sql) => closeLostRuns(sql, { runId: id }))

  test('no lock says that anybody could take, and no code of its view, whatever it unlocks and calls itself', async () => {
    const disguises = `pg_advisory_unlock_all(), set_config('application_name', 'psql', false)`
    const record = await whileStopped(disguises, async ({ id, pid }) => {
      expect(await closing(id)).toEqual([])
      expect(
        await place.sql`select from pg_locks where pid = ${pid} and locktype = 'advisory' and granted`,
      ).toEqual([])
    })
    expect(record).toEqual({ status: 'success', class: null })
  })

  test('no session of another role says that has its number, and wears its name', async () => {
    const record = await whileStopped('null', async ({ id, pid }) => {
      const mallory = place.session('mallory')
      await mallory`select set_config('application_name', ${`viewkeeper run ${id} building`}, false)`
      const [her] = await mallory`select pg_backend_pid() as pid`
      const busy = mallory`select pg_sleep(600)`.catch(() => {})
      await place.sql`select pg_terminate_backend(${pid})`
      await updateRows(place.sql, 'runs', { id }, { backendPid: her?.pid })
      for (const looker of [place.database, place.databaseOf('single')])
        await looker.withConnection(async (sql) => {
          const [{ there }] = await sql.unsafe<[{ there: boolean }]>(
            `select ${isWorkedOn} as there from viewkeeper.runs r where r.id = ${id}`,
          )
          expect(there).toBe(false)
        })
      expect(await closing(id)).toEqual([id])
      await place.sql`select pg_terminate_backend(${her?.pid})`
      await busy
    })
    expect(record).toEqual({ status: 'failed', class: 'RunLost' })
  })

  test('a login that may not see its session does not say; who may see it does', async () => {
    const record = await whileStopped('null', async ({ id }) => {
      await earlier(place.sql, 'runs', { id }, '1 s', 'backendStart')
      expect(
        await place.databaseOf('single').withConnection((sql) => closeLostRuns(sql, { runId: id })),
      ).toEqual([])
      expect(await closing(id)).toEqual([id])
    })
    expect(record).toEqual({ status: 'failed', class: 'RunLost' })
  })
})

test('four administrators at once make the roles, each of them whole', deep, async () => {
  const logins = Array.from({ length: 4 }, (_, at) => `keeper_${at % 2}`)
  await Promise.all(
    logins.map((each) =>
      place.databaseOf('master').withConnection((admin) =>
        createRole(admin, schemaFolder, {
          login: each,
          password: 'secret',
          owners: ['alice'],
          ownViews: null,
        }),
      ),
    ),
  )
  expect(
    await place.sql`select rolname from pg_roles where rolname like 'keeper\\_%' and pg_has_role(oid, 'viewkeeper', 'member') order by 1`,
  ).toHaveLength(2)
})
