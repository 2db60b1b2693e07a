import type { RunPlan, Statement } from '../../../src/sql/run-plan.ts'

/** A plan that fills a view by these statements under its lock. */
export const planOf = (statements: Statement[], changes: Partial<RunPlan> = {}): RunPlan => ({
  ifRunning: 'skip',
  result: 'updated',
  fills: true,
  basis: null,
  settings: {},
  prepare: [],
  locked: {
    lockTimeoutMs: 100,
    recordLockTimeoutMs: 0,
    giveUpAfterMs: 5000,
    holders: 'select null',
    statements,
  },
  later: [],
  ...changes,
})
