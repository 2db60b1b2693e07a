import type { Publisher } from '../../../src/watch/monitor.ts'

/** A publisher that publishes nothing, for tests of what else the monitor does. */
export const unheard: Publisher = {
  runs: () => {},
  batches: () => {},
  incidents: () => {},
}
