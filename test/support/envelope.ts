import type { Database } from '../../src/db/connect.ts'
import { openForRun, type SentEnvelope } from '../../src/db/run-connection.ts'

/** Sends the envelope of a run over a connection of its own. */
export async function sendEnvelope(
  database: Database,
  runId: number,
  timeoutSeconds: number,
): Promise<SentEnvelope> {
  const connection = await openForRun(database)
  return connection.send(runId, timeoutSeconds)
}
