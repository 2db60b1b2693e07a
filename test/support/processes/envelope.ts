import { openForRun, type SentEnvelope } from '../../../src/run/envelope/run-connection.ts'
import type { EnvelopeVariant } from '../../../src/run/life/ours.ts'
import type { Database } from '../../../src/server/connect.ts'

/** Sends the envelope of a run over a new connection. */
export async function sendEnvelope(
  database: Database,
  runId: number,
  timeoutSeconds: number,
  variant: EnvelopeVariant = 'full',
): Promise<SentEnvelope> {
  const connection = await openForRun(database)
  return connection.send(runId, timeoutSeconds, variant)
}
