import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import { getBatch } from '../../../src/batch/read-batches.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { recordBatchEnd } from '../../../src/record/batches/batches.ts'
import { cancel } from '../../../src/run/cancel.ts'
import { getRun } from '../../../src/run/read-runs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { type Diagnosis, getWhy, type WhyCall } from '../../../src/watch/why.ts'
import { deep } from '../../support/deep.ts'
import { age } from '../../support/record/past.ts'
import { define, deleteRows, emptyTables, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callSetAside } from '../../support/views/alter.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { holdLocks, whileLocked } from '../../support/waiting/holder.ts'
import { muchLater, until } from '../../support/waiting/until.ts'

const { database, sql, url, as } = useDatabase()

beforeEach(async () => {
  await sql.unsafe(`
    drop schema if exists app cascade; create schema app;
    create table app.numbers (n integer); insert into app.numbers values (1);
    create materialized view app.base as select 10 / n as id from app.numbers;
    create unique index on app.base (id);
    create materialized view app.middle as select id from app.base;
    create materialized view app.top as select id from app.middle;
    create unique index on app.top (id)`)
  await emptyTables(sql, 'definitions', 'batches', 'setAside')
  for (const name of ['base', 'middle', 'top']) {
    await define(sql, `app.${name}`, {
      sql: 'select 1',
      retries: 0,
      max_staleness_seconds: 90_000,
      in_all: true,
    })
  }
})
afterEach(() => pauseAll(database, false, 'test'))

const why = (view: string, call: Partial<WhyCall> = {}, from = database) =>
  getWhy(from, view, { schedules: unscheduled, typed: 'production', ...call })
const refreshed = (view: string, options = {}, call = {}) =>
  refresh({ view, strategy: 'regular', ...options }, callOn(database, call))
const codesOf = ({ causes }: Diagnosis) => causes.map(({ code }) => code)
const refreshAll = async () => {
  for (const name of ['base', 'middle', 'top']) await refreshed(`app.${name}`)
}
const isStale = (name: string) =>
  updateRows(sql, 'definitions', { name }, { expectedSince: sql`now() - interval '1 year'` })

test('a view that became slow says so, with what was not as before', async () => {
  await refreshed('app.base')
  const { runId } = await refreshed('app.base')
  await updateRows(sql, 'runs', {}, { durationMs: 90, rowCountAfter: 1000 })
  await updateRows(sql, 'runs', { id: runId }, { durationMs: 54_000, rowCountAfter: 2_000_000 })
  const [cause] = (await why('app.base')).causes.filter(({ code }) => code === 'Slow')
  expect(cause?.text).toBe('app.base took 54 s; it usually takes 0.09 s (rows 2000000, 1000 before).')
})

describe('a view that is well', () => {
  test('is fresh, and no lock or cause is told', async () => {
    await refreshAll()
    expect(await why('app.top')).toMatchObject({
      view: 'app.top',
      state: 'fresh',
      staleMs: expect.any(Number),
      maxStaleMs: 90_000_000,
      lastSuccessAt: expect.any(Date),
      causes: [
        {
          code: 'Well',
          text: expect.stringMatching(/^app\.top is .* old, and may be 25 h old\.$/),
          next: null,
        },
      ],
      locks: [],
      recentRuns: [{ view: 'app.top', status: 'success' }],
    })
  })

  test('has no limit if nobody says how old it may be', async () => {
    await define(sql, 'app.base', { max_staleness_seconds: null })
    await refreshed('app.base')
    const answer = await why('app.base')
    expect([answer.state, codesOf(answer)]).toEqual(['unlimited', ['NotScheduled', 'Well']])
  })

  test('is unknown if nothing has the name, and is meant by its id, too', async () => {
    await expect(why('app.nothing')).rejects.toMatchObject({ code: 'UnknownView' })
    const [row] = await sql`select id from viewkeeper.definitions where name = 'top'`
    expect((await why(String(row?.id))).view).toBe('app.top')
  })
})

describe('a view whose run ended badly', () => {
  test('tells the error, what readers see, and the command that shows the run', async () => {
    await refreshAll()
    await sql`insert into app.numbers values (0)`
    const { runId } = await refreshed('app.base')
    const { state, causes } = await why('app.base')
    expect([state, causes]).toEqual([
      'failed',
      [
        {
          code: 'Failed',
          text: expect.stringMatching(
            new RegExp(
              `^Run ${runId} of app\\.base failed at .*UTC: division by zero \\(ViewSqlFailed, 22012\\)\\. Readers still see the data of .*UTC\\.$`,
            ),
          ),
          next: 'viewkeeper bad-row app.base',
          runId,
        },
      ],
    ])
  })

  test('has commands without an environment where there is none', async () => {
    expect((await why('app.base', { typed: null })).causes[0]?.next).toBe('viewkeeper refresh app.base')
  })

  test('names the view upstream that failed, and its error, first', async () => {
    await refreshAll()
    await sql`insert into app.numbers values (0)`
    const batchId = await begin(database, { views: ['app.base', 'app.middle', 'app.top'], exchange: 'each' })
    await advanceToEnd(database, batchId)
    const { causes, state, culprit, holdsBack } = await why('app.top')
    expect({ state, culprit, holdsBack }).toEqual({
      state: 'heldBack',
      culprit: 'app.base',
      holdsBack: ['app.middle', 'app.top'],
    })
    expect((await why('app.base')).holdsBack).toEqual(holdsBack)
    const [failed] = (await why('app.base')).recentRuns
    expect(causes[0]).toEqual({
      code: 'Upstream',
      upstream: 'Failed',
      view: 'app.base',
      runId: failed?.id,
      batchId,
      text: expect.stringMatching(
        /^Run \d+ of app\.base failed at .*: division by zero \(ViewSqlFailed, 22012\)\..* app\.top reads app\.base through app\.middle\.$/,
      ),
      next: 'viewkeeper bad-row app.base',
    })
    // The view in between only suffers from the same, and so does this one.
    expect(causes).toHaveLength(1)
  })
})

describe('a view that waits for a lock', () => {
  test('names the reader that its running refresh waits for, without the constants of the statement; the SQL ends it', async () => {
    await refreshAll()
    await isStale('top')
    await age(sql, '2 days')
    await whileLocked(url, "select id, 4242, 'a secret' from app.top -- 4242", async (reader) => {
      const { runId } = await refreshed('app.top', { strategy: 'swap' }, { waitUntil: 0 })
      const answer = await until('the run waits for the reader', async () => {
        const now = await why('app.top')
        return now.causes[0]?.code === 'Locked' && now
      })
      const end = `select pg_terminate_backend(${reader.pid});`
      expect(answer).toMatchObject({
        state: 'stale',
        causes: [
          {
            code: 'Locked',
            text: expect.stringMatching(
              new RegExp(
                `^Process ${reader.pid} \\(role \\w+, application "a long report", idle in transaction, transaction began .*\\) ` +
                  `holds AccessShareLock on app\\.top: run ${runId} waits for it\\. Let it end, or end it as a superuser\\.$`,
              ),
            ),
            next: end,
            runId,
          },
          { code: 'InProgress', runId, next: `viewkeeper runs ${runId} --env production` },
        ],
        locks: [
          {
            pid: reader.pid,
            role: expect.any(String),
            application: 'a long report',
            state: 'idle in transaction',
            since: expect.any(Date),
            mode: 'AccessShareLock',
            relation: 'app.top',
            statement: 'begin; select id, ..., ... from app.top',
            end,
          },
        ],
      })
      await sql.unsafe(end)
      await until('the run ended', async () => (await getRun(database, runId)).status === 'success')
      // What it reads is as old as before.
      const heldBack = { code: 'HeldBack', next: 'viewkeeper refresh --select app.base+ --env production' }
      const after = await why('app.top')
      expect(after).toMatchObject({ state: 'heldBack', heldBackBy: 'app.base', locks: [] })
      expect(after.causes[0]).toMatchObject(heldBack)
    })
  })

  test(
    'names who holds a table below the view that it reads, and whom that session waits for',
    deep,
    async () => {
      await refreshAll()
      await whileLocked(url, 'select from app.numbers', async (reader) => {
        const altering = holdLocks(
          url,
          "alter table app.numbers add column more text default 'secret'",
          'a migration',
        )
        try {
          await until('the migration waits', async () => {
            const waiting = await sql`
            select from pg_stat_activity where datname = current_database() and application_name = 'a migration' and wait_event_type = 'Lock'`
            return waiting.length === 1
          })
          const { runId } = await refreshed('app.base', {}, { waitUntil: 0 })
          const { locks } = await until('the run waits', async () => {
            const now = await why('app.base')
            return now.locks.length > 1 && now
          })
          expect(locks.map(({ application, relation }) => [application, relation])).toEqual(
            expect.arrayContaining([
              ['a long report', 'app.numbers'],
              ['a migration', 'app.numbers'],
            ]),
          )
          expect(JSON.stringify(locks)).not.toContain('secret')
          await cancel(runId, callOn(database))
        } finally {
          await reader.letGo()
          await (await altering).letGo()
        }
      })
    },
  )

  test('after the lock was not granted in time, names who still holds it', async () => {
    await refreshAll()
    await whileLocked(url, 'lock table app.numbers in access exclusive mode', async ({ pid }) => {
      const { runId, error } = await refreshed('app.base', { timeoutSeconds: 3 })
      expect(error?.class).toBe('LockTimeout')
      const { causes } = await why('app.base')
      expect(causes.slice(0, 2)).toMatchObject([
        { code: 'Locked', next: `select pg_terminate_backend(${pid});`, runId },
        { code: 'Failed', runId, next: 'viewkeeper refresh app.base --env production' },
      ])
      // A view that reads it names the same session.
      expect((await why('app.top')).causes[0]).toMatchObject({
        code: 'Upstream',
        upstream: 'Locked',
        view: 'app.base',
        next: `select pg_terminate_backend(${pid});`,
      })
    })
  })

  test('names who holds a lock that only the SQL of the view takes', async () => {
    await makeGatedView(sql, 'gated')
    await withGateClosed(sql, 'gated', async () => {
      const { runId } = await refreshed('gated', { strategy: 'swap' }, { waitUntil: 0 })
      await untilAtGate(sql, 'gated')
      expect((await why('gated')).causes[0]).toMatchObject({
        code: 'Locked',
        text: expect.stringContaining(`holds ExclusiveLock on advisory lock: run ${runId} waits for it.`),
        runId,
      })
      await cancel(runId, callOn(database))
    })
    await sql.unsafe('drop materialized view gated; drop function gated_gate()')
  })

  test('names a prepared transaction, and how to roll it back', deep, async () => {
    await sql
      .begin(async (part) => {
        await part.unsafe("lock table app.numbers in access exclusive mode; prepare transaction 'it''s mine'")
      })
      .catch(() => {}) // the client's commit finds no transaction any more
    try {
      expect((await why('app.base')).locks).toMatchObject([
        {
          pid: null,
          role: null,
          statement: null,
          end: "rollback prepared 'it''s mine';",
          relation: 'app.numbers',
        },
      ])
    } finally {
      await sql.unsafe("rollback prepared 'it''s mine'")
    }
    expect((await why('app.base')).locks).toEqual([])
  })

  test('tells a role that only reads which session it is, and not what it does', async () => {
    const login = `reads_${url.slice(-8)}`
    await sql.unsafe(`
      create role ${login} login password 'secret'; grant usage on schema viewkeeper to ${login};
      grant select on all tables in schema viewkeeper to ${login}`)
    await refreshAll()
    await whileLocked(url, 'lock table app.numbers in access exclusive mode', async ({ pid }) => {
      expect((await why('app.base', {}, as(login).database)).locks).toEqual([
        {
          pid,
          role: expect.any(String),
          application: 'a long report',
          state: null,
          since: null,
          mode: 'AccessExclusiveLock',
          relation: 'app.numbers',
          statement: null,
          end: `select pg_terminate_backend(${pid});`,
          endBy: 'a superuser',
        },
      ])
    })
  })
})

describe('a view in a batch', () => {
  beforeAll(() => makeGatedView(sql, 'slow'))

  test('waits for the views that it reads, and tells what they do', async () => {
    await sql.unsafe(`
      drop materialized view if exists after_slow; create materialized view after_slow as select id from slow`)
    const batchId = await begin(database, { views: ['slow', 'after_slow'], exchange: 'each' })
    await withGateClosed(sql, 'slow', async (open) => {
      const advancing = advance(batchId, { database, until: muchLater() })
      await untilAtGate(sql, 'slow')
      // A try that gives up takes its phase back, until the run naps.
      const running = await until('the run is in a phase', async () => {
        const batch = await getBatch(database, batchId)
        return batch.views.some(({ runs }) => runs.some(({ phase }) => phase !== null)) && batch
      })
      expect(running.views).toMatchObject([
        { view: 'public.slow', status: 'running', waitsFor: [], runs: [{ status: 'running' }] },
        { view: 'public.after_slow', status: 'waiting', waitsFor: ['public.slow'], runs: [] },
      ])
      const { causes } = await why('after_slow')
      expect(causes.map(({ code, view = null }) => [code, view])).toEqual([
        ['Upstream', 'public.slow'],
        ['UnknownAge', null],
        ['InProgress', null],
      ])
      // The run waits for the gate again and again, and naps in between.
      expect(causes[0]?.upstream).toMatch(/^(Locked|InProgress)$/)
      expect(causes[2]).toMatchObject({
        batchId,
        text: `public.after_slow waits in batch ${batchId} for public.slow.`,
        next: `viewkeeper batches ${batchId} --env production`,
      })
      await open()
      await advancing
    })
    await advanceToEnd(database, batchId)
    expect((await getBatch(database, batchId)).views.map(({ waitsFor }) => waitsFor)).toEqual([[], []])
  })

  test('that ended before its turn was canceled or lost', async () => {
    const batchId = await begin(database, { views: ['app.base'], exchange: 'each' })
    const error = { class: 'BatchLost', message: 'Nobody advanced this batch any more.' } as const
    await recordBatchEnd(sql, batchId, { status: 'failed', error })
    expect((await why('app.base')).causes[0]).toEqual({
      code: 'Failed',
      text: `Batch ${batchId} ended before app.base had its turn: Nobody advanced this batch any more.`,
      next: 'viewkeeper refresh app.base --env production',
      batchId,
    })
  })
})

describe('a view that nobody refreshes', () => {
  test('is paused, and everything is paused', async () => {
    await refreshAll()
    await pauseView(database, 'app.base', true, 'test')
    await pauseAll(database, true, 'arn:aws:iam::1:user/anna')
    const nightly = { schedule: '0 2 * * *', timeZone: 'UTC' }
    const { state, nextRun, causes } = await why('app.base', { schedules: { nightly, views: false } })
    expect({ state, nextRun, causes }).toMatchObject({
      state: 'paused',
      nextRun: null,
      causes: [
        { code: 'Paused', next: 'viewkeeper resume app.base --env production' },
        {
          code: 'AllPaused',
          text: expect.stringMatching(
            /^arn:aws:iam::1:user\/anna has paused everything scheduled since .*UTC, so/,
          ),
          next: 'viewkeeper resume --all --env production',
        },
      ],
    })
    await age(sql, '2 days')
    expect((await why('app.base')).state).toBe('paused')
    // The pause of a view that it reads is told, too, and after its own causes.
    expect(
      (await why('app.middle')).causes.map(({ code, upstream = null }) => [code, upstream]),
    ).toContainEqual(['Upstream', 'Paused'])
  })

  test('is missing, set aside, unpopulated or never refreshed', async () => {
    expect(await why('app.base')).toMatchObject({
      causes: [{ code: 'UnknownAge' }, { code: 'NotScheduled' }],
      staleMs: null,
    })
    await sql`refresh materialized view app.top with no data`
    expect(await why('app.top')).toMatchObject({
      state: 'unpopulated',
      causes: [{ code: 'Unpopulated' }, {}],
    })
    await sql`drop materialized view app.top`
    expect(await why('app.top')).toMatchObject({
      state: 'missing',
      causes: [{ code: 'Missing', next: 'viewkeeper migrate up --repair --env production' }],
    })
    await callSetAside(database, ['app.base'])
    const listed = (await listViews(database)).views.find(({ view }) => view === 'app.middle')!
    expect([listed.aside?.by, listed.state]).toEqual(['postgres', 'aside'])
    await deleteRows(sql, 'definitions')
    expect(await why('app.middle')).toMatchObject({
      view: 'app.middle',
      state: 'aside',
      causes: [{ code: 'SetAside', next: 'viewkeeper put-back' }],
    })
  })
})
