import { beforeAll, describe, expect, test } from 'vitest'
import { ensureDefinition } from '../../../src/record/definitions/definitions.ts'
import { closeLostRuns } from '../../../src/record/runs/life.ts'
import { readRun, startRun } from '../../../src/record/runs/runs.ts'
import type { RunPlan } from '../../../src/sql/run-plan.ts'
import { counts } from '../../support/counts.ts'
import { sendEnvelope } from '../../support/processes/envelope.ts'
import { whileWorkedOn } from '../../support/processes/worker.ts'
import { updateRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { planOf } from '../../support/views/plans.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url, as } = useDatabase()

const plan = (texts: string[], changes?: Partial<RunPlan>): RunPlan =>
  planOf(
    texts.map((sql) => ({ phase: 'building', sql, kind: 'userCode' })),
    changes,
  )

let views = 0
/** Writes a pending run of a new view, which need not exist: the envelope only knows statements. */
async function pendingRun(work: RunPlan, view = `v${++views}`, by = database): Promise<number> {
  const { id: definitionId } = await ensureDefinition(sql, { schema: 'public', name: view })
  const run = {
    definitionId,
    schema: 'public',
    name: view,
    operation: 'refresh',
    trigger: 'http',
    requestedBy: 'test',
    caller: 'test',
    idempotencyKey: null,
    request: { view },
  } as const
  return (await by.withConnection((planner) => startRun(planner, run, work, {}))) as number
}

/** The time is over in which a run may be claimed. */
const mayClaimNoMore = (id: number) =>
  updateRows(sql, 'runs', { id }, { claimBy: sql`clock_timestamp() - interval '1s'` })

async function send(runId: number, { timeoutSeconds = 60, as = database } = {}): Promise<void> {
  const envelope = await sendEnvelope(as, runId, timeoutSeconds)
  await envelope.answered
  await envelope.leave()
}

const outcome = async (work: RunPlan, options = {}) => {
  const id = await pendingRun(work)
  await send(id, options)
  return readRun(sql, id)
}

/** Waits until the run's server process sleeps in pg_sleep, and gives its pid. */
const untilAsleep = (runId: number) =>
  until(`run ${runId} sleeps`, async () => {
    // Run ids begin at 1 in every database: other test files have runs with the same id on this server.
    const [row] = await sql`
      select pid from pg_stat_activity
       where application_name like ${`viewkeeper run ${runId} %`} and wait_event = 'PgSleep' and datname = current_database()`
    return row?.pid as number
  })

beforeAll(async () => {
  await sql.unsafe('create table done (run text); create table awake (run text)')
})

/** A statement that sleeps until `wake` is called with its name. */
const sleeps = (name: string) =>
  `do $$ begin while not exists (select from public.awake where run = '${name}') loop perform pg_sleep(0.01); end loop; end $$`
const wake = (name: string) => sql`insert into awake values (${name})`

describe('an envelope', () => {
  test('commits work and success together, with the tries and the time it took', async () => {
    const run = await outcome(plan(["insert into done values ('ok')"]))
    expect(run).toMatchObject({
      status: 'success',
      result: 'updated',
      error: null,
      meta: { response: { attempts: 1 } },
    })
    expect(run?.durationMs).toBeTypeOf('number')
    expect(await sql`select run from done where run = 'ok'`).toHaveLength(1)
  })

  test('records a failure with its SQLSTATE and undoes the work', async () => {
    const run = await outcome(plan(["insert into done values ('undone')", 'select * from nowhere']))
    expect(run).toMatchObject({
      status: 'failed',
      error: { class: 'ViewSqlFailed', sqlstate: '42P01', message: expect.stringContaining('nowhere') },
    })
    expect(await sql`select from done where run = 'undone'`).toHaveLength(0)
  })

  test('keeps message, detail and hint if they quote no data, and the function and line of the context', async () => {
    await sql.unsafe(`
      create function raising() returns void language plpgsql as $f$
      begin
        raise exception 'm' using detail = 'd', hint = 'h', errcode = 'P0001';
      end $f$`)
    const run = await outcome(plan(['select public.raising()']))
    expect(run?.error).toMatchObject({ sqlstate: 'P0001', message: 'm', detail: 'd', hint: 'h' })
    expect(run?.error?.context).toBe('public.raising() line 3')
  })

  test.each(['other', undefined])('fails at a statement of kind %s, which it does not know', async (kind) => {
    const work = plan([])
    work.prepare = [
      { phase: 'building', sql: "insert into done values ('unknown')", kind: kind as 'userCode' },
    ]
    expect(await outcome(work)).toMatchObject({ status: 'failed', error: { sqlstate: '20000' } })
    expect(await sql`select from done where run = 'unknown'`).toHaveLength(0)
  })

  test("records a failed assert, which 'full' does not catch", async () => {
    const run = await outcome(plan(['do $$ begin assert false; end $$']))
    expect(run).toMatchObject({ status: 'failed', error: { class: 'ViewSqlFailed', sqlstate: 'P0004' } })
  })

  test('records its statement time-out, which covers all its transactions', async () => {
    const run = await outcome(plan(['select pg_sleep(2)', 'select pg_sleep(60)']), { timeoutSeconds: 3 })
    expect(run).toMatchObject({
      status: 'failed',
      error: {
        class: 'StatementTimeout',
        sqlstate: '57014',
        message: 'canceled after 3 s in phase building: timeoutSeconds of the definition',
      },
    })
    // The time-out counts from before the claim, the duration from the claim on.
    expect(Number(run?.finishedAt) - Number(run?.requestedAt)).toBeGreaterThanOrEqual(2999)
    expect(run?.durationMs).toBeCloseTo(Number(run?.finishedAt) - Number(run?.startedAt), -1)
    expect(run?.durationMs).toBeLessThan(30_000)
  })

  test('records as failed a cancel that was not requested through Viewkeeper', async () => {
    const id = await pendingRun(plan(['select pg_sleep(60)']))
    const sent = send(id)
    await sql`select pg_cancel_backend(${await untilAsleep(id)})`
    await sent
    expect(await readRun(sql, id)).toMatchObject({
      status: 'failed',
      error: { class: 'Canceled', sqlstate: '57014' },
    })
  })

  test('succeeds even if its client leaves in the middle and it has notices to send after that', async () => {
    const noise = "do $$ begin for i in 1..1000 loop raise notice '%', repeat('x', 1000); end loop; end $$"
    const id = await pendingRun(plan([sleeps('left'), noise, "insert into done values ('left')"]))
    const envelope = await sendEnvelope(database, id, 60)
    await untilAsleep(id)
    await envelope.leave()
    await wake('left')
    await until('the run ends without us', async () => (await readRun(sql, id))?.status === 'success')
    expect(await sql`select from done where run = 'left'`).toHaveLength(1)
  })

  test('records a failure even if its client has left', async () => {
    const id = await pendingRun(plan([sleeps('left failing'), 'select 1/0']))
    const envelope = await sendEnvelope(database, id, 60)
    await untilAsleep(id)
    await envelope.leave()
    await wake('left failing')
    await until('the run ends without us', async () => (await readRun(sql, id))?.status === 'failed')
  })

  test('reads plans of any text: nothing in them can break out', async () => {
    const text = "select '$viewkeeper$; drop table done; $$ %I\\ \"'"
    expect(await outcome(plan([text, `do $viewkeeper$ begin end $viewkeeper$`]))).toMatchObject({
      status: 'success',
    })
  })

  test('has the settings it needs from its first moment', async () => {
    await outcome(
      plan(['select 1'], {
        prepare: [
          {
            kind: 'command',
            phase: 'building',
            sql: 'create table public.seen as select name, setting from pg_settings',
          },
        ],
      }),
      { timeoutSeconds: 77 },
    )
    const seen = await sql<{ name: string; setting: string }[]>`select name, setting from seen`
    expect(Object.fromEntries(seen.map(({ name, setting }) => [name, setting]))).toMatchObject({
      client_connection_check_interval: '0',
      client_min_messages: 'error',
      statement_timeout: '77000',
      lock_timeout: '5000', // the plan's giveUpAfterMs
      idle_session_timeout: '0',
      default_transaction_isolation: 'read committed',
      default_transaction_read_only: 'off',
    })
  })

  test('sees what was committed meanwhile, even if the role is set to repeatable read and read only', async () => {
    await sql`create role careful login superuser password 'secret'`
    await sql`alter role careful set default_transaction_isolation = 'repeatable read'`
    await sql`alter role careful set default_transaction_read_only = 'on'`
    await sql`alter role careful set lock_timeout = '1ms'`
    await sql`alter role careful set statement_timeout = '10ms'`
    const careful = as('careful').database
    const id = await pendingRun(plan([sleeps('careful')]), 'seen', careful)
    const sent = send(id, { as: careful })
    await untilAsleep(id)
    await updateRows(sql, 'runs', { id }, { updatedAt: sql`clock_timestamp()` })
    await wake('careful')
    await sent
    expect(await readRun(sql, id)).toMatchObject({ status: 'success' })
  })

  test('outlives a transaction_timeout of the role (17 and later)', async () => {
    const [server] = await sql`select current_setting('server_version_num')::int >= 170000 as has_it`
    await sql`create role hurried login superuser password 'secret'`
    if (server?.has_it) await sql`alter role hurried set transaction_timeout = '1s'`
    const hurried = as('hurried').database
    const id = await pendingRun(plan(['select pg_sleep(2)']), 'hurried', hurried)
    await send(id, { as: hurried })
    expect(await readRun(sql, id)).toMatchObject({ status: 'success' })
  })
})

describe('a claim', () => {
  test('is refused while another run of the view is running; the record names that run', async () => {
    const first = await pendingRun(plan(['select pg_sleep(60)']), 'shared')
    const sent = send(first)
    const pid = await untilAsleep(first)
    const second = await pendingRun(plan(["insert into done values ('twice')"]), 'shared')
    await send(second)
    expect(await readRun(sql, second)).toMatchObject({
      status: 'skipped',
      error: { class: 'AlreadyRunning', runningRunId: first },
    })
    const waiting = await pendingRun(
      plan(["insert into done values ('twice')"], { ifRunning: 'wait' }),
      'shared',
    )
    await send(waiting)
    expect(await readRun(sql, waiting)).toMatchObject({ status: 'pending', error: null })
    await sql`select pg_cancel_backend(${pid})`
    await sent
    await send(waiting)
    expect(await readRun(sql, waiting)).toMatchObject({ status: 'success' })
  })

  test('is made once, however often the envelope is sent', async () => {
    for (let round = 0; round < counts.storms; round++) {
      const id = await pendingRun(plan([`insert into done values ('storm ${round}')`]))
      await Promise.all(Array.from({ length: 12 }, () => send(id)))
      expect(await sql`select from done where run = ${`storm ${round}`}`).toHaveLength(1)
      await send(id) // and long afterwards
      expect(await sql`select from done where run = ${`storm ${round}`}`).toHaveLength(1)
    }
  })

  test('is not made after its time', async () => {
    const id = await pendingRun(plan(["insert into done values ('late')"]))
    await mayClaimNoMore(id)
    await send(id)
    expect(await readRun(sql, id)).toMatchObject({ status: 'pending' })
    expect(await closeLostRuns(sql)).toContain(id)
    expect(await readRun(sql, id)).toMatchObject({ status: 'failed', error: { class: 'RunLost' } })
  })
})

/** Closes a run whose server process is at work, as if the run were lost. */
const declareLost = (id: number) =>
  updateRows(
    sql,
    'runs',
    { id },
    { status: 'failed', finishedAt: sql`clock_timestamp()`, error: { class: 'RunLost' } },
  )

describe('a lost run', () => {
  test('whose server process was terminated is closed, its work undone', async () => {
    const id = await pendingRun(plan(["insert into done values ('lost')", 'select pg_sleep(60)']))
    const sent = send(id)
    const pid = await untilAsleep(id)
    expect(await closeLostRuns(sql)).toEqual([]) // healthy
    await sql`select pg_terminate_backend(${pid})`
    await sent
    await until('the run is closed', async () => (await closeLostRuns(sql)).includes(id))
    expect(await readRun(sql, id)).toMatchObject({ status: 'failed', error: { class: 'RunLost' } })
    expect(await sql`select from done where run = 'lost'`).toHaveLength(0)
  })

  test('that is not lost after all cannot overwrite its record or keep its work', async () => {
    const id = await pendingRun(plan(["insert into done values ('fenced')", sleeps('fenced')]))
    const sent = send(id)
    await untilAsleep(id)
    await declareLost(id)
    await wake('fenced')
    await sent
    expect(await readRun(sql, id)).toMatchObject({ status: 'failed', error: { class: 'RunLost' } })
    expect(await sql`select from done where run = 'fenced'`).toHaveLength(0)
  })

  test('is one whose session executes nothing, or looks for lost runs itself, and no other', async () => {
    const id = await pendingRun(plan(['select 1']))
    const [session, other] = [await sql.reserve(), await sql.reserve()]
    const backendStart = sql`(select backend_start from pg_stat_get_activity(pg_backend_pid()))`
    const mine = { backendPid: sql`pg_backend_pid()`, backendStart, startedAt: sql`now()` }
    const mark = () =>
      updateRows(session, 'runs', { id }, { ...mine, status: 'running', finishedAt: null, error: null })
    try {
      await mark()
      await whileWorkedOn(sql, `r.id = ${id}`, async () => expect(await closeLostRuns(other)).toEqual([]))
      await mark()
      // It may have been active when the other session looked.
      await until('the run is closed', async () => (await closeLostRuns(other)).includes(id))
      await mark()
      expect(await closeLostRuns(session)).toEqual([id])
    } finally {
      session.release()
      other.release()
    }
  })

  test('is closed once if many look at the same time', async () => {
    const id = await pendingRun(plan(['select 1']))
    await mayClaimNoMore(id)
    const closed = await Promise.all(Array.from({ length: 10 }, () => closeLostRuns(sql)))
    expect(closed.flat().filter((each) => each === id)).toHaveLength(1)
  })
})

describe('the exchange', () => {
  test('is tried again after a lock time-out, and what it had done is undone first', async () => {
    await sql`create table locked (id integer)`
    const holder = await sql.reserve()
    await holder`begin`
    await holder`lock table locked in access exclusive mode`
    const id = await pendingRun(
      plan(["insert into done values ('retried')", 'insert into locked values (1)']),
    )
    const sent = send(id)
    const tried = () => sql`
      select from pg_stat_activity
       where application_name like ${`viewkeeper run ${id} %`} and wait_event = 'PgSleep' and datname = current_database()`
    await until('it waits between two tries', async () => (await tried()).length > 0)
    await holder`rollback`
    holder.release()
    await sent
    const run = await readRun(sql, id)
    expect(run).toMatchObject({ status: 'success' })
    expect(run?.meta.response.attempts).toBeGreaterThan(1)
    expect(await sql`select from done where run = 'retried'`).toHaveLength(1)
  })

  test('gives up in time, with a class that says to try again', async () => {
    await sql`create table kept (id integer)`
    const holder = await sql.reserve()
    await holder`begin`
    await holder`lock table kept in access exclusive mode`
    const work = plan(['insert into kept values (1)'])
    work.locked.giveUpAfterMs = 300
    const run = await outcome(work)
    await holder`rollback`
    holder.release()
    expect(run).toMatchObject({ status: 'failed', error: { class: 'LockTimeout', sqlstate: '55P03' } })
  })
})

test('a wait for a lock that ends just before the statement time-out is recorded whole', async () => {
  await sql`create table held ()`
  const work = plan([])
  work.prepare = [{ kind: 'command', phase: 'building', sql: 'lock table public.held' }]
  // The first look at the holders lasts beyond the time-out, which cancels once.
  work.locked.holders = `select jsonb_build_object('who', 'somebody')
    from pg_sleep(case when clock_timestamp() < statement_timestamp() + interval '3s' then 6 else 0 end)`
  await whileLocked(url, 'lock table held', async () => {
    const run = await outcome(work, { timeoutSeconds: 3 })
    expect(run).toMatchObject({
      status: 'failed',
      error: { class: 'LockTimeout', message: 'The run did not get a lock in time: somebody' },
    })
  })
})

test('a statement time-out between two tries for a lock is one for want of the lock', async () => {
  const work = plan([])
  work.locked.statements = [{ kind: 'command', phase: 'locking', sql: 'select pg_sleep(60)' }]
  work.locked.holders = `select jsonb_build_object('who', 'somebody')`
  expect(await outcome(work, { timeoutSeconds: 3 })).toMatchObject({
    status: 'failed',
    error: { class: 'LockTimeout', message: 'The run did not get a lock in time: somebody' },
  })
})

describe('a statement', () => {
  test('may check; a check that does not hold undoes everything and gives the class and message', async () => {
    const check = { is: 'yes', else: 'CatalogChanged', message: 'It is not as it was.' } as const
    const good = plan(["insert into done values ('checked')"], {
      prepare: [{ phase: 'building', sql: "select 'yes'", kind: 'check', check }],
    })
    expect(await outcome(good)).toMatchObject({ status: 'success' })
    const bad = plan(["insert into done values ('unchecked')"])
    bad.locked.statements.push({ phase: 'exchange', sql: 'select null::text', kind: 'check', check })
    expect(await outcome(bad)).toMatchObject({
      status: 'failed',
      error: { class: 'CatalogChanged', message: 'It is not as it was.' },
    })
    expect(await sql`select from done where run = 'unchecked'`).toHaveLength(0)
  })

  test('works under the settings of its run, which end with the run', async () => {
    const run = await outcome(
      plan(["insert into done values (current_setting('work_mem'))"], { settings: { work_mem: '77MB' } }),
    )
    expect(run?.status).toBe('success')
    expect(await sql`select from done where run = '77MB'`).toHaveLength(1)
  })
})

describe('work aside', () => {
  test('follows the commit, and its failure does not fail the run', async () => {
    const run = await outcome(
      plan(['select 1'], {
        later: [
          { phase: 'analyzing', sql: 'select 1/0', kind: 'userCode' },
          { phase: 'analyzing', sql: "insert into done values ('aside')", kind: 'userCode' },
        ],
      }),
    )
    expect(run).toMatchObject({ status: 'success', error: null })
    expect(await sql`select from done where run = 'aside'`).toHaveLength(1)
  })

  test('does not happen after a failure', async () => {
    await outcome(
      plan(['select 1/0'], {
        later: [{ phase: 'analyzing', sql: "insert into done values ('never')", kind: 'userCode' }],
      }),
    )
    expect(await sql`select from done where run = 'never'`).toHaveLength(0)
  })
})

test('the end of a run is notified', async () => {
  const heard: string[] = []
  const { unlisten } = await sql.listen('viewkeeper', (payload) => heard.push(payload))
  const id = await pendingRun(plan(['select 1/0']))
  await send(id)
  await until('the notification arrives', async () => heard.includes(String(id)))
  await unlisten()
})
