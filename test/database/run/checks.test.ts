import { afterEach, describe, expect, test } from 'vitest'
import { run as answered, checkedView } from '../../../src/api/answers.ts'
import { startBatch } from '../../../src/batch/start.ts'
import type { Strategy } from '../../../src/catalog/plan/definition.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readFacts } from '../../../src/record/definitions/state-facts.ts'
import { toldChecks } from '../../../src/resources/run-facts.ts'
import { create } from '../../../src/run/create.ts'
import { getRun, shown } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { checkView } from '../../../src/watch/check.ts'
import { getMetrics } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, readersOf, useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack, callSetAside } from '../../support/views/alter.ts'
import { accountOf, advanceToEnd, begin } from '../../support/views/batches.ts'
import { untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()
const strategies = ['regular', 'concurrent', 'swap']
const run = (view: string, options = {}) => refresh({ view, ...options }, callOn(database))

/** A table of one good row, a view of it with a key, and a bad row that the next refresh would bring. */
async function makeView(schema: string, checks: object, bad = '(2, null)'): Promise<void> {
  await sql.unsafe(`
    create schema ${schema}; create table ${schema}.t (id int, day date); insert into ${schema}.t values (1, '2026-01-01');
    create materialized view ${schema}.v as select * from ${schema}.t; create unique index on ${schema}.v (id);
    insert into ${schema}.t values ${bad}`)
  await define(sql, `${schema}.v`, { checks, retries: 0 })
}

/** What readers that never pause have seen of a query while `work` was going on: each answer once. */
async function seenDuring(query: string, work: () => Promise<unknown>): Promise<unknown[]> {
  const readers = readersOf(url)
  const seen = new Set<string>()
  let goesOn = true
  const read = async () => {
    while (goesOn) seen.add(JSON.stringify(await readers.unsafe(query)))
  }
  const reading = [read(), read()]
  try {
    await until('readers have read', async () => seen.size > 0 || undefined)
    await work()
  } finally {
    goesOn = false
    await Promise.all(reading)
    await readers.end()
  }
  return [...seen].map((text) => JSON.parse(text))
}

/** What is there. A session of a batch has a procedure of its own, which goes with the session soon after the batch. */
const leftovers = () => sql`
  select relname as name from pg_class where relname like 'viewkeeper\\_%'
  union all select proname from pg_proc where proname like 'viewkeeper\\_%'
  union all select nspname from pg_namespace where nspname like 'viewkeeper\\_%'`

afterEach(() => expect.poll(leftovers).toEqual([]))

describe('a check that finds rows', () => {
  eachCase(strategies, { quick: 1 })('holds the new data of a %s refresh back', async (strategy) => {
    const schema = `held_${strategy}`
    await makeView(schema, { notEmpty: true, notNull: ['day'] })
    const seen = await seenDuring(`select count(*)::int as rows from ${schema}.v`, async () => {
      expect(await run(`${schema}.v`, { strategy })).toMatchObject({
        status: 'error',
        error: {
          class: 'CheckFailed',
          message: `check "notNull(day)" holds the new data of ${schema}.v back: readers keep the data from before.`,
          detail: 'Found: 1 row.',
          hint: expect.stringMatching(
            /^To see them, log in as \S+, the owner of the view: with "v" as \([\s\S]*\)\nselect \* from "v" where "day" is null$/,
          ),
        },
      })
    })
    expect(seen).toEqual([[{ rows: 1 }]])
    await run(`${schema}.v`, { strategy })
    const [first, second] =
      await sql`select id, finished_at, error ->> 'hint' as hint from viewkeeper.runs where schema_name = ${schema} order by id`
    const [listed] = (await readFacts(sql, { only: { schema, name: 'v' } })).views
    expect(listed?.checkFailedSince).toEqual(first?.finished_at)
    const why = await getWhy(database, `${schema}.v`, {
      schedules: unscheduled,
      typed: null,
    })
    expect(why.state).toBe('failed')
    expect(why.causes[0]).toMatchObject({
      code: 'CheckFailed',
      text: expect.stringMatching(/before \(the check found 1 row; it has failed since .*\)\.$/),
    })
    expect(why.causes[0]?.next).toBe(`viewkeeper runs ${second?.id}`)
    expect(await sql.unsafe(first?.hint.replace(/^.*?view: /, ''))).toHaveLength(1)
    await sql.unsafe(`update ${schema}.t set day = '2026-01-02' where id = 2`)
    const { runId } = await run(`${schema}.v`, { strategy })
    const checks = [
      { name: 'notEmpty', rows: 0, ms: expect.any(Number) },
      { name: 'notNull(day)', rows: 0, ms: expect.any(Number) },
    ]
    const recorded = answered.parse(
      JSON.parse(JSON.stringify(await shown(await getRun(database, Number(runId))))),
    )
    expect(recorded).toMatchObject({ status: 'success', checks })
    const [{ checksMs } = {}] = await getMetrics(database, { view: `${schema}.v`, windowSeconds: 3600 })
    expect(checksMs).toBe(Math.round(recorded.checks!.reduce((sum, { ms }) => sum + ms, 0)))
  })

  test(
    'shows nothing of a group, whichever member it is about; its queries read the new data of the other members',
    deep,
    async () => {
      await sql.unsafe(`
      create schema grp; create table grp.t (id int); insert into grp.t values (1);
      create materialized view grp.below as select id from grp.t;
      create materialized view grp.above as select sum(id)::int as total from grp.below;
      insert into grp.t values (2)`)
      await define(sql, 'grp.below', { checks: { notEmpty: true }, retries: 0 })
      const check = 'select * from above where total <> (select sum(id) from grp.below)'
      await define(sql, 'grp.above', {
        checks: { adds: check, 'not 3': 'select * from above where total = 3' },
        retries: 0,
      })
      const query = 'select (select max(id) from grp.below) as below, (select total from grp.above) as above'
      const failed = {
        class: 'CheckFailed',
        message: expect.stringContaining('check "not 3" holds the new data of grp.above back'),
      }
      const seen = await seenDuring(query, async () => {
        expect(await run('grp.below', { strategy: 'swap' })).toMatchObject({ status: 'error', error: failed })
        for (const exchange of ['together', 'each'] as const) {
          const batchId = await begin(database, { pattern: 'grp.*', exchange })
          expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
          expect(
            await sql`select error from viewkeeper.runs where batch_id = ${batchId} and view_name = 'above'`,
          ).toMatchObject([{ error: failed }])
          if (exchange === 'together')
            expect((await accountOf(sql, batchId)).statuses.below).toEqual(['skipped'])
        }
      })
      expect(seen).toEqual([[{ below: 1, above: 1 }]])
      await define(sql, 'grp.above', { checks: { adds: check }, retries: 0 })
      expect(await advanceToEnd(database, await begin(database, { pattern: 'grp.*' }))).toMatchObject({
        status: 'success',
      })
      expect(
        await sql`select checks from viewkeeper.runs where status = 'success' and view_name = 'above' and checks is not null`,
      ).toMatchObject([{ checks: [{ name: 'adds', rows: 0 }] }])
      expect(await run('grp.below', { strategy: 'swap' })).toMatchObject({ status: 'updated' })
      const recorded =
        await sql`select view_name, checks from viewkeeper.runs where schema_name = 'grp' order by id desc limit 2`
      expect(recorded).toMatchObject([
        { view_name: 'above', checks: [{ name: 'adds' }] },
        { view_name: 'below', checks: [{ name: 'notEmpty' }] },
      ])
    },
  )

  test('keeps a new view from being made, and only warns if it is to', async () => {
    await sql`create schema fresh`
    const checks = { notEmpty: true }
    await define(sql, 'fresh.v', { sql: 'select 1 as id where false', checks: sql.json(checks) })
    expect(await create({ view: 'fresh.v' }, callOn(database))).toMatchObject({
      status: 'error',
      error: {
        class: 'CheckFailed',
        message: 'check "notEmpty" holds the new data of fresh.v back: the view is not made.',
      },
    })
    expect(await sql`select to_regclass('fresh.v') as view`).toEqual([{ view: null }])
    await define(sql, 'fresh.v', { checks: { ...checks, severity: { notEmpty: 'warn' } } })
    expect(await create({ view: 'fresh.v' }, callOn(database))).toMatchObject({ status: 'created' })
    expect(
      await sql`select checks from viewkeeper.runs where schema_name = 'fresh' and status = 'success'`,
    ).toMatchObject([{ checks: [{ name: 'notEmpty', rows: 1, severity: 'warn' }] }])
  })
})

test.each(strategies)(
  'a %s refresh without checks shows the data, and who asked for it',
  async (strategy) => {
    const schema = `without_${strategy}`
    await makeView(schema, { notNull: ['day'] })
    const { runId } = await refresh(
      { view: `${schema}.v`, strategy: strategy as Strategy, withoutChecks: true },
      { ...callOn(database), trigger: 'http', requestedBy: 'anna' },
    )
    expect(await sql.unsafe(`select count(*)::int as rows from ${schema}.v`)).toEqual([{ rows: 2 }])
    expect(
      await sql`select action, requested_by, request from viewkeeper.actions where run_id = ${Number(runId)}`,
    ).toEqual([
      {
        action: 'without-checks',
        requested_by: 'anna',
        request: { view: `${schema}.v`, strategy, withoutChecks: true },
      },
    ])
  },
)

eachCase(['together', 'each'] as const, { quick: 1 })(
  'a batch without checks (%s) shows its data',
  async (exchange) => {
    const schema = `without_${exchange}`
    await makeView(schema, { notNull: ['day'] })
    await sql.unsafe(
      `create materialized view ${schema}.above as select count(*)::int as rows from ${schema}.v`,
    )
    await define(sql, `${schema}.above`, { checks: { own: 'table above' }, retries: 0 })
    const { batchId } = await startBatch(
      { pattern: `${schema}.*`, strategy: 'swap', exchange, withoutChecks: true },
      { ...callOn(database), trigger: 'http', requestedBy: 'anna' },
    )
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
    expect(await sql.unsafe(`table ${schema}.above`)).toEqual([{ rows: 2 }])
    expect(
      await sql`select meta #> '{request,withoutChecks}' as "withoutChecks" from viewkeeper.runs where batch_id = ${batchId}`,
    ).toEqual([{ withoutChecks: true }, { withoutChecks: true }])
    expect(
      await sql`select action, requested_by from viewkeeper.actions where batch_id = ${batchId}`,
    ).toEqual([{ action: 'without-checks', requested_by: 'anna' }])
  },
)

describe('a test of the data that readers see', () => {
  test('tells of each check what it found, and changes nothing', async () => {
    await makeView('tested', {
      notNull: ['day'],
      gone: 'select gone from v',
      writes: 'select from v where public.tested_write() > 0',
      old: 'select from v where id = 1',
      severity: { old: 'warn' },
    })
    await sql`create function public.tested_write() returns int language sql as 'delete from tested.t returning 1'`
    await run('tested.v', { withoutChecks: true })
    const checked = await checkView(database, 'tested.v')
    expect(checkedView.parse(checked)).toMatchObject({
      view: 'tested.v',
      passes: false,
      checks: [
        { name: 'notNull(day)', rows: 1, error: null, query: 'select * from "v" where "day" is null' },
        { name: 'old', severity: 'warn', rows: 1 },
        { name: 'gone', rows: null, error: { sqlstate: '42703', message: 'undefined column' } },
        { name: 'writes', rows: null, error: { sqlstate: '25006' } },
      ],
    })
    expect(await sql`select count(*)::int as rows from tested.t`).toEqual([{ rows: 2 }])
    await expect.poll(leftovers).toEqual([])
    await define(sql, 'tested.v', { checks: { notEmpty: true } })
    expect(await checkView(database, 'tested.v')).toMatchObject({ passes: true, checks: [{ rows: 0 }] })
    await sql`refresh materialized view tested.v with no data`
    await expect(checkView(database, 'tested.v')).rejects.toMatchObject({
      code: 'ViewSqlFailed',
      message: expect.stringContaining('tested.v holds no data'),
    })
  })
})

describe('the common checks', () => {
  eachCase(
    [
      ['unique', { unique: [['day']] }, "(2, '2026-01-01')", 'unique(day)'],
      ['accepted', { accepted: { id: [1, 3] } }, '(2, null)', 'accepted(id)'],
      ['references', { references: { id: 'common_references.known (id)' } }, '(2, null)', 'references(id)'],
      ['atLeast', { rows: { atLeast: 3 } }, '(2, null)', 'rows'],
      ['freshest', { freshest: { column: 'day', within: '26 h' } }, '(2, null)', 'freshest'],
      [
        'own',
        { 'it\'s "odd" -- ä': 'select \'x;y\' as "?" from v where id = 2 -- the end' },
        '(2, null)',
        'it\'s \\"odd\\" -- ä',
      ],
    ],
    { quick: 3 },
  )('find what is wrong: %s', async (name, checks, bad, check) => {
    const schema = `common_${name.toLowerCase()}`
    await makeView(schema, checks, bad)
    await sql.unsafe(`create table ${schema}.known as select 1 as id`)
    expect(await run(`${schema}.v`)).toMatchObject({
      status: 'error',
      error: { class: 'CheckFailed', message: expect.stringContaining(`check "${check}" holds`) },
    })
  })

  test('compare the number of rows with the last success', async () => {
    await makeView('compared', { rows: { changeAtMost: '50%' } }, "(2, '2026-01-02')")
    expect(await run('compared.v')).toMatchObject({ status: 'updated' })
    await sql`insert into compared.t select generate_series(3, 9)`
    expect(await run('compared.v')).toMatchObject({
      error: { class: 'CheckFailed', detail: expect.stringContaining('Found: 9 rows instead of 1 to 3.') },
    })
    await sql`delete from compared.t where id > 3`
    expect(await run('compared.v')).toMatchObject({ status: 'updated' })
  })
})

describe('a hostile check', () => {
  eachCase(
    [
      ['writes', 'select from v where public.hostile_write() > 0', 'ViewSqlFailed', '25006'],
      ['leaves reading', 'select from v where public.hostile_leave() > 0', 'ViewSqlFailed', undefined],
      ['reads a column that is gone', 'select gone from v', 'ViewSqlFailed', '42703'],
      ['never ends', 'select from v, generate_series(1, 1e12)', 'StatementTimeout', '57014'],
      [
        'is several statements',
        'select 1) as q; delete from public.precious; select (1',
        'ViewSqlFailed',
        undefined,
      ],
    ],
    { quick: 2 },
  )('that %s fails the run by name and changes nothing', async (name, query, error, sqlstate) => {
    await sql.unsafe(`
      create table if not exists public.precious as select 1 as id;
      create or replace function public.hostile_write() returns int language sql as 'delete from public.precious returning 1';
      create or replace function public.hostile_leave() returns int language plpgsql as $$ begin
        set local transaction_read_only = off; delete from public.precious; return 1; end $$`)
    const schema = `hostile_${name.replaceAll(' ', '_')}`
    await makeView(schema, { bad: query })
    const result = await run(`${schema}.v`, { timeoutSeconds: name === 'never ends' ? 10 : 600 })
    expect(result).toMatchObject({
      status: 'error',
      error: {
        class: error,
        message: expect.stringContaining(`${schema}.v, check "bad": `),
        ...(sqlstate && { sqlstate }),
      },
    })
    expect(
      await sql.unsafe(
        `select (select count(*) from public.precious)::int as precious, (select count(*) from ${schema}.v)::int as rows`,
      ),
    ).toEqual([{ precious: 1, rows: 1 }])
  })

  test('finds no operator on a path that others may write', async () => {
    await makeView('operators', { own: 'select from v where id = 2' })
    await sql.unsafe(`
      create function public.never(int, int) returns boolean language sql as 'select false';
      create operator public.= (leftarg = int, rightarg = int, function = public.never)`)
    const [{ path }] = (await sql`select current_setting('search_path') as path`) as unknown as [
      { path: string },
    ]
    // In this database only: other test files connect as the same role.
    const here = `in database ${new URL(url).pathname.slice(1)}`
    await sql.unsafe(`alter role current_user ${here} set search_path = public, pg_catalog`)
    expect(await run('operators.v')).toMatchObject({ error: { class: 'CheckFailed' } })
    await sql.unsafe(`alter role current_user ${here} reset search_path; drop operator public.= (int, int)`)
    expect(path).toBeTruthy()
  })
})

test.each(strategies)(
  'a %s run whose process ends in a check shows and leaves nothing',
  deep,
  async (strategy) => {
    const schema = `ended_${strategy}`
    const waits = `select from v where pg_advisory_xact_lock(hashtext('${schema}')) is null`
    await makeView(schema, { waits })
    const query = `select count(*)::int as rows from ${schema}.v`
    await withGateClosed(sql, schema, async () => {
      const ended = run(`${schema}.v`, { strategy })
      await sql`select pg_terminate_backend(${await untilAtGate(sql, schema)})`
      expect(await ended).toMatchObject({ status: 'error' })
    })
    expect(await sql.unsafe(query)).toEqual([{ rows: 1 }])
    await expect.poll(leftovers).toEqual([])
    expect(await run(`${schema}.v`, { strategy })).toMatchObject({ status: 'updated' })
    expect(await sql.unsafe(query)).toEqual([{ rows: 2 }])
  },
)

test.each(['group', 'batch'])(
  'a %s whose server process ends in the check of its last member shows none of them, and the next attempt shows all at one moment',
  deep,
  async (kind) => {
    const schema = `cut_${kind}`
    await makeView(schema, { notEmpty: true }, "(2, '2026-01-02')")
    await sql.unsafe(
      `create materialized view ${schema}.above as select count(*)::int as rows from ${schema}.v`,
    )
    const waits = `select from above where pg_advisory_xact_lock(hashtext('${schema}')) is null`
    await define(sql, `${schema}.above`, { checks: { waits }, retries: 1, retry_delay_seconds: 0 })
    const refreshBoth = async () =>
      kind === 'group'
        ? run(`${schema}.v`, { strategy: 'swap' })
        : advanceToEnd(database, await begin(database, { pattern: `${schema}.*`, exchange: 'together' }))
    const query = `select (select count(*) from ${schema}.v)::int as below, (select rows from ${schema}.above) as above`
    const seen = await seenDuring(query, async () => {
      const ended = await withGateClosed(sql, schema, async () => {
        const going = refreshBoth()
        await sql`select pg_terminate_backend(${await untilAtGate(sql, schema)})`
        await until('the run has failed', async () => {
          const [failed] =
            await sql`select from viewkeeper.runs where schema_name = ${schema} and status = 'failed'`
          return failed
        })
        expect(await sql.unsafe(query)).toEqual([{ below: 1, above: 1 }])
        return { going }
      })
      expect(await ended.going).toMatchObject({ status: kind === 'group' ? 'error' : 'success' })
      if (kind === 'group') expect(await refreshBoth()).toMatchObject({ status: 'updated' })
    })
    expect(await sql.unsafe(query)).toEqual([{ below: 2, above: 2 }])
    for (const answer of seen)
      expect([[{ below: 1, above: 1 }], [{ below: 2, above: 2 }]]).toContainEqual(answer)
  },
)

describe('put-back and alter', () => {
  const checked = async (schema: string) => {
    await makeView(schema, { notNull: ['day'] })
    return `alter table ${schema}.t alter column id type bigint`
  }

  test('alter changes nothing if a check holds the data back', deep, async () => {
    const widen = await checked('alter_held')
    expect(await refusalOf(callAlter(database, widen))).toMatchObject({
      code: 'CheckFailed',
      message: expect.stringMatching(
        /^check "notNull\(day\)" holds the new data of alter_held\.v back: .*\nFound: 1 row\.\nTo see them, log in as \S+, the owner of the view: with "v" as \(.*alter_held\.t/s,
      ),
    })
    expect(
      await sql`select count(*)::int as rows, pg_typeof(max(id))::text as type from alter_held.v`,
    ).toEqual([{ rows: 1, type: 'integer' }])
    await sql`delete from alter_held.t where day is null`
    await callAlter(database, widen)
    expect(await sql`select pg_typeof(max(id))::text as type from alter_held.v`).toEqual([{ type: 'bigint' }])
    expect(
      await sql`select checks from viewkeeper.runs where schema_name = 'alter_held' and status = 'success'`,
    ).toMatchObject([{ checks: [{ name: 'notNull(day)', rows: 0 }] }])
  })

  test('put-back keeps a view aside whose check finds rows', deep, async () => {
    await checked('put_held')
    await callSetAside(database, ['put_held.t'])
    const back = () => callPutBack(database)
    expect((await back()).misfits).toMatchObject([
      {
        name: 'put_held.v',
        because: expect.stringContaining(
          'check "notNull(day)" holds the new data of put_held.v back: the view stays aside.',
        ),
      },
    ])
    expect(await sql`select to_regclass('put_held.v') as view`).toEqual([{ view: null }])
    expect(
      await sql`select error from viewkeeper.runs where schema_name = 'put_held' and status = 'failed'`,
    ).toEqual([
      {
        error: {
          class: 'CheckFailed',
          message: 'check "notNull(day)" holds the new data of put_held.v back: the view stays aside.',
          detail: 'Found: 1 row.',
          hint: expect.stringMatching(
            /^To see them, log in as \S+, the owner of the view: with "v" as \(.*put_held\.t/s,
          ),
        },
      },
    ])
    await sql`delete from put_held.t where day is null`
    expect((await back()).misfits).toEqual([])
    expect(await sql`select count(*)::int as rows from put_held.v`).toEqual([{ rows: 1 }])
  })
})

describe('check differs', () => {
  const differs = { differs: { atMost: '5%' } }
  const change = (schema: string, rows: number) =>
    sql.unsafe(`update ${schema}.t set day = '2027-02-03' where id <= ${rows}`)

  /** A view of 100 rows, of which a number are to change. */
  async function makeHundred(schema: string, checks: object): Promise<void> {
    await sql.unsafe(`
      create schema ${schema}; create table ${schema}.t (id int, day date); insert into ${schema}.t select i, '2026-01-01' from generate_series(1, 100) i;
      create materialized view ${schema}.v as select * from ${schema}.t; create unique index on ${schema}.v (id)`)
    await define(sql, `${schema}.v`, { checks, retries: 0 })
  }

  test('holds new data back of which more rows differ than allowed, with counts and no rows, and shows what differs less', async () => {
    await makeHundred('most', { ...differs, notEmpty: true })
    await change('most', 3)
    await sql`insert into most.t values (101, '2027-02-03'), (102, '2027-02-03')`
    await sql`delete from most.t where id = 50`
    const seen = await seenDuring(
      'select count(*)::int as rows, max(day)::text as day from most.v',
      async () => {
        expect(await run('most.v')).toMatchObject({
          status: 'error',
          error: {
            class: 'CheckFailed',
            message: 'check "differs" holds the new data of most.v back: readers keep the data from before.',
            detail: 'Found: 6 of 100 rows differ: 2 added, 1 gone, 3 changed. At most 5 % may.',
            hint: 'To see them: viewkeeper diff most.v',
          },
        })
      },
    )
    expect(seen).toEqual([[{ rows: 100, day: '2026-01-01' }]])
    const [{ record } = {}] =
      await sql`select to_jsonb(r)::text as record from viewkeeper.runs r where schema_name = 'most' order by id desc`
    expect(record).not.toContain('2027-02-03')
    const why = await getWhy(database, 'most.v', { schedules: unscheduled, typed: null })
    expect(why.causes[0]).toMatchObject({ code: 'CheckFailed', next: 'viewkeeper diff most.v' })

    await sql`insert into most.t values (50, '2026-01-01')`
    const { runId, ...rest } = await run('most.v')
    expect(rest.response ?? rest).toMatchObject({
      strategy: 'swap',
      because: expect.stringContaining('check "differs"'),
    })
    const recorded = answered.parse(
      JSON.parse(JSON.stringify(await shown(await getRun(database, Number(runId))))),
    )
    const counted = { before: 100, after: 102, added: 2, gone: 0, changed: 3 }
    expect(recorded).toMatchObject({
      status: 'success',
      checks: [{ name: 'notEmpty' }, { name: 'differs', rows: 0, differs: counted }],
    })
    expect(toldChecks(recorded)[1]?.[1]).toMatch(/^of 100 rows 0 gone, 3 changed, 2 added, /)
  })

  test('holds back what is too large to be compared, and says how large it is', async () => {
    await makeHundred('huge', differs)
    await sql`update pg_class set reltuples = 12000000 where oid = 'huge.v'::regclass`
    expect(await run('huge.v')).toMatchObject({
      status: 'error',
      error: {
        class: 'CheckFailed',
        detail:
          'Found: about 12000000 rows, of which at most 10000000 can be compared: write a check of another kind.',
      },
    })
    await define(sql, 'huge.v', { checks: { ...differs, severity: { differs: 'warn' } } })
    const { runId } = await run('huge.v')
    const recorded = answered.parse(
      JSON.parse(JSON.stringify(await shown(await getRun(database, Number(runId))))),
    )
    expect(toldChecks(recorded)[0]?.[1]).toMatch(/^about 12,000,000 rows: too many to be compared, /)
  })

  test('compares nothing with an empty view, in place, and in the test of what readers see', async () => {
    await makeHundred('few', differs)
    await change('few', 100)
    expect(await run('few.v', { strategy: 'concurrent' })).toMatchObject({
      status: 'error',
      error: { class: 'InvalidRequest', message: expect.stringContaining('differs') },
    })
    expect(await run('few.v', { strategy: 'regular', withoutChecks: true })).toMatchObject({
      status: 'updated',
    })
    expect((await checkView(database, 'few.v')).checks).toEqual([])
    await sql`refresh materialized view few.v with no data`
    expect(await run('few.v')).toMatchObject({ status: 'updated', response: { strategy: 'regular' } })
    await sql.unsafe(`create materialized view few.none as select * from few.t where id > 100`)
    await define(sql, 'few.none', { checks: differs, retries: 0 })
    await sql`insert into few.t values (101, null)`
    expect(await run('few.none')).toMatchObject({ status: 'updated', response: { strategy: 'swap' } })
  })

  test('compares each view of a group with its own old rows, and only warns if that is said', async () => {
    await makeHundred('pair', { ...differs, severity: { differs: 'warn' } })
    await sql.unsafe(
      `create materialized view pair.above as select day, count(*) from pair.v group by 1; create unique index on pair.above (day)`,
    )
    await define(sql, 'pair.above', { checks: { differs: { atMost: '150%' } }, retries: 0 })
    await change('pair', 10)
    expect(await run('pair.v', { strategy: 'swap' })).toMatchObject({
      status: 'error',
      error: { detail: 'Found: 2 of 1 rows differ: 1 added, 0 gone, 1 changed. At most 150 % may.' },
    })
    await define(sql, 'pair.above', { checks: { differs: { atMost: '200%' } } })
    const { runId } = await run('pair.v', { strategy: 'swap' })
    expect((await getRun(database, Number(runId))).checks).toMatchObject([
      { name: 'differs', severity: 'warn', rows: 10 },
    ])
  })
})
