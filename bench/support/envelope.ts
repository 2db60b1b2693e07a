import { envelopes } from '../../src/db/envelope/text.ts'
import { startRun } from '../../src/db/runs/runs.ts'
import { ensureDefinition } from '../../src/db/views/definitions.ts'
import type { Plan } from '../../src/plan/plan.ts'
import { measure } from './measure.ts'
import type { Sample } from './rounds.ts'
import type { BenchServer } from './server.ts'

/** The options of all plans in the benchmarks. */
export const runOptions = {
  rowCountStrategy: 'none',
  timeoutSeconds: 60,
  ifRunning: 'skip',
  settings: {},
} as const

/** The settings of a run's connection that matter here. */
export const runSettings = (id: number) => ({
  'viewkeeper.run': String(id),
  statement_timeout: '60000',
  lock_timeout: '0',
})

/** The pending row and the envelope of a plan, without connecting. */
export async function sampleEnvelope(
  { database, sql }: BenchServer,
  view: { schema: string; name: string },
  plan: Plan,
  connect = (id: number): ReturnType<BenchServer['database']['open']> => database.open(runSettings(id)),
): Promise<Sample> {
  const { schema, name } = view
  const { id: definitionId } = await ensureDefinition(sql, view)
  const run = {
    schema,
    name,
    definitionId,
    operation: 'refresh' as const,
    trigger: 'cli' as const,
    requestedBy: 'bench',
    caller: 'bench',
    idempotencyKey: null,
    request: {},
  }
  let id = 0
  const record = await measure(sql, async () => {
    id = (await startRun(sql, run, plan, {}))!
  })
  const connection = await connect(id)
  await connection.sql`select pg_catalog.set_config('viewkeeper.run', ${String(id)}, false)`
  const envelope = await measure(sql, () => connection.sql.unsafe(envelopes.alone).simple())
  await connection.leave()
  const [ended] = await sql`select status, error from viewkeeper.runs where id = ${id}`
  if (ended?.status !== 'success')
    throw new Error(`run ${id} of ${name} is ${ended?.status}: ${ended?.error?.message}`)
  return { ms: record.ms + envelope.ms, walBytes: record.walBytes! + envelope.walBytes!, reads: [] }
}
