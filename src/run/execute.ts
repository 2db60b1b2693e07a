import { giveUpAfterMs } from '../rebuild/plan/locks.ts'
import type { Patience } from '../record/definitions/look.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import type { EndedAtOnce, RunRequest } from '../record/runs/runs.ts'
import type { Skipped } from '../record/runs/skip.ts'
import type { Sql } from '../server/database.ts'
import type { QualifiedName } from '../words/names.ts'
import { answer, type Call, deadlineOf, type Result, replay } from './call.ts'
import { type RunConnection, withRunConnection } from './connections/run-connection.ts'
import { insistOnCharacters, insistOnNameCharacters, resolveName } from './name.ts'
import { type PlannedRun, type Planning, planOrEnd, recordEnd } from './planned-run.ts'
import { namingRun, sendNew, untilClaimed } from './send.ts'

/** A request about a view, by its name or id; and texts that the database has to be able to store. */
type NamedRequest = { view: string; slices?: object | undefined }

/** What distinguishes one operation from another. */
interface OperationSteps<Request extends NamedRequest, Found extends OperationTarget> {
  name: RunRequest['operation']
  /** Finds the target of the request, by its name. If it throws a Problem, that is the answer, and no run is made. */
  find(sql: Sql, name: QualifiedName, request: Request, call: Call): Promise<Found>
  /** Plans the run for the view as it is now. If it throws a Problem, the run ends as failed. */
  plan(
    sql: Sql,
    name: QualifiedName,
    found: Found,
    request: Request,
    call: Call,
  ): Promise<PlannedRun | Skipped>
}

/** The view that a request is about. */
export interface OperationTarget {
  /** Null for a view without a definition. */
  definitionId: number | null
  /** A run that is recent enough to be the answer: no new run is made. */
  recentRunId?: number | undefined
}

/**
 * Executes an operation for a caller, from the request to the answer. If a run has the request's idempotency
 * key already, that run is the answer; so is a run that is recent enough. Otherwise a new run is planned,
 * recorded and executed by the server, and its record is the answer.
 */
export const execute = <Request extends NamedRequest, Found extends OperationTarget>(
  operation: OperationSteps<Request, Found>,
  request: Request,
  call: Call,
): Promise<Result> =>
  withRunConnection(
    call.database,
    async (connection) => {
      const { sql } = connection
      const { trigger, requestedBy, caller, idempotencyKey } = call
      const requested = {
        trigger,
        requestedBy,
        caller,
        idempotencyKey,
        request: { ...request } as Record<string, unknown>,
      }
      const texts = { requestedBy, 'Idempotency-Key': idempotencyKey, ...request.slices }
      await insistOnCharacters(sql, texts)
      await insistOnNameCharacters(sql, [request.view])
      const replayed = replay(sql, call, { ...requested, operation: operation.name })
      const finding = findNamed(sql, operation, request, call) // travels together with the look for an earlier run
      finding.catch(() => {}) // the earlier run may be the answer
      const earlier = await replayed
      if (earlier !== null) return earlier
      const { name, find, ...first } = await finding
      let found: Found | undefined = first.found
      const { definitionId, recentRunId } = found
      if (recentRunId !== undefined) return { ...(await answer(sql, recentRunId)), coalesced: true }
      const run = { ...requested, ...name, operation: operation.name, definitionId }
      return performRun(connection, call, run, async (sql) => {
        const target = found ?? (await find(sql))
        found = undefined // a second plan looks again
        return operation.plan(sql, name, target, request, call)
      })
    },
    { deadline: deadlineOf(call) },
  )

/** Finds the target of a request, and closes lost runs of the view meanwhile. `find` finds it again. */
async function findNamed<Request extends NamedRequest, Found extends OperationTarget>(
  sql: Sql,
  operation: OperationSteps<Request, Found>,
  request: Request,
  call: Call,
) {
  const name = await resolveName(sql, request.view)
  const find = (sql: Sql) => operation.find(sql, name, request, call)
  const [, found] = await Promise.all([closeLostRuns(sql, name), find(sql)])
  return { name, find, found }
}

/** Less than any function's time, and enough for a momentary lock. */
const shortestMs = 8000

/**
 * How long to wait for somebody's exclusive lock before a run can be planned: as long as the run itself would wait and the
 * caller does. A caller who does not wait at all still waits some seconds. Another run of the view is not waited for.
 */
export const patienceOf = ({ waitUntil }: Pick<Call, 'waitUntil'>, timeoutSeconds: number): Patience => ({
  until: Math.min(Date.now() + giveUpAfterMs(timeoutSeconds), Math.max(waitUntil, Date.now() + shortestMs)),
  ifRunning: 'skip',
})

/**
 * Performs one run over a connection: plans it, records it as pending, sends it to the server, and answers with its record as
 * it is when the caller stops waiting. If the plan is refused (a Problem), the run ends as failed and the
 * view is untouched.
 */
export async function performRun(
  connection: RunConnection,
  call: Call,
  run: RunRequest,
  planning: Planning,
): Promise<Result> {
  const { sql } = connection
  const work = await planOrEnd(() => planning(sql))
  if ('status' in work) return endAtOnce(sql, call, run, work)
  const sent = await sendNew(connection, run, work, call)
  if (sent !== null)
    return namingRun(sent.runId, call, () => untilClaimed(connection, call, run, sent, planning))
  // Another run took the key meanwhile. If that run has given the key back since, this call starts over.
  return (await replay(sql, call, run)) ?? performRun(connection, call, run, planning)
}

async function endAtOnce(sql: Sql, call: Call, run: RunRequest, end: EndedAtOnce): Promise<Result> {
  const runId = await recordEnd(sql, run, end)
  if (runId !== null) return answer(sql, runId)
  return (await replay(sql, call, run)) ?? endAtOnce(sql, call, run, end)
}
