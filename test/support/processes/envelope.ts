import { type SentEnvelope, sendRun, startUp } from '../../../src/run/connections/run-connection.ts'
import type { Database } from '../../../src/server/database.ts'
import { planOf } from '../views/plans.ts'

/** Sends the envelope of a run over a new connection. */
export async function sendEnvelope(
  database: Database,
  runId: number,
  timeoutSeconds: number,
): Promise<SentEnvelope> {
  return sendRun(await database.open(startUp), runId, { plan: planOf([]), timeoutSeconds })
}
