import { describe, expect, test } from 'vitest'
import { cancel } from '../../../src/run/cancel.ts'
import { getRun } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { doctor } from '../../../src/watch/doctor.ts'
import { pauseView } from '../../../src/watch/pause.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { describeInCatalog } from '../../support/catalog/catalog.ts'
import { deep } from '../../support/deep.ts'
import { deleteRows, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'

const { database, sql, url, as } = useDatabase()
const suffix = url.slice(-8)

const swap = (view: string, options = {}) => refresh({ view, strategy: 'swap', ...options }, callOn(database))

/** A table, a view of it, a plain view over that, a view that reads both, and a plain view above all. */
async function makeGroup(schema: string, { above = 'with data' } = {}): Promise<void> {
  await sql.unsafe(`
    create schema ${schema};
    create table ${schema}.t (id int, v int);
    insert into ${schema}.t values (1, 1), (2, 2);
    create materialized view ${schema}.below as select id, v from ${schema}.t;
    create view ${schema}.between with (security_barrier) as select id, v * 2 as w from ${schema}.below where v > 0;
    create materialized view ${schema}.above as
      select sum(w)::int as total, max(below.id) as most from ${schema}.between join ${schema}.below using (id) ${above};
    create view ${schema}.outside as select total from ${schema}.above where exists (select from ${schema}.below);
    insert into ${schema}.t values (3, 3)`)
}

const runsOf = (schema: string) =>
  sql`select view_name, status, group_run_id is null as leads, error ->> 'class' as class, duration_ms is not null as timed
        from viewkeeper.runs where schema_name = ${schema} order by id`

const leftovers = () => sql`
  select nspname as name from pg_namespace where nspname like 'viewkeeper\\_%'
  union all select relname from pg_class where relname like 'viewkeeper\\_%'`

describe('a view that others read', () => {
  test('is rebuilt together with them, each with a run of its own, and everything else stays as it was', async () => {
    await makeGroup('simple')
    const before = await Promise.all(['below', 'between', 'above'].map((name) => describe_(name)))
    const result = await swap('simple.below', {})
    expect(result).toMatchObject({
      status: 'updated',
      response: {
        strategy: 'swap',
        because: 'requested, together with the view that reads it (simple.above)',
        group: [{ view: 'simple.above', runId: expect.any(Number) }],
        rowCountAfter: 3,
      },
    })
    expect(await sql`select total from simple.outside`).toEqual([{ total: 12 }])
    expect(await runsOf('simple')).toEqual([
      { view_name: 'below', status: 'success', leads: true, class: null, timed: true },
      { view_name: 'above', status: 'success', leads: false, class: null, timed: true },
    ])
    expect(await getRun(database, result.response.group?.[0]?.runId as number)).toMatchObject({
      meta: {
        response: {
          because: `it reads simple.below, and was refreshed together with it (run ${result.runId})`,
        },
      },
    })
    expect(await Promise.all(['below', 'between', 'above'].map((name) => describe_(name)))).toEqual(before)
    expect(await leftovers()).toEqual([])

    /** Without OIDs of dependents, which are rebuilt, too. */
    async function describe_(name: string) {
      const { dependents, ...rest } = await describeInCatalog(sql, `simple.${name}`)
      return rest
    }
  })

  test('is swapped alone if they read it only through plain views, which keep their OIDs', async () => {
    await sql.unsafe(`
      create schema through; create materialized view through.below as select 1 as id;
      create view through.between as select id from through.below;
      create materialized view through.above as select id from through.between`)
    const result = await swap('through.below')
    expect(result.response.group).toBeUndefined()
    expect(result).toMatchObject({ status: 'updated', response: { strategy: 'swap', because: 'requested' } })
  })
})

describe('auto', () => {
  test('rebuilds the group if there is no other way to spare readers, and says with what', async () => {
    await makeGroup('keyless')
    const result = await refresh({ view: 'keyless.below' }, callOn(database))
    expect(result).toMatchObject({
      status: 'updated',
      response: {
        strategy: 'swap',
        because: expect.stringMatching(/together with the view that reads it \(keyless\.above\): .* MB/),
      },
    })
  })

  test('compares with a concurrent refresh: by sizes first, by history later', deep, async () => {
    await makeGroup('weighed')
    await sql.unsafe(`
      create unique index on weighed.below (id);
      insert into weighed.t select i, i from generate_series(4, 3000) i;
      create materialized view weighed.large as
        select b.id, repeat('x', 1000) as text from weighed.below b, generate_series(1, 30)`)
    await sql`refresh materialized view weighed.below`
    await sql`refresh materialized view weighed.large`
    await sql`vacuum weighed.below, weighed.large`.catch(() => sql`analyze`)
    const first = await refresh({ view: 'weighed.below' }, callOn(database))
    expect(first.response).toMatchObject({
      strategy: 'concurrent',
      because: expect.stringMatching(
        /^there is unique index .*, and to rebuild weighed\.above, weighed\.large, too, costs more: together they have \d+/,
      ),
    })
    const swapped = await swap('weighed.below')
    expect(swapped).toMatchObject({ status: 'updated' })
    await updateRows(sql, 'runs', { id: swapped.runId }, { durationMs: 2000 })
    await updateRows(sql, 'runs', { id: first.runId }, { durationMs: 9000 })
    const second = await refresh({ view: 'weighed.below' }, callOn(database))
    expect(second.response).toMatchObject({
      strategy: 'swap',
      because: expect.stringMatching(/that usually takes 2\.0 s, and a concurrent refresh 9\.0 s$/),
    })
  })

  test.each([
    ['an index', "create index on impossible.above ((total + 'impossible.above'::regclass::oid::int8))"],
    [
      'a statistics object',
      "create statistics impossible.names_it on (total + 'impossible.above'::regclass::oid::int8), most from impossible.above",
    ],
  ])('goes on in place in the same run if the group turns out to be impossible: %s', async (_, made) => {
    await sql`drop schema if exists impossible cascade`
    await deleteRows(sql, 'runs', { schemaName: 'impossible' })
    await makeGroup('impossible')
    await sql.unsafe(made)
    const result = await refresh({ view: 'impossible.below' }, callOn(database))
    expect(result).toMatchObject({ status: 'updated', response: { strategy: 'regular' } })
    expect(await runsOf('impossible')).toMatchObject([
      { view_name: 'below', status: 'success' },
      { view_name: 'above', status: 'skipped' },
    ])
    expect(await leftovers()).toEqual([])
  })
})

describe('all members succeed together, or none', () => {
  test('a member that fails is named, and nothing is exchanged', async () => {
    await makeGroup('failing')
    await sql`create unique index only_total on failing.above (total)`
    await sql.unsafe(
      `create materialized view failing.top as select 1 / (total - 12) as x from failing.above`,
    )
    const result = await swap('failing.below')
    expect(result).toMatchObject({
      status: 'error',
      error: { class: 'ViewSqlFailed', message: expect.stringMatching(/^failing\.top: /) },
    })
    expect(await runsOf('failing')).toMatchObject([
      { view_name: 'below', status: 'failed' },
      { view_name: 'above', status: 'skipped', class: null },
      { view_name: 'top', status: 'failed', class: 'ViewSqlFailed' },
    ])
    expect(await sql`select count(*)::int from failing.below`).toEqual([{ count: 2 }])
    expect(await leftovers()).toEqual([])
  })

  test('the view whose query fails is to blame, and none that reads it', async () => {
    await makeGroup('blamed')
    await sql.unsafe(`
      create materialized view blamed.wrong as select id, 6 / (4 - v) as x from blamed.t;
      create materialized view blamed.reader as select count(*) from blamed.wrong;
      insert into blamed.t values (4, 4)`)
    const states = async () => {
      const { views } = await listViews(database)
      return Object.fromEntries(
        views.filter(({ schema }) => schema === 'blamed').map(({ name, state }) => [name, state]),
      )
    }
    const before = await states()
    const result = await swap('blamed.wrong')
    expect(result).toMatchObject({ status: 'error', error: { class: 'ViewSqlFailed' } })
    expect(await runsOf('blamed')).toMatchObject([
      { view_name: 'wrong', status: 'failed', class: 'ViewSqlFailed' },
      { view_name: 'reader', status: 'skipped', class: null },
    ])
    expect(await states()).toEqual({ ...before, wrong: 'failed' })
  })

  test('a violated unique index of a member is named', async () => {
    await makeGroup('violated')
    await sql.unsafe(`
      create materialized view violated.halves as select id / 2 as half from violated.below;
      create unique index by_half on violated.halves (half)`)
    expect(await swap('violated.below')).toMatchObject({
      error: {
        message: 'violated.halves: unique violation in index by_half (half) (23505)'.replace(' (23505)', ''),
      },
    })
  })

  test('to cancel the run of any member cancels all', async () => {
    await sql`create schema canceling`
    await makeGatedView(sql, 'canceled_below')
    await sql`create materialized view canceled_above as select id from canceled_below`
    const result = await withGateClosed(sql, 'canceled_below', async (open) => {
      const answer = swap('canceled_below')
      await untilAtGate(sql, 'canceled_below')
      const [run] = await sql`select id, status from viewkeeper.runs where view_name = 'canceled_above'`
      expect(run?.status).toBe('running')
      await cancel(run?.id, { database, requestedBy: 'test', waitUntil: 0 })
      await open()
      return answer
    })
    expect(result).toMatchObject({ status: 'error', error: { class: 'Canceled' } })
    expect(await sql`select status from viewkeeper.runs where view_name like 'canceled_%'`).toEqual([
      { status: 'canceled' },
      { status: 'canceled' },
    ])
  })

  test('a run of one member keeps others from beginning, and is named', async () => {
    await makeGatedView(sql, 'busy_above')
    await sql.unsafe(`create materialized view busy_below as select 1 as id`)
    await sql`drop materialized view busy_above`
    await sql`create materialized view busy_above as select b.id from busy_below b, busy_above_gate()`
    await sql`create unique index on busy_above (id)`
    const [first, second] = await withGateClosed(sql, 'busy_above', async (open) => {
      const running = refresh({ view: 'busy_above', strategy: 'concurrent' }, callOn(database))
      await untilAtGate(sql, 'busy_above')
      const refused = await refresh(
        { view: 'busy_below', strategy: 'swap' },
        callOn(database, { waitUntil: Date.now() + 1000 }),
      )
      await open()
      return [await running, refused]
    })
    expect(first).toMatchObject({ status: 'updated' })
    expect(second).toMatchObject({
      status: 'skipped',
      error: { class: 'AlreadyRunning', runningRunId: first.runId },
    })
    const [member] = await sql`select status from viewkeeper.runs where group_run_id = ${second.runId}`
    expect(member?.status).toBe('skipped')
  })
})

describe('refusals', () => {
  test('a paused member is left alone, also by a request with force', async () => {
    await makeGroup('paused')
    await pauseView(database, 'paused.above', true, 'test')
    for (const request of [{}, { force: true }])
      expect(await swap('paused.below', request)).toMatchObject({
        error: {
          class: 'SwapImpossible',
          message: expect.stringMatching(/paused\.above, which reads it, is paused/),
        },
      })
    await pauseView(database, 'paused.above', false, 'test')
    expect(await swap('paused.below')).toMatchObject({ status: 'updated' })
  })

  test('a login that acts as its owners, but may not look into the schema of one, is told nothing: the group is exchanged', async () => {
    const [login, one, two] = ['acting', 'one', 'two'].map((name) => `${name}_${suffix}`) as [
      string,
      string,
      string,
    ]
    await sql.unsafe(`
      create role ${one}; create role ${two};
      create role ${login} login noinherit password 'secret'; grant ${one}, ${two} to ${login};
      create schema acts authorization ${one}; create schema acts_above authorization ${two};
      grant usage on schema acts to ${login}, ${two}; grant create on database ${new URL(url).pathname.slice(1)} to ${login}, ${one}, ${two};
      grant usage on schema viewkeeper to ${login}; grant all on all tables in schema viewkeeper to ${login};
      create materialized view acts.v as select 1 as id; alter materialized view acts.v owner to ${one};
      grant select on acts.v to ${two};
      create materialized view acts_above.c as select id from acts.v; alter materialized view acts_above.c owner to ${two}`)
    expect(await refresh({ view: 'acts.v', strategy: 'swap' }, callOn(as(login).database))).toMatchObject({
      status: 'updated',
    })
    expect(
      await sql`select r.view_name, r.touched = c.xmin::text as same from viewkeeper.runs r join pg_class c on c.relname = r.view_name
                 where r.schema_name like 'acts%' and r.status = 'success' and c.relkind = 'm' order by 1`,
    ).toEqual([
      { view_name: 'c', same: true },
      { view_name: 'v', same: true },
    ])
  })

  test('a login that may not make schemas is told the grant, and auto finds another way', async () => {
    const login = `schemaless_${suffix}`
    await makeGroup('narrow')
    await sql.unsafe(`
      create role ${login} login password 'secret';
      grant all on schema narrow, viewkeeper to ${login}; grant all on all tables in schema narrow, viewkeeper to ${login};
      grant all on all sequences in schema viewkeeper to ${login};
      alter materialized view narrow.below owner to ${login}; alter materialized view narrow.above owner to ${login};
      alter view narrow.between owner to ${login}; alter view narrow.outside owner to ${login};
      create unique index on narrow.below (id)`)
    const other = as(login)
    expect(await refresh({ view: 'narrow.below' }, callOn(other.database))).toMatchObject({
      status: 'updated',
      response: {
        strategy: 'concurrent',
        because: expect.stringMatching(/\w+ may not make the schemas for their rebuild in database/),
      },
    })
    const { missing } = await doctor(database, { views: ['narrow.below'], role: login })
    expect(missing.map(({ sql: text }) => text)).toContainEqual(
      expect.stringMatching(new RegExp(`^grant create on database .* to ${login};$`)),
    )
  })
})
