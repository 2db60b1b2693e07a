import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { refresh } from '../../../../src/run/refresh.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../../support/views/batches.ts'

const { database, sql, url, as } = useDatabase()
const suffix = url.slice(-8)
const [boss, other, login] = [`boss_${suffix}`, `other_${suffix}`, `login_${suffix}`]

beforeAll(async () => {
  await sql.unsafe(`
    create role ${boss}; create role ${other}; create role ${login} login password 'secret';
    grant ${boss}, ${other} to ${login}; grant usage, create on schema public to ${boss}, ${other};
    grant usage on schema viewkeeper to ${login};
    grant select, insert, update on all tables in schema viewkeeper to ${login};
    create function forbid() returns event_trigger language plpgsql as $$
      begin raise exception 'nobody seals here'; end $$;
    create event trigger forbid on ddl_command_start when tag in ('DROP FUNCTION') execute function forbid();
    alter event trigger forbid disable`)
})

beforeEach(async () => {
  await sql.unsafe(`
    drop table if exists base cascade; create table base as select generate_series(1, 9) as id, 1 as b;
    grant select on base to ${boss};
    create materialized view mv as select id, b from base; alter materialized view mv owner to ${boss};
    insert into base values (10, 1)`)
})

const rows = async () => (await sql`select count(*)::int from mv`)[0]?.count

/** Nobody may drop a function meanwhile, as a swap has to: only the server can know that. */
async function whileForbidden<T>(work: () => Promise<T>): Promise<T> {
  await sql`alter event trigger forbid enable`
  try {
    return await work()
  } finally {
    await sql`alter event trigger forbid disable`
  }
}

describe('if a swap turns out to be impossible on the way', () => {
  test.each([
    ['concurrent', 'create unique index mv_key on mv (id)', 'there is unique index mv_key'],
    ['regular', 'select', 'there is no usable unique index'],
  ])('auto is %s instead, in the same run, and says why', async (strategy, index, reason) => {
    await sql.unsafe(index)
    const result = await whileForbidden(() => refresh({ view: 'mv' }, callOn(database)))
    expect(result).toMatchObject({
      status: 'updated',
      response: {
        strategy,
        because: `${reason}, and the view cannot be swapped: a swap was tried and failed (nobody seals here)`,
        sql: [expect.stringMatching(/^refresh materialized view/)],
        attempts: 1,
      },
    })
    expect(result.error).toBeUndefined()
    expect(await rows()).toBe(10)
    expect(await sql`select from viewkeeper.runs where view_name = 'mv' and status <> 'success'`).toEqual([])
  })

  const events = ['ddl_command_start', 'ddl_command_end', 'sql_drop']
  test.each(events)('auto is another way if a trigger on %s refuses a drop', async (event) => {
    await sql.unsafe(
      `create event trigger keeps on ${event} when tag in ('DROP MATERIALIZED VIEW') execute function forbid()`,
    )
    try {
      expect(await refresh({ view: 'mv' }, callOn(database))).toMatchObject({
        status: 'updated',
        response: { strategy: 'regular', because: expect.stringContaining('(nobody seals here)') },
      })
    } finally {
      await sql`drop event trigger keeps`
    }
    expect(await rows()).toBe(10)
  })

  test('auto falls back if the shadow would differ, and says in what', async () => {
    await sql.unsafe(`
      create function comment_it() returns event_trigger language plpgsql as $$
        declare shadow text;
        begin
          for shadow in select object_identity from pg_event_trigger_ddl_commands() where object_identity ~ '^public.viewkeeper_[0-9]+$' loop
            execute format('comment on materialized view %s is %L', shadow, 'another');
          end loop;
        end $$;
      create event trigger comment_it on ddl_command_end when tag in ('CREATE MATERIALIZED VIEW') execute function comment_it()`)
    try {
      const result = await refresh({ view: 'mv' }, callOn(database))
      expect(result).toMatchObject({
        status: 'updated',
        response: { strategy: 'regular', because: expect.stringContaining('They differ in: view (comment)') },
      })
    } finally {
      await sql`drop event trigger comment_it`
    }
    expect(await rows()).toBe(10)
  })

  test('a batch goes on as well, without another attempt', async () => {
    const batchId = await begin(database, { views: ['mv'] })
    expect(await whileForbidden(() => advanceToEnd(database, batchId))).toMatchObject({ status: 'success' })
    const runs = await sql`
      select status, attempt, meta #>> '{response,strategy}' as strategy from viewkeeper.runs where batch_id = ${batchId}`
    expect(runs).toEqual([{ status: 'success', attempt: 1, strategy: 'regular' }])
  })

  test('a swap that was asked for fails, and readers keep the old data', async () => {
    const result = await whileForbidden(() => refresh({ view: 'mv', strategy: 'swap' }, callOn(database)))
    expect(result).toMatchObject({ status: 'error', error: { message: 'nobody seals here' } })
    expect(await rows()).toBe(9)
  })

  test('a failure of the query itself is no reason to try in another way', async () => {
    await sql.unsafe(`
      create sequence tries; grant usage on sequence tries to ${boss};
      drop materialized view mv;
      create materialized view mv as select id / b as id, b from base where nextval('tries') > 0;
      alter materialized view mv owner to ${boss}; insert into base values (11, 0)`)
    const before = (await sql`select last_value::int as n from tries`)[0]?.n
    const result = await refresh({ view: 'mv' }, callOn(database))
    expect(result).toMatchObject({
      status: 'error',
      error: { sqlstate: '22012' },
      response: { strategy: 'swap' },
    })
    const after = (await sql`select last_value::int as n from tries`)[0]?.n
    expect(after - before).toBeLessThanOrEqual(11)
  })

  test('the failure of the other way is recorded, with the reason for it', async () => {
    await sql.unsafe(`
      create function broken(integer) returns integer language plpgsql as $$ begin return 1 / ($1 - $1); end $$;
      drop materialized view mv; create materialized view mv as select broken(id) as id from base with no data;
      create materialized view filled as select 1 as id`)
    await sql.unsafe(`create or replace function broken(integer) returns integer language plpgsql as $$ begin return $1; end $$;
      refresh materialized view mv;
      create or replace function broken(integer) returns integer language plpgsql as $$ begin return 1 / ($1 - $1); end $$`)
    const result = await whileForbidden(() => refresh({ view: 'mv' }, callOn(database)))
    expect(result).toMatchObject({
      status: 'error',
      error: { class: 'ViewSqlFailed', sqlstate: '22012' },
      response: { strategy: 'regular', because: expect.stringContaining('nobody seals here') },
    })
  })
})

describe('extended statistics of another owner', () => {
  test.each([
    ['the owner of the view', boss],
    ['another role', other],
    ['the superuser who refreshes', 'postgres'],
  ])('that belong to %s do not keep a superuser from swapping', async (_, owner) => {
    await sql.unsafe(`
      create statistics mv_plain on id, b from mv; create statistics mv_sum (mcv) on (id + b), b from mv;
      alter statistics mv_sum set statistics 77; comment on statistics mv_sum is 'sums';
      alter statistics mv_plain owner to ${owner}; alter statistics mv_sum owner to ${owner}`)
    const statistics = () => sql`
      select stxname, stxowner::regrole::text, pg_get_statisticsobjdef(oid), stxstattarget::int, obj_description(oid, 'pg_statistic_ext')
        from pg_statistic_ext where stxrelid = 'mv'::regclass order by 1`
    const before = await statistics()
    expect(before).toHaveLength(2)
    expect(await refresh({ view: 'mv' }, callOn(database))).toMatchObject({
      status: 'updated',
      response: { strategy: 'swap' },
    })
    expect(await statistics()).toEqual(before)
  })

  test('that we may not touch leave auto another way', async () => {
    await sql.unsafe(
      'create statistics mv_plain on id, b from mv; alter statistics mv_plain owner to postgres',
    )
    expect(await refresh({ view: 'mv' }, callOn(as(login).database))).toMatchObject({
      status: 'updated',
      response: {
        strategy: 'regular',
        because: expect.stringContaining('public.mv_plain belong to postgres'),
      },
    })
  })
})
