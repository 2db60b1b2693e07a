/** One statement, and the phase that a run shows while it works on it. */
export interface Statement {
  phase: Phase
  sql: string
  /**
   * The statement parses what somebody else has written: it is done sealed, as this role (both names as SQL writes them),
   * with a helper in a schema in which the role may create. See `src/db/runs/seal.ts`.
   */
  sealed?: Seal
  /** The statement computes rows: what the server says when it fails may quote them, and stays out of the record. */
  computesRows?: true
  /** A query for what to say, by SQLSTATE, where the statement fails: see `obstacles.ts`. */
  obstacles?: string
  /** The statement is such a query itself, for a later one. */
  notes?: 'obstacles'
  /** The statement gives one number: the rows before, or after. */
  count?: 'before' | 'after'
  /** The materialized view whose rows the statement reads, as SQL writes it: nothing else may have its name meanwhile. */
  countsRowsOf?: string
  /** The statement gives one text, which has to be `is`; else the run fails with this class and message. */
  check?: { is: string; else: 'CatalogChanged' | 'SwapImpossible'; message: string }
  /**
   * The statement runs what somebody else has written (the view's query and its functions), which may count on the
   * search path of Viewkeeper's role. Every other one sees an empty path.
   */
  userCode?: true
  /** The privileges it takes, in words: the hint where the server says that one is missing. */
  needs?: string
  /** What it carries over from the old view to the new one, in words: what stands in the way where the server refuses. */
  carries?: string
  /** Part of the machinery around the work: not shown as the run's statements. */
  hidden?: true
}

/** Whose rights a sealed statement has, and where its helper is made. */
export interface Seal {
  role: string
  schema: string
}

/** What a running run is doing, as its `application_name` and `GET /runs/{id}` say it. */
type Phase = 'counting' | 'locking' | 'building' | 'indexes' | 'cut-over' | 'analyzing'

/**
 * All that the envelope is to do, as data: it lies in `viewkeeper.runs.plan`, and the envelope, whose text never
 * changes, executes it on the server.
 */
export interface Plan {
  /** What becomes of the run when another run of its view is running: ended as skipped, or left pending. */
  ifRunning: 'skip' | 'wait'
  /** The result word of success. */
  result: 'created' | 'updated' | 'deleted'
  /** Whether success makes the data of the view fresh. */
  fills: boolean
  /**
   * What the plan stands on: asked when the run is claimed. Where it does not hold any more,
   * because another run has just ended, say, the run stays pending, to be planned anew.
   */
  basis: { sql: string; is: string } | null
  /** Session settings that hold for this run only. */
  settings: Record<string, string>
  prepare: Statement[]
  /** Statements that need the strong lock: tried as a whole under a short `lock_timeout`, again and again. */
  cutOver: {
    /**
     * For each wait for a lock. Null: a little less than `deadlock_timeout`, so that nobody who waits for us is found in a
     * deadlock with us. Beside an autovacuum the wait is one and a half times `deadlock_timeout`, because the server ends an
     * autovacuum only then: in every try where this is null, otherwise in every tenth.
     */
    lockTimeoutMs: number | null
    /** For the run's record, once the work is done; 0 waits. Null: the record is taken before the first statement. */
    recordLockTimeoutMs: number | null
    giveUpAfterMs: number
    statements: Statement[]
  }
  /** A query for a number that grows by the rows the cut-over writes; null where that is not how rows are counted. */
  written: string | null
  /** What follows the commit, each statement in a transaction of its own; its failure does not fail the run. */
  aside: Statement[]
}

/** The statements that do the work, in order and without the machinery around them: what the run record shows. */
export const statementsOf = (plan: Plan): string[] =>
  [...plan.prepare, ...plan.cutOver.statements, ...plan.aside]
    .filter(({ hidden }) => !hidden)
    .map(({ sql }) => sql)
