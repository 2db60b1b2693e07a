import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { createRole } from '../../../src/own-schema/create-role.ts'
import { type ProblemCode, statusOf } from '../../../src/problem.ts'
import { create } from '../../../src/run/create.ts'
import { closeLostRuns } from '../../../src/run/db/life.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Sql } from '../../../src/server/database.ts'
import { runLockClass } from '../../../src/server/lock-keys.ts'
import { counts } from '../../support/counts.ts'
import { callOn, schemaFolder } from '../../support/servers/database.ts'
import { login, useHostileDatabase } from '../../support/servers/hostile.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { definition, migrateCall, useFolders } from '../../support/views/frozen.ts'
import { until } from '../../support/waiting/until.ts'

// Logins that may perform single operations, and users of the database, who can take any advisory lock.

const place = useHostileDatabase()
const folder = useFolders()
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
    cutOver: { lockTimeoutMs: 0, recordLockTimeoutMs: 0, giveUpAfterMs: 1000, statements: [] },
    written: null,
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

  test('cannot have its own plan executed by the main login that requests a run', async () => {
    const [view] = await victims(1)
    await whileForging(() => refresh({ view: view! }, callOn(place.database)).catch(() => {}))
    await expectNothingForged()
  })

  test('cannot have its own plan executed by the main login that advances a batch', async () => {
    const views = await victims(4)
    await whileForging(async () => {
      const batchId = await begin(place.database, { views, retries: 0 })
      await advanceToEnd(place.database, batchId)
    })
    await expectNothingForged()
  })

  test('cannot have its own run executed in a batch that the main login advances', async () => {
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
    const row = { schema_name: 'made', name, source: 'authored', sql: 'select 1 as id', ...written }
    const text = JSON.stringify(row).replaceAll('$', name)
    await place.sql`
      insert into viewkeeper.definitions (schema_name, name, source, sql, indexes, grants)
      select d.schema_name, d.name, d.source, d.sql, coalesce(d.indexes, '[]'), coalesce(d.grants, '[]')
        from jsonb_populate_record(null::viewkeeper.definitions, ${text}::text::jsonb) d`
    await create({ view: `made.${name}` }, callOn(place.database)).catch(() => {})
    expect(await breaches()).toEqual([])
  })
})

describe('a user of the database who takes advisory locks', () => {
  /** Takes these keys as mallory, and returns the pid of her server process. */
  async function take(...keys: number[]): Promise<number> {
    const mallory = place.session('mallory')
    for (const key of keys) await mallory`select pg_advisory_lock(${runLockClass}, ${key})`
    const [row] = await mallory`select pg_backend_pid() as pid`
    return row?.pid
  }

  const longestMs = 60_000

  /** Expects that `work` succeeds, or soon ends with a 503 that names the session in the way. */
  async function expectDoneOrNamed(pid: number, work: Promise<unknown>) {
    const end = await Promise.race([
      work.then(
        (result) => (result as { error?: unknown }).error ?? 'done',
        (error) => error,
      ),
      pause(longestMs, { message: `still waiting after ${longestMs} ms` }),
    ])
    if (end === 'done') return
    const {
      class: ofRun,
      code = ofRun,
      message,
    } = end as { class?: ProblemCode; code: ProblemCode; message: string }
    expect({ status: statusOf(code ?? ofRun ?? 'InternalError'), message }).toEqual({
      status: 503,
      message: expect.stringMatching(new RegExp(`\\b${pid}\\b`)),
    })
  }

  const soon = () => Date.now() + 2000
  const mallorysView = async (query = 'select 1 as id', more = '') => {
    const view = `m.${newName()}`
    await run('mallory', `create materialized view ${view} as ${query} ${more}`)
    return view
  }

  test('of runs to come does not keep a refresh waiting', async () => {
    const view = await mallorysView()
    const [last] = await place.sql`select coalesce(max(id), 0)::int as id from viewkeeper.runs`
    const pid = await take(...Array.from({ length: 20 }, (_, at) => last!.id + 1 + at))
    await expectDoneOrNamed(pid, refresh({ view }, callOn(place.database, { waitUntil: soon() })))
  })

  test('of setting up does not keep the schema steps waiting', async () => {
    const pid = await take(0)
    await expectDoneOrNamed(pid, migrate(place.database, schemaFolder))
  })

  test('of setting up does not keep create-role waiting', async () => {
    const pid = await take(0)
    const master = place.databaseOf('master')
    await expectDoneOrNamed(
      pid,
      master.withConnection((admin) =>
        createRole(admin, schemaFolder, { login, password: 'secret', owners: [], ownViews: null }),
      ),
    )
  })

  test('of migrating views does not keep a migration waiting', async () => {
    const pid = await take(-1)
    const frozen = await folder('keys')
    await frozen.freeze([definition(newName(), 'select 1 as id', { schema: 'made' })])
    const call = migrateCall(place.database, { waitUntil: soon() })
    await expectDoneOrNamed(pid, migrateUp(call, await frozen.read()))
  })

  /** Makes a view whose refresh does `first`, then waits until the test lets it go on. */
  async function stoppedView(first = 'null'): Promise<string> {
    await run(
      'mallory',
      `create or replace function m.stop() returns integer language plpgsql as $$
       begin perform ${first}; perform pg_advisory_xact_lock_shared(88, 1); return 1; end $$`,
    )
    return mallorysView('select m.stop() as id', 'with no data')
  }

  /** Calls `work` while a refresh of the view stands before its gate. */
  async function whileStopped(
    view: string,
    work: (run: { id: number; pid: number }, keeper: Sql) => Promise<void>,
  ) {
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
      await work({ id: runId, pid: row?.pid }, keeper)
    } finally {
      await keeper`select pg_advisory_unlock_all()`
    }
  }

  const recordOf = async (id: number) =>
    (await place.sql`select status, error ->> 'class' as class from viewkeeper.runs where id = ${id}`)[0]

  test('of a lost run does not keep the run from being closed', async () => {
    const view = await stoppedView()
    await whileStopped(view, async ({ id, pid }) => {
      const mallory = place.session('mallory')
      const taken = mallory`select pg_advisory_lock(${runLockClass}, ${id})`.execute()
      await until('she waits for the key', async () => {
        const rows = await place.sql`
          select from pg_locks where locktype = 'advisory' and classid = ${runLockClass} and not granted`
        return rows.length > 0
      })
      await place.sql`select pg_terminate_backend(${pid})`
      await taken
      const closed = await place.database.withConnection((sql) => closeLostRuns(sql, { runId: id }))
      expect({ closed, record: await recordOf(id) }).toEqual({
        closed: [id],
        record: { status: 'failed', class: 'RunLost' },
      })
    })
  })

  test('and releases all of them in the query of a view does not make its run look lost', async () => {
    const view = await stoppedView('pg_advisory_unlock_all()')
    await whileStopped(view, async ({ id }, keeper) => {
      const closed = await place.database.withConnection((sql) => closeLostRuns(sql, { runId: id }))
      expect({ closed, record: await recordOf(id) }).toEqual({
        closed: [],
        record: { status: 'running', class: null },
      })
      await keeper`select pg_advisory_unlock_all()`
      await until('the run ends', async () => (await recordOf(id))?.status !== 'running')
      expect(await recordOf(id)).toEqual({ status: 'success', class: null })
    })
  })

  test('and releases all of them in the queries of views cannot exceed the concurrency of the batch', async () => {
    await run(
      'mallory',
      `create function m.slow() returns integer language plpgsql as $$
       begin
         perform pg_advisory_unlock_all();
         perform public.keep('begins', current_user); perform pg_sleep(1.5); perform public.keep('ends', current_user);
         return 1;
       end $$`,
    )
    const views = []
    for (let at = 0; at < 3; at++) views.push(await mallorysView('select m.slow() as id', 'with no data'))
    const batchId = await begin(place.database, { views, concurrency: 1, retries: 0 })
    const { status } = await advanceToEnd(place.database, batchId)
    const order = await place.sql`select did from public.loot order by at`
    expect({ status, order: order.map(({ did }) => did).join(' ') }).toEqual({
      status: 'success',
      order: 'begins ends begins ends begins ends',
    })
  })
})
