import { failuresSetting } from '../../src/run/envelope/run-connection.ts'
import type { Plan } from '../../src/sql/plan.ts'
import { ownCode } from './code.ts'
import type { Sample } from './measure.ts'
import { measure } from './measure.ts'
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
  { database, sql, code = ownCode }: BenchServer,
  view: { schema: string; name: string },
  plan: Plan,
  connect = (id: number): ReturnType<BenchServer['database']['open']> => database.open(runSettings(id)),
  envelope = code.envelope,
): Promise<Sample> {
  const { schema, name } = view
  const { id: definitionId } = await code.ensureDefinition(sql, view)
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
  const { startRunHere } = code
  const record = await measure(sql, async () => {
    id = (await (startRunHere
      ? startRunHere(sql, run, { plan, response: {} }, (made) => `${made} as taken`)
      : code.startRun(sql, run, plan, {})))!
  })
  const connection = await connect(id)
  // As at the start of the run's connection, also on one that has worked before.
  const failures = code.failuresOf && { [failuresSetting]: code.failuresOf(plan) }
  const settings = { 'viewkeeper.run': String(id), ...failures, ...code.startUp }
  for (const [setting, value] of Object.entries(settings))
    await connection.sql`select pg_catalog.set_config(${setting}, ${value}, false)`
  const work = await measure(sql, () => connection.sql.unsafe(envelope).simple())
  await connection.leave()
  const [ended] = await sql`select status, error from viewkeeper.runs where id = ${id}`
  if (ended?.status !== 'success')
    throw new Error(`run ${id} of ${name} is ${ended?.status}: ${ended?.error?.message}`)
  return { ms: record.ms + work.ms, walBytes: record.walBytes! + work.walBytes!, reads: [] }
}
