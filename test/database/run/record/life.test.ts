import { expect } from 'vitest'
import { insertSkipped } from '../../../../src/record/batches/attempts.ts'
import { giveUpGroup } from '../../../../src/record/batches/batch-groups.ts'
import { closeLostBatch } from '../../../../src/record/batches/batches.ts'
import { life } from '../../../../src/record/batches/transitions.ts'
import { cancelRun } from '../../../../src/record/runs/cancel.ts'
import { closeLostRuns, closeUnclaimed, skipUnclaimed } from '../../../../src/record/runs/life.ts'
import { readRunStatus, replan } from '../../../../src/record/runs/runs.ts'
import type { RunPlan } from '../../../../src/sql/run-plan.ts'
import { type RunStatus, runStatuses } from '../../../../src/words/run.ts'
import { eachCase } from '../../../support/deep.ts'
import { sendEnvelope } from '../../../support/processes/envelope.ts'
import { whileWorkedOn } from '../../../support/processes/worker.ts'
import { useDatabase } from '../../../support/servers/database.ts'
import { planOf } from '../../../support/views/plans.ts'
import { until } from '../../../support/waiting/until.ts'

// The machine of a run's states, on the real database: every transition is tried from every status, with its proof and without.

const { database, sql } = useDatabase()

/** A run in any status, alone with its view, in a batch that goes on. */
interface Row {
  id: number
  definitionId: number
  batchId: string
  serial: number
}

const planOfTexts = (texts: string[], changes?: Partial<RunPlan>): RunPlan =>
  planOf(
    texts.map((sql) => ({ kind: 'command', phase: 'building', sql })),
    changes,
  )

/** What the checks of the table demand of a status. */
const columnsOf = (status: RunStatus) => sql`
  status = ${status}, built_at = clock_timestamp(),
  finished_at = case when ${['pending', 'running', 'built'].includes(status)} then null else clock_timestamp() end,
  error = ${['failed', 'canceled'].includes(status) ? sql.json({ class: 'Canceled', message: 'before' }) : null}`

let views = 0
async function rowIn(status: RunStatus, plan: RunPlan | null = null, view = `v${++views}`): Promise<Row> {
  const [row] = await sql<[Row]>`
    with d as (
      insert into viewkeeper.definitions (schema_name, name, source) values ('public', ${view}, 'discovered')
      on conflict (schema_name, name) do update set source = 'discovered' returning id),
    b as (
      insert into viewkeeper.batches (trigger, selection, advanced_at)
      values ('http', ${sql.json({ view, other: Math.random() })}, clock_timestamp()) returning id, serial),
    v as (
      insert into viewkeeper.batch_views (batch_id, definition_id, position, schema_name, view_name, estimate_ms, remaining_ms)
      select b.id, d.id, 1, 'public', ${view}, 0, 0 from b, d)
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, batch_id, plan)
    select d.id, 'public', ${view}, 'refresh', 'http', b.id, ${plan === null ? null : sql.json(plan as never)} from d, b
    returning id, definition_id as "definitionId", batch_id as "batchId", (select serial from b)`
  await sql`update viewkeeper.runs set ${columnsOf(status)}, started_at = now(), backend_start = now(), backend_pid = 1 where id = ${row.id}`
  return row
}

async function send(runId: number): Promise<void> {
  const envelope = await sendEnvelope(database, runId, 60)
  await envelope.answered
  await envelope.leave()
}

const gate = 4242
/** Sends a run that waits in its work. Meanwhile `change` happens; then the run goes on. */
async function changeDuring(runId: number, change: () => PromiseLike<unknown>): Promise<void> {
  const holder = await sql.reserve()
  try {
    await holder`select pg_advisory_lock(${gate})`
    const sent = send(runId)
    await until('the run waits in its work', async () => {
      const waiting =
        await sql`select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database()) and objid = ${gate}`
      return waiting.length > 0 || undefined
    })
    await change()
    await holder`select pg_advisory_unlock(${gate})`
    await sent
  } finally {
    await holder`select pg_advisory_unlock_all()`
    holder.release()
  }
}
const atGate = `select pg_advisory_xact_lock(${gate})`

const alive = (id: number, work: () => Promise<unknown>) => whileWorkedOn(sql, `r.id = ${id}`, work)

/** Tries a transition on a run in status `from`, with its proof or without, and gives the status afterwards. */
type Try = (from: RunStatus, proven: boolean) => Promise<RunStatus | undefined>

/** Makes a run, and acts on it. */
const on =
  (act: (row: Row, proven: boolean, from: RunStatus) => Promise<unknown>): Try =>
  async (from, proven) => {
    const row = await rowIn(from, planOfTexts(['select 1']))
    await act(row, proven, from)
    return readRunStatus(sql, row.id)
  }

/** The work of a run ends with `statement`, after somebody has given the run status `from`. */
const atTheEnd =
  (statement: string, cancel = false): Try =>
  async (from, proven) => {
    const { id } = await rowIn('pending', planOfTexts([atGate, statement]))
    await changeDuring(id, async () => {
      if (from !== 'running') await sql`update viewkeeper.runs set ${columnsOf(from)} where id = ${id}`
      if (!proven) await sql`update viewkeeper.runs set backend_start = clock_timestamp() where id = ${id}`
      if (cancel)
        await sql`update viewkeeper.runs set cancel_requested_at = clock_timestamp() where id = ${id}`
    })
    return readRunStatus(sql, id)
  }

const cancelsItself = 'select pg_cancel_backend(pg_backend_pid()), pg_sleep(60)'

const refuse = (why: 'LockTimeout' | 'AlreadyRunning') =>
  on(({ id }, proven) => (proven ? closeUnclaimed(sql, id, { class: why, message: 'm' }) : Promise.resolve()))

const lose = (canceled: boolean) =>
  on(async ({ id }, proven) => {
    if (canceled)
      await sql`update viewkeeper.runs set cancel_requested_at = clock_timestamp() where id = ${id}`
    if (!proven) return alive(id, () => closeLostRuns(sql, { runId: id }))
    await sql`update viewkeeper.runs set claim_by = clock_timestamp() - interval '1 s' where id = ${id}`
    return closeLostRuns(sql, { runId: id })
  })

const loseBatch = (canceled: boolean) =>
  on(async ({ id, batchId }, proven) => {
    if (proven) await sql`update viewkeeper.batches set advanced_at = '2000-01-01' where id = ${batchId}`
    if (canceled) await sql`update viewkeeper.batches set cancel_requested_at = now() where id = ${batchId}`
    await alive(id, () => closeLostBatch(sql, batchId))
  })

/** One way to each status that a transition leads to. */
const tries: { [T in keyof typeof life]: Partial<Record<RunStatus, Try>> } = {
  claim: {
    running: async (from, proven) => {
      const { id, batchId } = await rowIn(from, planOfTexts([]))
      const plan = planOfTexts([
        `create table public.seen_${id} as select status from viewkeeper.runs where id = ${id}`,
      ])
      await sql`update viewkeeper.runs set plan = ${sql.json(plan as never)} where id = ${id}`
      if (!proven) await sql`update viewkeeper.batches set cancel_requested_at = now() where id = ${batchId}`
      await send(id)
      const [table] = await sql`select to_regclass(${`public.seen_${id}`}) is not null as made`
      const [claimed] = table?.made
        ? await sql<{ status: RunStatus }[]>`select status from public.${sql(`seen_${id}`)}`
        : []
      return claimed?.status ?? readRunStatus(sql, id)
    },
  },
  'already running': {
    skipped: async (from, proven) => {
      const view = `v${++views}`
      const plan = planOfTexts(['select 1'], { ifRunning: proven ? 'skip' : 'wait' })
      const { id } = await rowIn(from, plan, view)
      if (from !== 'running') await rowIn('running', null, view)
      await send(id)
      return readRunStatus(sql, id)
    },
  },
  success: {
    success: atTheEnd('select 1'),
    built: async (from, proven) => {
      const { id } = await rowIn('pending', planOfTexts([atGate], { builds: true }))
      await changeDuring(id, async () => {
        if (from !== 'running') await sql`update viewkeeper.runs set ${columnsOf(from)} where id = ${id}`
        if (!proven) await sql`update viewkeeper.runs set backend_start = clock_timestamp() where id = ${id}`
      })
      return readRunStatus(sql, id)
    },
  },
  failure: { failed: atTheEnd('select 1/0'), canceled: atTheEnd(cancelsItself, true) },
  'left out': {
    skipped: async (from, proven) => {
      const otherwise = {
        plan: planOfTexts(['select 1']),
        response: { strategy: 'regular', because: 'b', sql: [] },
      }
      const member = `v${++views}`
      const { id } = await rowIn(
        'pending',
        planOfTexts([atGate, 'select * from nowhere'], {
          otherwise,
          members: [{ definitionId: 1, schema: 'public', name: member, view: member }],
        }),
      )
      const follower = await rowIn('pending', null, member)
      await sql`update viewkeeper.runs set group_run_id = ${id} where id = ${follower.id}`
      await changeDuring(id, async () => {
        if (from !== 'running')
          await sql`update viewkeeper.runs set ${columnsOf(from)} where id = ${follower.id}`
        if (!proven)
          await sql`update viewkeeper.runs set backend_start = clock_timestamp() where id = ${follower.id}`
      })
      return readRunStatus(sql, follower.id)
    },
  },
  cancel: { canceled: on(({ id }, proven) => (proven ? cancelRun(sql, id, null) : Promise.resolve())) },
  refused: { failed: refuse('LockTimeout'), skipped: refuse('AlreadyRunning') },
  'not needed': {
    skipped: on(({ id }, proven) => (proven ? skipUnclaimed(sql, id, 'b') : Promise.resolve())),
  },
  'planned again': {
    skipped: on(async ({ id }, proven) => {
      const leader = await rowIn('pending', planOfTexts([]))
      if (proven) await sql`update viewkeeper.runs set group_run_id = ${leader.id} where id = ${id}`
      await replan(sql, leader.id, planOfTexts([]), {})
    }),
  },
  'missed turn': {
    skipped: on(async ({ batchId, definitionId }, proven) => {
      if (!proven) await sql`update viewkeeper.batches set cancel_requested_at = now() where id = ${batchId}`
      await insertSkipped(sql, batchId, [{ id: definitionId, attempt: 1, message: 'm' }])
    }),
  },
  'given up': {
    skipped: on(async ({ batchId, serial, definitionId }, proven) => {
      await sql`
        insert into viewkeeper.batch_groups (batch_id, number, members, shadow_bytes, facts, given_up)
        values (${batchId}, 1, ${[definitionId]}, 0, '{}', ${proven ? null : sql.json({})})`
      const group = { number: 1, members: [definitionId], givenUp: null }
      await giveUpGroup(sql, { id: batchId, serial }, group as never, {
        class: 'CatalogChanged',
        message: 'm',
      })
    }),
  },
  lost: { failed: lose(false), canceled: lose(true) },
  'lost batch': { failed: loseBatch(false), canceled: loseBatch(true) },
}

const pairs = Object.entries(life).flatMap(([name, { from, to }]) =>
  to.flatMap((end) =>
    runStatuses.map((status) => ({ name, status, end, from: from as readonly RunStatus[] })),
  ),
)

eachCase(pairs, { quick: 20 })('$name: from $status to $end', async ({ name, status, end, from }) => {
  const attempt = tries[name as keyof typeof life][end]
  expect(attempt, 'how the test gets there').toBeDefined()
  expect(await attempt!(status, true)).toBe(from.includes(status) ? end : status)
  expect(await attempt!(status, false), 'without proof').toBe(status)
})
