import type { RunRequest } from '../../db/runs/runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import type { QualifiedName } from '../../plan/names.ts'
import { answer, deadlineOf, replay } from './answer.ts'
import type { Call } from './call.ts'
import { performRun } from './perform.ts'
import type { Planned, Skipped } from './record.ts'
import type { Result } from './result.ts'

/** What distinguishes one operation from another. */
interface Operation<Request extends object, Found extends Target> {
  name: RunRequest['operation']
  /** Finds what the request is about. A Problem that it throws is an answer without a run. */
  find(sql: Sql, request: Request, call: Call): Promise<Found>
  /** Looks at the view as it is now, and plans. A Problem that it throws is a refusal: the run ends failed. */
  plan(sql: Sql, found: Found, request: Request): Promise<Planned | Skipped>
}

/** What a request is about. */
export interface Target {
  name: QualifiedName
  /** Null for a view that nobody has met. */
  definitionId: number | null
  /** The run that is recent enough to be the answer, so that no other is made. */
  recentRunId?: number | undefined
}

/**
 * Executes an operation for a caller, from the request to the answer. A request whose idempotency key already stands for a
 * run is answered with that run. Any other is a new run: found, planned, recorded, done by the server, and answered by its
 * record.
 */
export const execute = <Request extends object, Found extends Target>(
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
      const earlier = await replay(sql, call, { ...requested, operation: operation.name })
      if (earlier !== null) return earlier
      const found = await operation.find(sql, request, call)
      const { name, definitionId, recentRunId } = found
      if (recentRunId !== undefined) return { ...(await answer(sql, recentRunId)), coalesced: true }
      const run = { ...requested, ...name, operation: operation.name, definitionId }
      return performRun(sql, call, run, () => operation.plan(sql, found, request))
    },
    { deadline: deadlineOf(call) },
  )
