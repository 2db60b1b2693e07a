import type { Publisher } from '../../src/operations/monitoring/monitor.ts'

/** For looks of the monitor of which only the rest matters. */
export const unheard: Publisher = { runs: () => {}, batches: () => {}, stale: () => {} }
