import { describe, expect, test } from 'vitest'
import { closeLostRuns } from '../../../../src/record/runs/life.ts'
import { cancel } from '../../../../src/run/cancel.ts'
import { getRun } from '../../../../src/run/read-runs.ts'
import { refresh } from '../../../../src/run/refresh.ts'
import { counts } from '../../../support/counts.ts'
import { deep } from '../../../support/deep.ts'
import { insertRow, updateRows } from '../../../support/record/rows.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../../support/views/slow-view.ts'
import { until } from '../../../support/waiting/until.ts'

const { database, sql, as } = useDatabase()
const call = (changes = {}) => callOn(database, changes)
const keyed = (idempotencyKey: string, changes = {}) => call({ idempotencyKey, ...changes })

describe('an idempotency key', () => {
  test('stays with a run that failed for good, and is not used up if there was no connection', async () => {
    await sql`create table held as select 1 as id`
    await sql`create materialized view waits as select * from held`
    await sql`create materialized view fails as select 1 / (id - id) as x from held with no data`
    const first = await refresh({ view: 'fails' }, keyed('again'))
    expect(first).toMatchObject({ status: 'error', error: { class: 'ViewSqlFailed' } })
    expect((await refresh({ view: 'fails' }, keyed('again'))).runId).toBe(first.runId)

    await sql.unsafe(`
      create role thronged login password 'secret' connection limit 0;
      grant usage on schema viewkeeper to thronged;
      grant all on all tables in schema viewkeeper to thronged;
      grant create on schema public to thronged;
      grant select on held to thronged;
      alter materialized view waits owner to thronged`)
    const thronged = as('thronged').database
    const latest = async () => (await sql`select max(id)::int as id from viewkeeper.runs`)[0]?.id
    const before = await latest()
    await expect(
      refresh({ view: 'waits' }, callOn(thronged, { idempotencyKey: 'later' })),
    ).rejects.toMatchObject({ code: 'TooManyConnections' })
    expect(await latest()).toBe(before)
    // One connection is enough.
    await sql`alter role thronged connection limit 1`
    expect(await refresh({ view: 'waits' }, callOn(thronged, { idempotencyKey: 'later' }))).toMatchObject({
      status: 'updated',
    })
  })

  test('of a run that was never sent: the next request with the key closes the run, and the one after runs', async () => {
    await sql`create materialized view abandoned as select 1 as id`
    const request = { view: 'abandoned' }
    await insertRow(sql, 'runs', {
      view: 'abandoned',
      trigger: 'http',
      caller: 'test',
      idempotencyKey: 'dead',
      meta: { request, response: {} },
      claimBy: sql`clock_timestamp() - interval '1 hour'`,
    })
    expect(await refresh(request, keyed('dead'))).toMatchObject({
      status: 'error',
      error: { class: 'RunLost' },
    })
    expect(await refresh(request, keyed('dead'))).toMatchObject({ status: 'updated' })
  })
})

describe('canceling', () => {
  test('many times at once ends the run, with its record, and leaves no lock', deep, async () => {
    await makeGatedView(sql, 'hammered')
    for (let round = 0; round < counts.storms; round++) {
      await withGateClosed(sql, 'hammered', async () => {
        const { runId } = await refresh({ view: 'hammered' }, call({ waitUntil: 0 }))
        await untilAtGate(sql, 'hammered')
        const results = await Promise.all(Array.from({ length: 4 }, () => cancel(runId, call())))
        for (const result of results)
          expect(result).toMatchObject({ status: 'error', error: { class: 'Canceled', sqlstate: '57014' } })
      })
    }
  })

  test('does not hide a failure of another kind', async () => {
    await makeGatedView(
      sql,
      'doomed',
      'select 1 / (select count(*) - 1 from pg_class where relname = $$doomed_bait$$)::int as id',
    )
    await sql`create table doomed_bait ()`
    await withGateClosed(sql, 'doomed', async (open) => {
      const { runId } = await refresh({ view: 'doomed', strategy: 'regular' }, call({ waitUntil: 0 }))
      await updateRows(sql, 'runs', { id: runId }, { cancelRequestedAt: sql`clock_timestamp()` })
      await open()
      const run = await until('it has failed', async () => {
        const found = await getRun(database, runId)
        return found.finishedAt && found
      })
      expect(run).toMatchObject({ status: 'failed', error: { class: 'ViewSqlFailed', sqlstate: '22012' } })
    })
  })
})

describe("somebody else's functions", () => {
  test('are not executed as our role, even if they fit our calls best', async () => {
    await sql.unsafe(`
      create table evidence (what text);
      grant insert on evidence to public;
      create function public.format(text, name, name) returns text language plpgsql as
        $$ begin insert into public.evidence values ('format ' || current_user); return 'x'; end $$;
      create function public.format(text, integer, text) returns text language plpgsql as
        $$ begin insert into public.evidence values ('format ' || current_user); return 'x'; end $$;
      create function public.to_jsonb(integer) returns jsonb language plpgsql as
        $$ begin insert into public.evidence values ('to_jsonb ' || current_user); return '0'; end $$;
      create function public.has_database_privilege(oid, name, text) returns boolean language plpgsql as
        $$ begin insert into public.evidence values ('has ' || current_user); return true; end $$;
      create materialized view harmless as select 1 as id`)
    for (const strategy of ['regular', 'swap'] as const) {
      expect(await refresh({ view: 'harmless', strategy }, call())).toMatchObject({
        status: 'updated',
      })
    }
    await closeLostRuns(sql)
    expect(await sql`select what from evidence`).toEqual([])
    await sql.unsafe(`
      drop function public.format(text, name, name); drop function public.format(text, integer, text);
      drop function public.to_jsonb(integer); drop function public.has_database_privilege(oid, name, text)`)
  })

  test('that a view calls without a schema are found as before, if the server allows that', async () => {
    const [server] = await sql`select current_setting('server_version_num')::int < 170000 as lets`
    await sql.unsafe(`
      create function helper() returns integer language sql as 'select 7';
      create function caller() returns integer language plpgsql as 'begin return helper(); end';
      create materialized view calling as select caller() as id with no data`)
    const results = [
      await refresh({ view: 'calling', strategy: 'regular' }, call()),
      ...(server?.lets ? [await refresh({ view: 'calling', strategy: 'swap' }, call())] : []),
    ]
    const expected = server?.lets ? { status: 'updated' } : { status: 'error', error: { sqlstate: '42883' } }
    for (const result of results) expect(result).toMatchObject(expected)
  })
})
