import type { Context } from 'aws-lambda'
import { type Pruned, prune } from '../../operations/monitoring/prune.ts'
import { databaseFromEnvironment, retentionFromEnvironment } from '../server/configuration.ts'
import { logger } from '../server/function.ts'

/** Time kept back of the function's own limit, to end in good order. */
const leaveBeforeEndMs = 15_000

/** Removes the history that is not kept, for as long as the function lives, and says how much that was. */
export async function pruneHistory(_event: unknown, context: Context): Promise<Pruned> {
  const until = Date.now() + context.getRemainingTimeInMillis() - leaveBeforeEndMs
  const pruned = await prune(databaseFromEnvironment(), retentionFromEnvironment(), until)
  if (pruned.done) logger.info('pruned', { ...pruned })
  else logger.warn('pruned a part: the time was up, the next one goes on', { ...pruned })
  return pruned
}
