/** One statement, and the phase that a run shows while it works on it. */
export interface Step {
  phase: Phase
  sql: string
}

/** What a running run is doing, as its `application_name` and `GET /runs/{id}` say it. */
type Phase = 'counting' | 'locking' | 'building' | 'analyzing'

/**
 * All that the envelope is to do, as data: it lies in `viewkeeper.runs.plan`, and the envelope, whose text never
 * changes, executes it on the server.
 */
export interface Plan {
  /** What becomes of the run when another run of its view is running: ended as skipped, or left pending. */
  ifRunning: 'skip' | 'wait'
  /** The result word of success. */
  result: 'created' | 'updated' | 'deleted'
  /** A query for one number, asked before anything is locked. */
  countBefore: string | null
  prepare: Step[]
  /** Steps that need the strong lock: tried as a whole under a short `lock_timeout`, again and again. */
  cutOver: {
    /** For each wait for a lock; 0 waits as long as `statement_timeout` lets it. */
    lockTimeoutMs: number
    /** Every so many tries one waits this long instead; 0 never. Long enough, and the server ends an autovacuum in the way. */
    patientLockTimeoutMs: number
    giveUpAfterMs: number
    steps: Step[]
  }
  /** A query for a number that grows by the rows the cut-over writes. */
  written: string | null
  /** A query for one number, asked after the cut-over in the same transaction. */
  countAfter: string | null
  /** What follows the commit, each step in a transaction of its own; its failure does not fail the run. */
  aside: Step[]
  /** A query for one number, asked after those. */
  countAside: string | null
}

/** The statements that do the work, in order and without the settings around them: what the run record shows. */
export const statementsOf = (plan: Plan): string[] =>
  [...plan.prepare, ...plan.cutOver.steps, ...plan.aside]
    .filter(({ phase }) => phase !== 'locking')
    .map(({ sql }) => sql)
