import type { Context } from 'aws-lambda'
import { type Pruned, prune } from '../../watch/prune.ts'
import type { Configuration } from './configuration.ts'
import { logger } from './logger.ts'

/** Pruning ends this long before Lambda ends the function, so that the function can still answer. */
const reserveMs = 15_000

/**
 * Removes the history that `retention` does not keep, for as long as the function lives, and logs how much.
 */
export async function pruneHistory(
  context: Context,
  {
    database,
    retention,
    tellsPrograms: programs,
  }: Pick<Configuration, 'database' | 'retention' | 'tellsPrograms'>,
): Promise<Pruned> {
  const until = Date.now() + context.getRemainingTimeInMillis() - reserveMs
  const pruned = await prune(database, { ...retention, programs }, until)
  if (pruned.done) logger.info('pruned', { ...pruned })
  else logger.warn('pruned a part: the time was up; the next call goes on', { ...pruned })
  return pruned
}
