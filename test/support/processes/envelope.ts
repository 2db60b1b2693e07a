import { type SentEnvelope, sendRun, startUp } from '../../../src/run/envelope/run-connection.ts'
import type { EnvelopeVariant } from '../../../src/run/life/ours.ts'
import type { Database } from '../../../src/server/connect.ts'

/** Sends the envelope of a run over a new connection. */
export async function sendEnvelope(
  database: Database,
  runId: number,
  timeoutSeconds: number,
  variant: EnvelopeVariant = 'full',
): Promise<SentEnvelope> {
  return sendRun(await database.open(startUp), runId, timeoutSeconds, variant)
}
