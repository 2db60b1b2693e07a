import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import { startDueBatch } from '../../../src/batch/start.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { whyNotKnown } from '../../../src/slices/db/read-queries.ts'
import { readUncounted } from '../../../src/watch/db/examined.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { updateRows } from '../../support/record/rows.ts'
import { callOn } from '../../support/servers/database.ts'
import { startOwnServer } from '../../support/servers/own-server.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { leftOut } from '../../support/views/left-out.ts'
import { between } from '../../support/waiting/between.ts'
import { muchLater, until } from '../../support/waiting/until.ts'

// A server of its own: a configuration that is read again, or a role that is not counted, means refresh on the whole server.
const { server, sql, database } = await startOwnServer({ max_prepared_transactions: '2' })
const saving = connectTo(fromUrl(server.url), { skipUnchanged: true })
const { scheduled, longAgo, filled } = leftOut('still', () => ({ sql, saving }))
/** Waits until the counters of the tables stand still: a session may report later. */
const reported = (text: string) =>
  sql.begin(async (its) => {
    await its.unsafe(text)
    await its`select pg_stat_force_next_flush()`
  })

const notKnown = async (view: string) => {
  const [{ oid }] = await sql<[{ oid: number }]>`select ${view}::text::regclass::oid::int8 as oid`
  return saving.withConnection((its) => whyNotKnown(its, Number(oid)))
}

beforeAll(async () => {
  await sql.unsafe(`
    create schema still;
    create table still.t (i int primary key, n int);
    create type still.addr as (street text, zip text);
    create table still.child (spare int, at still.addr, i int references still.t on delete cascade);
    create table still.p (i int, n int) partition by range (i);
    create table still.p1 partition of still.p for values from (0) to (100);
    create table still.p2 (i int, n int);
    create table still.elder (i int);
    create table still.younger (more int) inherits (still.elder);
    create view still.between as select i, n from still.t;
    create materialized view still.base as select i, n from still.t;
    create materialized view still.v as
      select b.n, (select count(*) from still.child) as children, (select count(at) from still.child) as addresses, (select count(*) from still.p) as parts,
             (select count(*) from still.elder) as heirs, (select count(*) from still.base) as bases from still.between b;
    create unique index on still.v (n);
    create table still.guarded (i int);
    alter table still.guarded enable row level security;
    create sequence still.counter;
    create function still.peek() returns bigint language sql stable as 'select count(*) from still.child';
    create type still.pair as (i int, name regclass);
    create table still.odd_types (names regclass[], pair still.pair, at_night timetz);
    create foreign data wrapper nowhere;
    create server nowhere foreign data wrapper nowhere;
    create foreign table still.abroad (i int) server nowhere;`)
})

/** What a failed test has left would hide commits from all that come after. */
afterEach(async () => {
  const prepared = await sql<{ gid: string }[]>`select gid from pg_prepared_xacts`
  for (const { gid } of prepared) await sql.unsafe(`rollback prepared '${gid}'`)
  await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
     where backend_type = 'client backend' and pid <> pg_backend_pid()
       and (state like 'idle in transaction%' or exists (select from pg_locks l where l.pid = pg_stat_activity.pid and l.locktype = 'advisory' and l.objid = 4711))`
})

beforeEach(async () => {
  await reported(
    'delete from still.p; delete from still.elder; delete from still.t; insert into still.t select i, i from generate_series(1, 9) i; insert into still.child (i) values (9)',
  )
  await until('no session hides anything', async () => {
    const [row] = await sql`select not exists (select from viewkeeper.hiding()) as nobody`
    return row?.nobody
  })
})

describe('a scheduled refresh of a view that reads tables', () => {
  test('is left out while no counter has moved, if the environment or the definition says so', async () => {
    await filled('base', 'v')
    expect([await scheduled('base'), await scheduled('v')]).toEqual(['skipped', 'skipped'])
    const [row] = await sql`
      select s.as_of = least(r.as_of, b.as_of) and s.as_of between clock_timestamp() - interval '4 min' and clock_timestamp() - interval '60 s' as horizon,
             s.held_back_by, s.stale, r.meta #>> '{response,because}' like 'nothing was committed before % in what the view reads%' as because
        from viewkeeper.view_status s join viewkeeper.runs r on r.id = s.last_run_id cross join viewkeeper.view_status b
       where s.name = 'v' and b.name = 'base'`
    expect(row).toEqual({ horizon: true, held_back_by: 'still.base', stale: false, because: true })
    expect(await scheduled('v', { force: true })).toBe('updated')
    await longAgo('v')
    expect(await scheduled('v', { by: database })).toBe('updated')
    await updateRows(sql, 'definitions', { view: 'still.v' }, { skipUnchanged: true })
    expect(await scheduled('v', { by: database })).toBe('updated')
    await longAgo('v')
    expect(await scheduled('v', { by: database })).toBe('skipped')
    await updateRows(sql, 'definitions', { view: 'still.v' }, { skipUnchanged: null })
  })

  test('is not left out after a refresh by slices, which has kept other rows', async () => {
    await sql.unsafe(`
      ${makeKept('still.sliced', 'select i, count(*) as n from still.t group by i')}`)
    await refresh({ view: 'still.sliced' }, callOn(saving))
    await longAgo('sliced')
    expect(await scheduled('sliced', { strategy: 'auto' })).toBe('skipped')
    const slices = { from: '1', to: '3' }
    expect(await refresh({ view: 'still.sliced', slices }, callOn(saving))).toMatchObject({
      status: 'updated',
    })
    await longAgo('sliced')
    expect(await scheduled('sliced', { strategy: 'auto' })).toBe('updated')
    await longAgo('sliced')
    expect(await scheduled('sliced', { strategy: 'auto' })).toBe('skipped')
  })

  eachCase(['swap', 'concurrent'] as const, { quick: 1 })('is left out after a %s, too', async (strategy) => {
    await filled('base', 'v')
    await refresh({ view: 'still.v', strategy }, callOn(saving))
    await longAgo('v')
    expect(await scheduled('v')).toBe('skipped')
  })

  eachCase(
    [
      ['insert', 'insert into still.t values (10, 10)'],
      ['update', 'update still.t set n = 11 where i = 1'],
      ['delete', 'delete from still.t where i = 1'],
      ['cascade', 'delete from still.t where i = 9'],
      ['merge', 'merge into still.t using (values (1)) s (i) on t.i = s.i when matched then delete'],
      ['copy', `copy still.t from program 'echo "77	77"'`],
      ['truncate', 'truncate still.child'],
      ['partition', 'insert into still.p values (1, 1)'],
      ['attach', 'alter table still.p attach partition still.p2 for values from (100) to (200)'],
      ['detach', 'alter table still.p detach partition still.p2'],
      ['heir', 'insert into still.younger values (1, 1)'],
      ['disinherit', 'alter table still.younger no inherit still.elder'],
      ['inherit', 'alter table still.younger inherit still.elder'],
      ['rewrite', 'alter table still.t add column more float default random()'],
      ['column without a rewrite', 'alter table still.child add column more int default 5'],
      ['another name of a column', 'alter table still.child rename i to its'],
      ['a column less', 'alter table still.child drop column spare'],
      ['another name of an attribute', 'alter type still.addr rename attribute zip to postcode'],
      ['plain view', 'create or replace view still.between as select i, n + 1 as n from still.t'],
      ['reset of the counters', 'select pg_stat_reset()'],
      ['reset of those of one table', `select pg_stat_reset_single_table_counters('still.child'::regclass)`],
    ],
    { quick: 3 },
  )('is made after %s', async (_, change) => {
    await filled('base', 'v')
    expect(await scheduled('v')).toBe('skipped')
    await longAgo('v')
    await reported(change)
    expect(await scheduled('v')).toBe('updated')
    if (change.includes('rename i')) await reported('alter table still.child rename its to i')
  })

  test('is made a day after the last one, or as often as the environment says', async () => {
    await filled('base', 'v')
    await longAgo('v', '22 hours')
    expect(await scheduled('v')).toBe('skipped')
    await longAgo('v', '2 hours')
    expect(await scheduled('v')).toBe('updated')
    await longAgo('v', '2 hours')
    const seldom = connectTo(fromUrl(server.url), { skipUnchanged: true, skipAtMostHours: 1 })
    expect(await scheduled('v', { by: seldom })).toBe('updated')
  })

  test('is made if the horizon says less than the last proof, or leaves the view stale', async () => {
    await filled('base', 'v')
    expect(await scheduled('v')).toBe('skipped')
    await updateRows(sql, 'runs', { view: 'still.v', status: 'skipped' }, { asOf: sql`clock_timestamp()` })
    expect(await scheduled('v')).toBe('updated')
    await longAgo('v')
    await updateRows(sql, 'definitions', { view: 'still.v' }, { maxStalenessSeconds: 30 })
    expect(await scheduled('v')).toBe('updated')
    await updateRows(sql, 'definitions', { view: 'still.v' }, { maxStalenessSeconds: null })
  })

  test.each([
    { lag: 120, status: 'updated' },
    { lag: 150, status: 'skipped' },
  ])(
    'with a target lag of $lag s is $status: counters tell what was so a minute ago',
    async ({ lag, status }) => {
      await filled('base', 'v')
      await updateRows(sql, 'definitions', { view: 'still.v' }, { promisedLagSeconds: lag })
      expect(await scheduled('v')).toBe(status)
      await updateRows(sql, 'definitions', { view: 'still.v' }, { promisedLagSeconds: null })
    },
  )

  test('is left out of a batch, too', async () => {
    await filled('base', 'v')
    const batchId = await begin(saving, { pattern: 'still.v', exchange: 'each' })
    expect(await advanceToEnd(saving, batchId)).toMatchObject({ status: 'success' })
    expect(await sql`select status from viewkeeper.runs where batch_id = ${batchId}`).toEqual([
      { status: 'skipped' },
    ])
  })

  test('is left out for a target lag, too, until a table has changed', async () => {
    const startDue = async () => {
      const batch = await startDueBatch({ database: saving, idempotencyKey: null }, { everySeconds: 60 })
      if (batch === null) return 'nothing is due'
      const { batchId } = batch
      await advanceToEnd(saving, batchId)
      const runs =
        await sql`select view_name as name, status from viewkeeper.runs where batch_id = ${batchId}`
      return Object.fromEntries(runs.map(({ name, status }) => [name, status]))
    }
    await filled('base')
    await updateRows(sql, 'definitions', { view: 'still.base' }, { targetLagSeconds: 600 })
    try {
      expect(await startDue()).toEqual({ base: 'skipped' })
      expect(await startDue()).toBe('nothing is due')
      await longAgo('base')
      await reported('insert into still.t values (10, 10)')
      // Its reader comes along, because a rebuild takes it along.
      expect(await startDue()).toMatchObject({ base: 'success' })
    } finally {
      await updateRows(sql, 'definitions', { view: 'still.base' }, { targetLagSeconds: null })
    }
  })
})

describe('views that are exchanged together', () => {
  const names = ['a', 'aside', 'b', 'c', 'y']
  beforeAll(() =>
    sql.unsafe(`
      create schema kin;
      create schema of_kin;
      create materialized view kin.a as select i from still.t;
      create materialized view kin.b as select i, (select count(*) from still.elder) as heirs from kin.a;
      create view kin.plain as select i + 1 as i, heirs from kin.b;
      create materialized view kin.c as select sum(i) as total, max(heirs) as heirs from kin.plain;
      create materialized view kin.aside as select count(*) from still.p;
      create materialized view of_kin.x as select i from kin.a;
      create materialized view kin.y as select count(*) from of_kin.x`),
  )
  const night = async (on = saving) => {
    const batchId = await begin(on, { pattern: 'kin.*' })
    expect(await advanceToEnd(on, batchId)).toMatchObject({ status: 'success' })
    const runs = await sql<{ name: string; status: string }[]>`
      select view_name as name, status from viewkeeper.runs where batch_id = ${batchId}`
    const [{ groups } = { groups: 0 }] = await sql<{ groups: number }[]>`
      select count(*)::int as groups from viewkeeper.batch_groups where batch_id = ${batchId}`
    return {
      groups,
      skipped: runs.flatMap(({ name, status }) => (status === 'skipped' ? name : [])).sort(),
    }
  }
  const later = async () => {
    for (const name of [...names, 'x']) await longAgo(name, '5 minutes')
  }
  const wrong = async () => {
    const [row] = await sql`
      select (select count(*) from kin.a) = (select count(*) from still.t) as a, b.* , (select count from kin.y) = (select count(*) from still.t) as y
        from (select c.total = (select sum(i + 1) from still.t) and c.heirs = (select count(*) from still.elder) as c from kin.c) b`
    return Object.entries(row ?? {}).flatMap(([name, isRight]) => (isRight ? [] : name))
  }

  test(
    'are left out of a batch if all are as they were, even if others have filled them together',
    deep,
    async () => {
      expect(await night()).toMatchObject({ groups: 1, skipped: [] })
      await later()
      expect(await night()).toEqual({ groups: 0, skipped: names })
      const shown = await sql`
      select name, held_back_by, as_of between clock_timestamp() - interval '4 min' and clock_timestamp() - interval '60 s' as horizon
        from viewkeeper.view_status where schema_name = 'kin' order by name`
      expect(shown.map(({ name, horizon }) => [name, horizon])).toEqual(
        names.map((name) => [name, name !== 'y']),
      )
      expect(shown.map(({ held_back_by }) => held_back_by)).toEqual([null, null, 'kin.a', 'kin.a', 'kin.a'])
      const { status } = await refresh({ view: 'kin.a', strategy: 'swap' }, callOn(saving))
      expect(status).toBe('updated')
      await later()
      expect(await night()).toEqual({ groups: 0, skipped: names })
    },
  )

  test(
    'are rebuilt with all that read one that has changed, also through a view that is not in the batch, and with nothing else',
    deep,
    async () => {
      for (const [change, skipped] of [
        ['insert into still.elder values (1)', ['a', 'aside', 'y']],
        ['insert into still.t values (100, 1)', ['aside']],
        ['refresh materialized view kin.b', ['a', 'aside', 'y']],
      ] as const) {
        await night()
        await later()
        await reported(change)
        expect([change, (await night()).skipped]).toEqual([change, skipped])
        expect(await wrong()).toEqual([])
      }
    },
  )

  test('are left out once each, whenever the advancing process loses its connection', deep, async () => {
    await night()
    for (let at = 3; ; at += 9) {
      await later()
      const batchId = await begin(saving, { pattern: 'kin.*' })
      let statements = 0
      const cut = between(saving, async () => {
        if (statements++ === at)
          await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'viewkeeper%' and pid <> pg_backend_pid()`
      })
      await advance(batchId, { database: cut, until: muchLater() }).catch(() => {})
      expect(await advanceToEnd(saving, batchId)).toMatchObject({ status: 'success' })
      const runs =
        await sql`select view_name as name, status from viewkeeper.runs where batch_id = ${batchId} order by 1`
      expect([at, runs.map(({ name, status }) => `${name} ${status}`)]).toEqual([
        at,
        names.map((name) => `${name} skipped`),
      ])
      if (statements <= at) break
    }
  })
})

describe('why', () => {
  const justBegan = () => {
    const inputs = sql`jsonb_set(inputs, '{began}', to_jsonb(clock_timestamp()), false)`
    return updateRows(sql, 'runs', { view: 'still.base' }, { inputs })
  }
  const notSkipped = async (name: string) => {
    const { causes } = await getWhy(saving, `still.${name}`, { schedules: unscheduled, typed: null })
    return causes.flatMap(({ code, text, next }) => (code === 'NotSkipped' ? `${text} ${next}` : []))
  }

  test('says what in the query of a view keeps its refreshes from being left out', async () => {
    await sql.unsafe(
      'create materialized view still.timed as select now() as at, i from still.t; create materialized view still.called as select i, still.peek() as n from still.t',
    )
    await filled('base', 'timed', 'called')
    expect(await notSkipped('base')).toEqual([])
    expect(await notSkipped('timed')).toEqual([expect.stringContaining('calls now()')])
    expect(await notSkipped('called')).toEqual([expect.stringContaining('calls still.peek()')])
    const { causes } = await getWhy(database, 'still.timed', { schedules: unscheduled, typed: null })
    expect(causes.map(({ code }) => code)).not.toContain('NotSkipped')
  })

  test('names the transaction that hides commits, and what ends it', async () => {
    const session = await sql.reserve()
    try {
      const [{ pid } = { pid: 0 }] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`
      await filled('base')
      await justBegan()
      await session.unsafe('begin')
      expect(await notSkipped('base')).toEqual([
        expect.stringMatching(
          `process ${pid} .*idle in transaction.* select pg_terminate_backend\\(${pid}\\);`,
        ),
      ])
      await session.unsafe(`insert into still.child (i) values (1); prepare transaction 'its'`)
      await justBegan()
      expect(await notSkipped('base')).toEqual([expect.stringContaining(`rollback prepared 'its';`)])
      await session.unsafe(`rollback prepared 'its'`)
      expect(await notSkipped('base')).toEqual([])
    } finally {
      session.release()
    }
  })

  test('and doctor name alike what keeps several views from it, once', deep, async () => {
    await filled('base', 'v')
    const told = async (on = saving) => {
      const { notSkipped } = await doctor(on, { views: ['still.base', 'still.v'], role: null })
      return notSkipped?.map(({ text }) => text)
    }
    expect(await told()).toEqual([])
    await sql.unsafe('create procedure still.uncounted() language sql as $$ select 1 $$')
    await sql.unsafe('alter procedure still.uncounted() set track_counts = off')
    try {
      expect(await told()).toEqual([
        expect.stringMatching(/still\.base, still\.v: track_counts is off, or set .* uncounted; on RDS, /),
      ])
      expect(await told(database)).toEqual([])
    } finally {
      await sql.unsafe('drop procedure still.uncounted()')
    }
  })

  eachCase<[string, string, string, string?]>(
    [
      [
        'a routine',
        'create procedure still.uncounted() language sql set track_counts = off as $$ select 1 $$',
        'alter routine still.uncounted() reset track_counts;',
        'drop procedure still.uncounted()',
      ],
      [
        'a database',
        'alter database postgres set track_counts = off',
        'alter database postgres reset track_counts;',
      ],
      ['all roles', 'alter role all set track_counts = off', 'alter role all reset track_counts;'],
      ['a role', 'alter role "Odd" set track_counts = off', 'alter role "Odd" reset track_counts;'],
      [
        'a role in a database',
        'alter role "Odd" in database postgres set track_counts = off',
        'alter role "Odd" in database postgres reset track_counts;',
      ],
      [
        'a grant',
        'grant set on parameter track_counts to "Odd"',
        'revoke set on parameter track_counts from "Odd" cascade;',
      ],
      [
        'the server',
        'alter system set track_counts = off; select pg_reload_conf()',
        'alter system set track_counts = on; select pg_reload_conf();',
      ],
    ],
    { quick: 2 },
  )(
    'says what to type if track_counts is off or may be switched off for %s, and that fixes it',
    async (_, off, fix, away) => {
      const type = async (text: string) => {
        for (const each of text.split('; ')) await sql.unsafe(each)
      }
      await filled('base')
      await sql`create role "Odd"`
      await type(off)
      try {
        const [told] = await until('it is told', async () => {
          const all = await notSkipped('base')
          return all.length > 0 && all
        })
        expect(told).toMatch(/track_counts is off, or set/)
        expect(told?.endsWith(` ${fix}`)).toBe(true)
        await type(fix)
        await until('it is fixed', async () => (await notSkipped('base')).length === 0)
      } finally {
        await type(away ?? fix)
        await sql`drop role "Odd"`
      }
    },
  )

  test('says which right the login lacks, and that not everything is counted', async () => {
    await filled('base')
    await sql.unsafe('create procedure still.uncounted() language sql as $$ select 1 $$')
    await sql.unsafe('alter procedure still.uncounted() set track_counts = off')
    expect(await notSkipped('base')).toEqual([expect.stringContaining('track_counts')])
    await sql.unsafe('drop procedure still.uncounted()')
    const [definition] = await sql<
      { id: number }[]
    >`select id from viewkeeper.definitions where name = 'base' and schema_name = 'still'`
    await sql.unsafe(
      'create role still_blind; grant usage on schema viewkeeper to still_blind; grant select on all tables in schema viewkeeper to still_blind',
    )
    const uncounted = await saving.withConnection((its) =>
      its.begin(async (part) => {
        await part.unsafe('set local role still_blind')
        return readUncounted(part as never, definition?.id ?? 0)
      }),
    )
    expect(uncounted?.grant).toBe('grant pg_read_all_stats to still_blind')
    await sql.unsafe('drop owned by still_blind; drop role still_blind')
  })
})

describe('what was committed long ago may be hidden from the counters', () => {
  const horizon = async () => {
    const [row] = await sql<[{ at: string | null }]>`select viewkeeper.horizon()::text as at`
    return row.at
  }
  const isBefore = async (at: string) => {
    const [row] = await sql<
      [{ is: boolean }]
    >`select viewkeeper.horizon() <= ${at}::text::timestamptz - interval '60 s' as is`
    return row.is
  }
  const clock = async () => {
    const [row] = await sql<[{ at: string }]>`select clock_timestamp()::text as at`
    return row.at
  }

  test.each([
    ['a transaction', 'begin', 'commit'],
    [
      'a prepared transaction',
      `begin; insert into still.child (i) values (1); prepare transaction 'still'`,
      `rollback prepared 'still'`,
    ],
  ])('by %s', async (_, open, close) => {
    const session = await sql.reserve()
    await session.unsafe(open)
    const at = await clock()
    expect(await isBefore(at)).toBe(true)
    await session.unsafe(close)
    session.release()
    expect(await isBefore(at)).toBe(false)
  })

  test('by a procedure that commits while it works', async () => {
    await sql.unsafe(`
      create or replace procedure still.work() language plpgsql as $$ begin
        insert into still.child (i) values (1); commit; perform pg_advisory_lock(4711); perform pg_advisory_unlock(4711); end $$`)
    const gate = await sql.reserve()
    await gate`select pg_advisory_lock(4711)`
    const working = sql`call still.work()`.execute()
    await until(
      'the procedure has committed',
      async () => (await sql`select from still.child where i = 1`).length,
    )
    expect(await isBefore(await clock())).toBe(true)
    await gate`select pg_advisory_unlock(4711)`
    gate.release()
    await working
  })

  test('by a session that commits and is in the next transaction at once, until it is idle', async () => {
    const session = await sql.reserve()
    await session.unsafe('begin; insert into still.child (i) values (2)')
    await session.unsafe('commit and chain')
    const at = await clock()
    await session.unsafe('commit and chain')
    await session.unsafe('commit; begin').simple()
    expect(await isBefore(at)).toBe(true)
    const [hidden] = await sql`
      select h.since = a.backend_start as since from viewkeeper.hiding() h join pg_stat_activity a using (pid)`
    expect(hidden).toEqual({ since: true })
    await session.unsafe('commit')
    session.release()
    expect(await isBefore(at)).toBe(false)
  })

  test('by a session that shows nothing of itself, by rights that are missing, or because nothing is counted', async () => {
    const hidden = await sql.reserve()
    await hidden.unsafe('set track_activities = off')
    expect(await isBefore(await clock())).toBe(true)
    await hidden.unsafe('reset track_activities')
    hidden.release()
    const asRole = (role: string) =>
      sql.begin(async (its) => {
        await its.unsafe(`set local role ${role}`)
        return (await its`select viewkeeper.horizon() is null as blind`)[0]?.blind
      })
    await sql.unsafe(
      'create role still_writer; create procedure still.silent() language sql as $$ delete from still.child $$',
    )
    await sql.unsafe('create role still_looker; grant usage on schema viewkeeper to still_looker')
    expect(await asRole('still_looker')).toBe(true)
    await sql.unsafe('grant pg_read_all_stats to still_looker')
    expect(await asRole('still_looker')).toBe(false)
    await sql.unsafe('alter role still_looker set track_counts = off')
    expect(await horizon()).toBeNull()
    await sql.unsafe('drop owned by still_looker; drop role still_looker')
    expect(await horizon()).not.toBeNull()
    for (const [uncounted, counted] of [
      ['alter procedure still.silent set track_counts = off', 'alter procedure still.silent reset all'],
      [
        'grant set on parameter track_counts to still_writer',
        'revoke set on parameter track_counts from still_writer',
      ],
    ] as const) {
      await sql.unsafe(uncounted)
      expect(await horizon()).toBeNull()
      await sql.unsafe(counted)
      expect(await horizon()).not.toBeNull()
    }
    await sql.unsafe('drop role still_writer')
  })
})

test.each([
  ['a table with row security', 'select i from still.guarded'],
  ['the clock', 'select i, now() from still.t'],
  ['a sequence', 'select last_value from still.counter'],
  ['the catalog', 'select i, (select count(*) from pg_catalog.pg_class) from still.t'],
  ['a foreign table', 'select i from still.abroad'],
  ['a function whose reads nobody knows', 'select still.peek()'],
  ['names in an array', 'select names from still.odd_types'],
  ['names in an attribute', 'select pair from still.odd_types'],
  ['names in a whole row', 'select row_to_json(o) from still.odd_types o'],
  ['a zone that depends on the date', `select at_night at time zone 'Europe/Berlin' from still.odd_types`],
  ['the place of a row', 'select ctid as place from still.t'],
  ['who wrote a row', 'select xmin::text as writer from still.t'],
])('a view that reads %s is always refreshed', async (_, query) => {
  await sql.unsafe(
    `drop materialized view if exists still.odd; create materialized view still.odd as ${query} with no data`,
  )
  expect(await notKnown('still.odd')).toMatch(/^(it|its query) /)
})

test('documents of rows, and the table of a row, are proved, too', async () => {
  await sql.unsafe(`
    create materialized view still.documents as
      select tableoid::int as part, json_agg(p) as j, jsonb_agg(n) as b, json_object_agg(i, n) as o, jsonb_object_agg(i, n) as p from still.p group by 1`)
  expect(await notKnown('still.documents')).toBeNull()
})
