import type { Patience } from '../catalog/db/look.ts'
import { giveUpAfterMs } from '../rebuild/plan/locks.ts'
import type { Sql } from '../server/connect.ts'
import type { QualifiedName } from '../sql/names.ts'
import { answer, deadlineOf, replay } from './answer.ts'
import type { Call } from './call.ts'
import { insistOnCharacters, insistOnNameCharacters } from './characters.ts'
import type { RunRequest } from './db/runs.ts'
import { performRun } from './perform.ts'
import type { Planned, Skipped } from './record.ts'
import type { Result } from './result.ts'

/** What distinguishes one operation from another. */
interface Operation<Request extends { view: string }, Found extends Target> {
  name: RunRequest['operation']
  /** Finds the target of the request. If it throws a Problem, that is the answer, and no run is made. */
  find(sql: Sql, request: Request, call: Call): Promise<Found>
  /** Plans the run for the view as it is now. If it throws a Problem, the run ends as failed. */
  plan(sql: Sql, found: Found, request: Request, call: Call): Promise<Planned | Skipped>
}

/** The view that a request is about. */
export interface Target {
  name: QualifiedName
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
export const execute = <Request extends { view: string }, Found extends Target>(
  operation: Operation<Request, Found>,
  request: Request,
  call: Call,
): Promise<Result> =>
  call.database.withConnection(
    async (sql) => {
      const { trigger, requestedBy, caller, idempotencyKey } = call
      const requested = {
        trigger,
        requestedBy,
        caller,
        idempotencyKey,
        request: { ...request } as Record<string, unknown>,
      }
      await insistOnCharacters(sql, { requestedBy, 'Idempotency-Key': idempotencyKey })
      await insistOnNameCharacters(sql, [request.view])
      const earlier = await replay(sql, call, { ...requested, operation: operation.name })
      if (earlier !== null) return earlier
      const found = await operation.find(sql, request, call)
      const { name, definitionId, recentRunId } = found
      if (recentRunId !== undefined) return { ...(await answer(sql, recentRunId)), coalesced: true }
      const run = { ...requested, ...name, operation: operation.name, definitionId }
      return performRun(sql, call, run, () => operation.plan(sql, found, request, call))
    },
    { deadline: deadlineOf(call) },
  )

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
