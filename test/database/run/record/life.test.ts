import { expect } from 'vitest'
import { insertSkipped } from '../../../../src/record/batches/attempts.ts'
import { giveUpGroup } from '../../../../src/record/batches/batch-groups.ts'
import { closeLostBatch, requestBatchCancel } from '../../../../src/record/batches/batches.ts'
import { life } from '../../../../src/record/batches/transitions.ts'
import { ensureDefinition } from '../../../../src/record/definitions/definitions.ts'
import { cancelRun } from '../../../../src/record/runs/cancel.ts'
import { closeLostRuns, closeUnclaimed, skipUnclaimed } from '../../../../src/record/runs/life.ts'
import { readRunStatus, replan } from '../../../../src/record/runs/runs.ts'
import type { RunPlan } from '../../../../src/sql/run-plan.ts'
import { type RunStatus, runStatuses } from '../../../../src/words/run.ts'
import { eachCase } from '../../../support/deep.ts'
import { sendEnvelope } from '../../../support/processes/envelope.ts'
import { whileWorkedOn } from '../../../support/processes/worker.ts'
import { insertRow, updateRows } from '../../../support/record/rows.ts'
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

const now = sql`clock_timestamp()`
const change = (id: number, changes: Record<string, unknown>) => updateRows(sql, 'runs', { id }, changes)

/** What the checks of the table demand of a status. */
const columnsOf = (status: RunStatus) => ({
  status,
  builtAt: now,
  finishedAt: ['pending', 'running', 'built'].includes(status) ? null : now,
  error: ['failed', 'canceled'].includes(status) ? { class: 'Canceled', message: 'before' } : null,
})

let views = 0
async function rowIn(status: RunStatus, plan: RunPlan | null = null, view = `v${++views}`): Promise<Row> {
  const { id: definitionId } = await ensureDefinition(sql, { schema: 'public', name: view })
  const selection = { view, other: Math.random() }
  const { id: batchId, serial } = await insertRow(sql, 'batches', { selection, advancedAt: now })
  const turn = { position: 1, estimateMs: 0, remainingMs: 0 }
  await insertRow(sql, 'batchViews', { batchId, definitionId, view, ...turn })
  const { id } = await insertRow(sql, 'runs', { view, batchId, plan })
  await change(id, { ...columnsOf(status), startedAt: now, backendStart: now, backendPid: 1 })
  return { id, definitionId, batchId, serial }
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

/** Gives a run that is at work this status, and without proof another session. */
async function take(id: number, from: RunStatus, proven: boolean): Promise<void> {
  if (from !== 'running') await change(id, columnsOf(from))
  if (!proven) await change(id, { backendStart: now })
}

/** The work of a run ends with `statement`, after somebody has given the run status `from`. */
const atTheEnd =
  (statement: string, cancel = false): Try =>
  async (from, proven) => {
    const { id } = await rowIn('pending', planOfTexts([atGate, statement]))
    await changeDuring(id, async () => {
      await take(id, from, proven)
      if (cancel) await change(id, { cancelRequestedAt: now })
    })
    return readRunStatus(sql, id)
  }

const cancelsItself = 'select pg_cancel_backend(pg_backend_pid()), pg_sleep(60)'

const refuse = (why: 'LockTimeout' | 'AlreadyRunning') =>
  on(({ id }, proven) => (proven ? closeUnclaimed(sql, id, { class: why, message: 'm' }) : Promise.resolve()))

const lose = (canceled: boolean) =>
  on(async ({ id }, proven) => {
    if (canceled) await change(id, { cancelRequestedAt: now })
    if (!proven) return alive(id, () => closeLostRuns(sql, { runId: id }))
    await change(id, { claimBy: sql`clock_timestamp() - interval '1 s'` })
    return closeLostRuns(sql, { runId: id })
  })

const loseBatch = (canceled: boolean) =>
  on(async ({ id, batchId }, proven) => {
    if (proven) await updateRows(sql, 'batches', { id: batchId }, { advancedAt: new Date(0) })
    if (canceled) await requestBatchCancel(sql, batchId, 'test')
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
      await change(id, { plan })
      if (!proven) await requestBatchCancel(sql, batchId, 'test')
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
      await changeDuring(id, () => take(id, from, proven))
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
      await change(follower.id, { groupRunId: id })
      await changeDuring(id, () => take(follower.id, from, proven))
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
      if (proven) await change(id, { groupRunId: leader.id })
      await replan(sql, leader.id, planOfTexts([]), {})
    }),
  },
  'missed turn': {
    skipped: on(async ({ batchId, definitionId }, proven) => {
      if (!proven) await requestBatchCancel(sql, batchId, 'test')
      await insertSkipped(sql, batchId, [{ id: definitionId, attempt: 1, message: 'm' }])
    }),
  },
  'given up': {
    skipped: on(async ({ batchId, serial, definitionId }, proven) => {
      const group = { number: 1, members: [definitionId] }
      const givenUp = proven ? null : {}
      await insertRow(sql, 'batchGroups', { ...group, batchId, shadowBytes: 0, facts: {}, givenUp })
      await giveUpGroup(sql, { id: batchId, serial }, { ...group, givenUp: null } as never, {
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
