import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { migrate } from '../../../src/own-schema/apply.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { getRun } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Database } from '../../../src/server/database.ts'
import { deep } from '../../support/deep.ts'
import { killClientWhen } from '../../support/processes/killed-client.ts'
import { define, insertRow, updateRows } from '../../support/record/rows.ts'
import { administrator, callOn, schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { startTestServer } from '../../support/servers/test-server.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { untilToldToComeBack } from '../../support/waiting/told.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url, as } = useDatabase()
const call = (changes = {}) => callOn(database, changes)
const runs = (view: string) =>
  sql`select status, error from viewkeeper.runs where view_name = ${view} order by id`

describe('a refresh', () => {
  test('of any view in the catalog works, and registers it', async () => {
    await sql`create table base as select generate_series(1, 5) as id`
    await sql`create materialized view plain as select * from base`
    await sql`insert into base values (6)`
    expect(await refresh({ view: 'plain', strategy: 'regular' }, call())).toEqual({
      runId: expect.any(Number),
      view: 'public.plain',
      operation: 'refresh',
      status: 'updated',
      request: { view: 'plain', strategy: 'regular' },
      response: {
        view: 'public.plain',
        strategy: 'regular',
        because: 'requested',
        sql: ['refresh materialized view "public"."plain"'],
        attempts: 1,
        lockedMs: expect.any(Number),
        fillMs: expect.any(Number),
        rowCountBefore: null,
        rowCountAfter: 6,
        durationMs: expect.any(Number),
      },
    })
    const [definition] =
      await sql`select source, refresh_strategy from viewkeeper.definitions where name = 'plain'`
    expect(definition).toEqual({ source: 'discovered', refresh_strategy: 'auto' })
  })

  test('by auto is regular while the last ten regular ones were short by their median, and spares readers until half the limit is enough', async () => {
    await sql`create materialized view brief as select 1 as id`
    const quick = callOn(connectTo(fromUrl(url), { regularUpToMs: 10 }))
    const refreshed = async (calling = quick) =>
      (await refresh({ view: 'brief' }, calling)).response?.strategy
    /** How long the last so many refreshes by a strategy took. */
    const took = (strategy: string, times: Record<'lockedMs' | 'fillMs', number>, last = 20) => {
      const ids = sql`any (array(
        select id from viewkeeper.runs
         where view_name = 'brief' and meta #>> '{response,strategy}' = ${strategy} order by id desc limit ${last}))`
      const meta = sql`jsonb_set(meta, '{response}', meta -> 'response' || ${sql.json(times)})`
      return updateRows(sql, 'runs', { id: ids }, { meta })
    }
    expect(await refreshed()).toBe('swap')
    await took('swap', { lockedMs: 4, fillMs: 6 })
    expect(await refreshed()).toBe('swap')
    await took('swap', { lockedMs: 4, fillMs: 5 })
    expect(await refreshed(call())).toBe('swap')
    await took('swap', { lockedMs: 4, fillMs: 5 })
    for (let times = 0; times < 4; times++) {
      expect(await refreshed()).toBe('regular')
      await took('regular', { lockedMs: 9, fillMs: 3 })
    }
    await took('regular', { lockedMs: 900, fillMs: 800 }, 1)
    expect(await refreshed()).toBe('regular')
    await took('regular', { lockedMs: 12, fillMs: 11 }, 4)
    expect(await refreshed()).toBe('swap')
    await took('regular', { lockedMs: 9, fillMs: 3 })
    await took('swap', { lockedMs: 4, fillMs: 5 })
    expect(await refreshed()).toBe('swap')
    await took('swap', { lockedMs: 13, fillMs: 11 })
    expect(await refreshed()).toBe('regular')
  })

  test('records how long it locked readers out: for all of a regular refresh, for the exchange of a swap, else not', async () => {
    await sql`create materialized view waited as select 1 as id from pg_sleep(0.5)`
    await sql`create unique index on waited (id)`
    const times = async (strategy: 'regular' | 'swap' | 'concurrent') =>
      (await refresh({ view: 'waited', strategy }, call())).response
    const regular = await times('regular')
    expect(regular.fillMs).toBeGreaterThanOrEqual(500)
    expect(regular.lockedMs).toBeGreaterThanOrEqual(regular.fillMs as number)
    const swap = await times('swap')
    expect(swap.fillMs).toBeGreaterThanOrEqual(500)
    // One after the other, each rounded.
    expect(Number(swap.lockedMs) + Number(swap.fillMs)).toBeLessThanOrEqual(Number(swap.durationMs) + 2)
    const concurrent = await times('concurrent')
    expect(concurrent.fillMs).toBeGreaterThanOrEqual(500)
    expect(concurrent.lockedMs).toBeUndefined()
  })

  test('counts what the server has written, and what the last run has left, as long as nobody else has filled the view', async () => {
    await sql.unsafe(`
      create table counted_base as select generate_series(1, 300) as id;
      create materialized view counted as select * from counted_base; create unique index on counted (id)`)
    const rows = async (strategy: 'regular' | 'concurrent' | 'swap') => {
      const { rowCountBefore, rowCountAfter } = (await refresh({ view: 'counted', strategy }, call()))
        .response
      return [rowCountBefore, rowCountAfter]
    }
    expect(await rows('concurrent')).toEqual([null, null])
    expect(await rows('regular')).toEqual([null, 300])
    await sql`delete from counted_base where id > 100`
    await sql`insert into counted_base values (301)`
    expect(await rows('concurrent')).toEqual([300, 101])
    await sql`delete from counted_base where id > 52`
    expect(await rows('regular')).toEqual([101, 52])
    await sql`delete from counted_base where id > 50`
    expect(await rows('swap')).toEqual([52, 50])
    expect(await rows('concurrent')).toEqual([50, 50])
    await sql`delete from counted_base where id > 49`
    await sql`refresh materialized view concurrently counted`
    expect(await rows('concurrent')).toEqual([null, null])
    expect(await rows('swap')).toEqual([null, 49])
    await sql`refresh materialized view counted`
    expect(await rows('swap')).toEqual([null, 49])
    await sql`refresh materialized view concurrently counted`
    expect(await rows('regular')).toEqual([null, 49])
    expect(await rows('regular')).toEqual([49, 49])
  })

  test('fills an unpopulated view, concurrent or not', async () => {
    await sql`create materialized view empty as select 1 as id with no data`
    await sql`create unique index on empty (id)`
    const result = await refresh({ view: 'empty', strategy: 'concurrent' }, call())
    expect(result.response).toMatchObject({ strategy: 'regular', rowCountBefore: null, rowCountAfter: 1 })
    expect(result.response.because).toContain('the view is unpopulated')
  })

  test('is refused and leaves nothing for an unknown view, a table or an unknown id', async () => {
    await sql`create table a_table (id integer)`
    const [before] = await sql`select count(*)::int as runs from viewkeeper.runs`
    await expect(refresh({ view: 'nowhere.nothing' }, call())).rejects.toMatchObject({ code: 'UnknownView' })
    await expect(refresh({ view: 'a_table' }, call())).rejects.toThrow('a_table is a table')
    await expect(refresh({ view: '999999' }, call())).rejects.toMatchObject({ code: 'UnknownView' })
    const [after] = await sql`select count(*)::int as runs from viewkeeper.runs`
    expect(after).toEqual(before)
  })

  test('takes from the definition what the request leaves open', async () => {
    await sql`create materialized view defined as select 1 as id`
    await sql`create unique index on defined (id)`
    await define(sql, 'public.defined', { refresh_strategy: 'regular' })
    expect((await refresh({ view: 'defined' }, call())).response).toMatchObject({
      strategy: 'regular',
      rowCountAfter: 1,
    })
    expect((await refresh({ view: 'defined', strategy: 'auto' }, call())).response.strategy).toBe('swap')
  })
})

describe('waiting', () => {
  test('takes a second connection only for a run that lasts, and does without one if none is free', async () => {
    await makeGatedView(sql, 'lasting')
    await sql.unsafe(`
      create role lone login password 'secret' connection limit 1;
      grant usage on schema viewkeeper to lone; grant create, usage on schema public to lone;
      grant all on all tables in schema viewkeeper to lone;
      alter materialized view lasting owner to lone`)
    const watches = () =>
      sql`select from pg_stat_activity where application_name = 'viewkeeper watching' and datname = current_database()`
    await withGateClosed(sql, 'lasting', async (open) => {
      const watched = refresh({ view: 'lasting', strategy: 'regular' }, call())
      await until('it is watched', async () => (await watches()).length === 1)
      await open()
      expect(await watched).toMatchObject({ status: 'updated' })
      await until('nobody watches any more', async () => (await watches()).length === 0)
    })
    await withGateClosed(sql, 'lasting', async (open) => {
      const alone = refresh({ view: 'lasting', strategy: 'regular' }, callOn(as('lone').database))
      await untilAtGate(sql, 'lasting')
      await pause(600)
      await open()
      expect(await alone).toMatchObject({ status: 'updated' })
    })
    const gone = () => sql`select from pg_stat_activity where usename = 'lone'`
    await until('its only connection is free again', async () => (await gone()).length === 0)
    await withGateClosed(sql, 'lasting', async (open) => {
      // Nobody waits for a second connection, also not a function that would wait for a server that is away.
      const waiting = { answerBy: () => Date.now() + 60_000, onWaited: () => {} }
      const patient = connectTo(fromUrl(as('lone').url), { waiting })
      const goesOn = await refresh(
        { view: 'lasting', strategy: 'regular' },
        callOn(patient, { waitUntil: 0 }),
      )
      expect(goesOn).toMatchObject({ status: 'running', view: 'public.lasting', operation: 'refresh' })
      await untilAtGate(sql, 'lasting')
      await open()
      await until(
        'it ends by itself',
        async () => (await getRun(database, goesOn.runId)).status === 'success',
      )
    })
  })

  test('ends when the caller wants it to, and the run goes on', async () => {
    await makeGatedView(sql, 'long')
    await withGateClosed(sql, 'long', async (open) => {
      const result = await refresh({ view: 'long' }, call({ waitUntil: 0 }))
      expect(result).toMatchObject({ status: 'running' })
      const running = await until('the run is building', async () => {
        const run = await getRun(database, result.runId)
        return run.progress?.phase === 'building' && run // it naps, too
      })
      expect(running).toMatchObject({ status: 'running', progress: { estimatedMs: null } })
      await open()
      await until(
        'it ends by itself',
        async () => (await getRun(database, result.runId)).status === 'success',
      )
    })
  })

  test('does not matter to the run: it succeeds even if its client is killed', deep, async () => {
    await makeGatedView(sql, 'orphaned')
    await withGateClosed(sql, 'orphaned', async (open) => {
      await killClientWhen(url, { view: 'orphaned' }, () => untilAtGate(sql, 'orphaned'))
      await open()
      await until('it ends by itself', async () => (await runs('orphaned'))[0]?.status === 'success')
    })
  })
})

/** Waits until so many requests have found that a run goes on: each leaves a row of its own. */
const haveJoined = (view: string, requests: number) =>
  until(
    `${requests} requests have joined the run of ${view}`,
    async () => (await runs(view)).filter(({ status }) => status === 'skipped').length === requests,
  )

describe('many refreshes of one view', () => {
  test('twenty at once are one run: those who wait get its end, and the others its id', deep, async () => {
    await makeGatedView(sql, 'wanted')
    await withGateClosed(sql, 'wanted', async (open) => {
      const { runId } = await refresh({ view: 'wanted' }, call({ waitUntil: 0 }))
      await untilAtGate(sql, 'wanted')
      expect(await refresh({ view: 'wanted' }, call({ waitUntil: 0 }))).toMatchObject({
        runId,
        status: 'running',
        coalesced: true,
      })
      const others = Array.from({ length: 18 }, () => refresh({ view: 'wanted' }, call()))
      await haveJoined('wanted', 19)
      await open()
      for (const other of await Promise.all(others))
        expect(other).toMatchObject({ runId, status: 'updated', coalesced: true })
    })
    expect(await refresh({ view: 'wanted' }, call())).not.toHaveProperty('coalesced')
  })

  test('who joins a run that fails is told why', async () => {
    await makeGatedView(sql, 'doomed')
    await withGateClosed(sql, 'doomed', async () => {
      const { runId } = await refresh({ view: 'doomed' }, call({ waitUntil: 0 }))
      await untilAtGate(sql, 'doomed')
      const joined = refresh({ view: 'doomed' }, call())
      await haveJoined('doomed', 1)
      await cancel(runId, call())
      expect(await joined).toMatchObject({ runId, status: 'error', error: { class: 'Canceled' } })
    })
  })

  test('a request for another strategy, or for other checks, is refused, with the difference and what to type', async () => {
    await makeGatedView(sql, 'particular')
    await withGateClosed(sql, 'particular', async () => {
      const { runId } = await refresh({ view: 'particular', strategy: 'regular' }, call({ waitUntil: 0 }))
      await untilAtGate(sql, 'particular')
      const refused = async (request: object) => {
        const { status, error } = await refresh({ view: 'particular', ...request }, call())
        expect([status, error?.class, error?.runningRunId]).toEqual(['skipped', 'AlreadyRunning', runId])
        return error?.hint
      }
      expect(await refused({ strategy: 'swap' })).toMatch(/regular, not swap\. .*viewkeeper cancel \d+/)
      expect(await refused({ withoutChecks: true })).toMatch('it makes the checks')
      expect(
        await refresh({ view: 'particular', strategy: 'regular' }, call({ waitUntil: 0 })),
      ).toMatchObject({ runId })
    })
  })

  test('racing from the start: at least one succeeds, nobody fails', deep, async () => {
    await sql`create materialized view raced as select generate_series(1, 20000) as id`
    const results = await Promise.all(Array.from({ length: 20 }, () => refresh({ view: 'raced' }, call())))
    expect(results.filter(({ status }) => status === 'updated').length).toBeGreaterThan(0)
    expect(results.filter(({ status }) => status !== 'updated' && status !== 'skipped')).toEqual([])
  })

  test('a lost run of the view is closed by the next request', async () => {
    await sql`create materialized view revived as select 1 as id`
    await refresh({ view: 'revived' }, call())
    await updateRows(sql, 'runs', { view: 'revived' }, { status: 'running', finishedAt: null })
    expect(await refresh({ view: 'revived' }, call())).toMatchObject({ status: 'updated' })
    expect((await runs('revived')).map(({ status }) => status)).toEqual(['failed', 'success'])
  })
})

describe('an idempotency key', () => {
  const keyed = (idempotencyKey: string, requestedBy = 'me') => call({ idempotencyKey, requestedBy })

  test('makes the same request the same run, at once and later', async () => {
    await sql`create materialized view once as select 1 as id`
    const results = await Promise.all(
      Array.from({ length: 10 }, () => refresh({ view: 'once' }, keyed('k1'))),
    )
    results.push(await refresh({ view: 'once' }, keyed('k1')))
    expect(new Set(results.map(({ runId }) => runId)).size).toBe(1)
    expect(results.every(({ status }) => status === 'updated')).toBe(true)
    expect(await runs('once')).toHaveLength(1)
  })

  test('is refused with another request, and does not count for another caller', async () => {
    const first = await refresh({ view: 'once' }, keyed('k2'))
    await expect(refresh({ view: 'once', strategy: 'regular' }, keyed('k2'))).rejects.toMatchObject({
      code: 'IdempotencyKeyReused',
      details: { runId: first.runId },
    })
    expect((await refresh({ view: 'once' }, keyed('k2', 'you'))).runId).not.toBe(first.runId)
  })

  test('replays a refusal, even after the view is gone', async () => {
    const refused = await refresh({ view: 'once', strategy: 'concurrent' }, keyed('k3'))
    expect(refused.status).toBe('error')
    await sql`drop materialized view once`
    expect(await refresh({ view: 'once', strategy: 'concurrent' }, keyed('k3'))).toEqual(refused)
  })
})

describe('canceling', () => {
  test('ends a running run on the server, and may be repeated', async () => {
    await makeGatedView(sql, 'unwanted')
    await withGateClosed(sql, 'unwanted', async () => {
      const { runId } = await refresh({ view: 'unwanted' }, call({ waitUntil: 0 }))
      await untilAtGate(sql, 'unwanted')
      expect(await cancel(runId, call())).toMatchObject({
        runId,
        status: 'error',
        error: { class: 'Canceled' },
      })
      expect(await getRun(database, runId)).toMatchObject({ status: 'canceled' })
      expect(await cancel(runId, call())).toMatchObject({ error: { class: 'Canceled' } })
    })
  })

  test('ends a run whose server process has missed the first signal', deep, async () => {
    await sql.unsafe(`
      create function deaf() returns integer language plpgsql as $$
        begin
          begin perform pg_advisory_xact_lock(hashtext('deaf')); exception when query_canceled then null; end;
          perform pg_advisory_xact_lock(hashtext('deaf'));
          return 1;
        end $$;
      create materialized view deaf as select deaf() as id with no data`)
    await withGateClosed(sql, 'deaf', async () => {
      const { runId } = await refresh({ view: 'deaf' }, call({ waitUntil: 0 }))
      await untilAtGate(sql, 'deaf')
      expect(await cancel(runId, call())).toMatchObject({
        error: { class: 'Canceled' },
      })
    })
  })

  /** A refresh `over` a database is canceled when `when` has come. Both get the same answer. */
  const cancelGated = (name: string, over: Database, when: () => Promise<unknown>) =>
    withGateClosed(sql, name, async () => {
      const answer = refresh({ view: name }, callOn(over))
      const [{ id }] = await until('the run is running', async () => {
        const found = await sql<[{ id: number }]>`
          select id from viewkeeper.runs where view_name = ${name} and status = 'running'`
        return found.length > 0 && found
      })
      await when()
      const end = { runId: id, status: 'error', error: { class: 'Canceled' } }
      expect(await cancel(id, call())).toMatchObject(end)
      expect(await answer).toMatchObject(end)
    })

  test('is obeyed before a second connection watches the run, and does not wait for that', async () => {
    await makeGatedView(sql, 'hasty')
    const answered = Promise.withResolvers<void>()
    const unwatched: Database = {
      ...database,
      withConnection: async (work, options) => {
        if (options?.startUp?.application_name === 'viewkeeper watching') await answered.promise
        return database.withConnection(work, options)
      },
    }
    await cancelGated('hasty', unwatched, async () => {})
    answered.resolve()
  })

  test('is obeyed when the second connection has just come', async () => {
    await makeGatedView(sql, 'watched')
    await cancelGated('watched', database, () =>
      until('somebody watches', async () => {
        const [row] = await sql<[{ found: boolean }]>`
          select exists (select from pg_stat_activity
                          where datname = current_database() and application_name = 'viewkeeper watching') as found`
        return row.found
      }),
    )
  })

  test('keeps a pending run from ever starting, and is refused for an ended or an unknown run', async () => {
    await sql`create materialized view settled as select 1 as id`
    const { runId } = await refresh({ view: 'settled' }, call())
    await expect(cancel(runId, call())).rejects.toMatchObject({ code: 'RunEnded' })
    await expect(cancel(2147483647, call())).rejects.toMatchObject({ code: 'UnknownRun' })
    const pending = await insertRow(sql, 'runs', { view: 'settled' })
    expect(await cancel(pending.id, call())).toMatchObject({ error: { class: 'Canceled' } })
  })

  test('never ends the recorded process if that is another of the same number', async () => {
    await makeGatedView(sql, 'misnumbered')
    await withGateClosed(sql, 'misnumbered', async (open) => {
      const { runId } = await refresh({ view: 'misnumbered' }, call({ waitUntil: 0 }))
      await untilAtGate(sql, 'misnumbered')
      const bystander = await sql.reserve()
      const [own] = await bystander`select pg_backend_pid() as pid`
      const sleep = bystander`select pg_sleep(0.5)`.execute()
      await updateRows(sql, 'runs', { id: runId }, { backendPid: own?.pid })
      // By its record, nobody works on the run: it is lost. The work of its real process will be undone.
      await expect(cancel(runId, call({ waitUntil: 0 }))).rejects.toMatchObject({ code: 'RunEnded' })
      await expect(sleep).resolves.toHaveLength(1)
      bystander.release()
      await open()
      expect(await getRun(database, runId)).toMatchObject({ status: 'failed', error: { class: 'RunLost' } })
    })
  })
})

describe('locks', () => {
  test('a refresh that waits behind a long reader does not make other readers wait', async () => {
    await sql`create materialized view popular as select 1 as id`
    const reader = await sql.reserve()
    await reader`begin`
    await reader`select * from popular`
    const waiting = refresh({ view: 'popular' }, call())
    // If the refresh queued for its lock, each of these would wait behind it until the long reader is done.
    const others = await sql.reserve()
    await others`set lock_timeout = '30s'`
    await untilToldToComeBack(sql, () => others`select * from popular`)
    await others`reset lock_timeout`
    others.release()
    await reader`commit`
    reader.release()
    const result = await waiting
    expect(result.status).toBe('updated')
    expect(result.response.attempts).toBeGreaterThan(1)
  })

  test('an autovacuum in the way is ended; short lock time-outs alone would never end it', deep, async () => {
    // A server of its own: autovacuum looks at each second, and a configuration that is read again means refresh for all views.
    const server = await startTestServer({ parameters: { autovacuum_naptime: '1s' } })
    const its = administrator(server.url)
    try {
      const vacuumed = connectTo(fromUrl(server.url))
      await migrate(vacuumed, schemaFolder)
      // The autovacuum is slowed down so that it would take minutes. Analyze takes the same lock as vacuum.
      await its.unsafe(`
        create materialized view vacuumed with (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1) as
          select id, repeat('x', 500) as pad from generate_series(1, 30000) as id;`)
      await until(
        'an autovacuum is at work on the view',
        async () =>
          (
            await its`select from pg_stat_activity where backend_type = 'autovacuum worker' and query like '%vacuumed%'`
          ).length,
      )
      expect((await refresh({ view: 'vacuumed' }, callOn(vacuumed))).status).toBe('updated')
    } finally {
      await its.end()
      await server.stop()
    }
  })
})
