import type { QualifiedName } from '../words/names.ts'

/** One statement of a plan: how it is executed (`Doing`), and what the run shows and records of it (`About`). */
export type Statement = Doing & About

/**
 * `kind` says how a statement is executed. Both interpreters, `envelope/statement.sql` and `rebuild/db/statements.ts`, know
 * each kind. Unless its kind says otherwise, a statement is executed with `safePath`.
 */
type Doing =
  /** A command of ours. */
  | { kind: 'command' }
  /** A command that executes code of others (the view's query, its functions), on the search path of Viewkeeper's role. */
  | { kind: 'userCode' }
  /**
   * A command that parses or executes SQL of others, as the role of the seal: see `src/sealed`. `rolePath`: on the search path of
   * Viewkeeper's role. `also`: further SQL, executed after `sql` in the same seal.
   */
  | { kind: 'sealed'; seal: Seal; rolePath?: true; also?: string }
  /**
   * A sealed query for one JSON object. It may only read; the answer is left in setting `viewkeeper.answer`. `reads`: the
   * materialized view, owned by the role, that the query has to read; empty for a query of ours.
   */
  | { kind: 'asked'; seal: Seal; reads: string }
  /** Reads the hints of `obstacles`, by SQLSTATE, before they are needed: a later statement may fail. */
  | { kind: 'notes'; obstacles: ViewHints }
  /** A query whose rows are SQL, of one command or several. Each row is executed, in order. */
  | { kind: 'statements' }
  /** A query for the names of views that got newer data than their shadows have. If it names any, the run fails with CatalogChanged. */
  | { kind: 'newer' }
  /** A query for one text. If the text is not `check.is`, the run fails with class `check.else`. */
  | { kind: 'check'; check: Check }

/** A statement that may come after the commit. */
export type LaterStatement = Statement & { kind: 'command' | 'userCode' }

/** The use of a view that needs rights. `own`: to alter or drop it; `act`: to act as its owner; `look`: to find it in its schema. */
export type Purpose = 'own' | 'act' | 'look' | 'count' | 'fill' | 'fillConcurrently'

/** Names the query for hints on one use of a view, which `catalog/plan/obstacles.ts` has: too long for a plan. `as`: the role that uses it. Default: our login. */
export type ViewHints = QualifiedName & { to: Purpose; as?: string }

/** Hints on a failure, by SQLSTATE: a query for them, or the use of a view that names the query. */
export type Hints = string | ViewHints

interface Check {
  is: string
  /** Only with `letsGo`: a cheaper query that is asked first. If its answer is `is`, the server does not even plan the statement. */
  sooner?: string
  /** The class of the failure. `LockTimeout`: the run releases its locks and tries again, as long as it may wait for locks. */
  else: 'CatalogChanged' | 'SwapImpossible' | 'CheckFailed' | 'LockTimeout'
  /** The message of the failure. Default: the text that the statement returned. */
  message?: string
  /**
   * The detail of the failure: these words, then the text that the statement returned. Default: no detail. In that text, a record
   * separator (U+001E) separates the hint.
   */
  tells?: string
  /** The locks of the statement are released once it has answered, so that nobody waits for them until the run ends. */
  letsGo?: true
}

export interface About {
  /** Shown as the run's phase during the statement. */
  phase: Phase
  sql: string
  /** In the run of a group: the name of the member that the statement works on. Messages of its errors begin with the name. */
  view?: string
  /**
   * The statement computes rows, so it is executed under the settings of our login. The server's messages may quote rows, so the
   * record leaves them out.
   */
  computesRows?: true
  /**
   * The statement writes data of `view` into `relation`: the view itself or its shadow, written as in SQL. `query`: the plain view
   * with the query of an incremental table, written as in SQL. `differs`: only rows that differ are written. `keeps`: some rows are
   * not computed, so the data count as no newer. `noted`: an earlier statement has noted as of when the data will be.
   */
  fills?: {
    view: [schema: string, name: string]
    relation: string
    query?: string
    differs?: true
    keeps?: true
    noted?: true
  }
  /** From here on readers wait until the run commits. */
  locksReaders?: true
  /** The hints to read if the statement fails. */
  obstacles?: Hints
  /**
   * The columns of each unique index that rows may violate, by the name that the index has during the statement. The failure says
   * which index was violated.
   */
  unique?: Record<string, string>
  /** In words, what the statement copies from the old view to the new one: the hint if it fails. */
  carries?: string
  /** The run does not show the statement, which is machinery around the work. */
  hidden?: true
}

/** The role as which a sealed statement is executed, and a schema in which the role may create objects; both as SQL writes them. */
export interface Seal {
  role: string
  schema: string
  /** The search path of the statement; default: `safePath`. */
  path?: string
}

/** What a running run is doing, as shown in its `application_name` and by `GET /runs/{id}`. */
type Phase = 'counting' | 'locking' | 'building' | 'indexes' | 'exchange' | 'analyzing' | 'checking'

/**
 * The work of a run as data, in `viewkeeper.runs.plan`. The envelope, whose own text never changes, executes it on the
 * server: `prepare`, `locked`, the commit, `later`.
 */
export interface RunPlan {
  /** If another run of the view is running, `skip` ends this run as skipped, and `wait` leaves it pending. */
  ifRunning: 'skip' | 'wait'
  /** The run's `result` if it succeeds. */
  result: 'created' | 'updated' | 'deleted'
  /** Whether a success makes the view's data fresh. */
  fills: boolean
  /**
   * The state of the catalog that the plan was made from: a query, and the answer that it must give when the run is claimed.
   * After another answer, for example because another run has just ended, the run stays pending and has to be planned again.
   */
  basis: { sql: string; is: string } | null
  /** Session settings that hold for this run only. */
  settings: Record<string, string>
  /** Statements that need no strong lock. */
  prepare: Statement[]
  /**
   * Statements that need a strong lock. The envelope tries all of them together under a short `lock_timeout`, again and
   * again until it gets the locks, for at most `giveUpAfterMs`.
   */
  locked: {
    /**
     * The limit of each wait for a lock. Null: a little less than `deadlock_timeout`, so that the server ends
     * no session that waits for this run as part of a deadlock. While an autovacuum holds a lock on the view,
     * the limit is one and a half times `deadlock_timeout`, because the server ends an autovacuum only after
     * `deadlock_timeout`: in every try if `lockTimeoutMs` is null, else in every tenth.
     */
    lockTimeoutMs: number | null
    /**
     * The longest wait for the lock of the run's row, which records the success after the work; 0: no limit. Null: the row is
     * locked before the first statement.
     */
    recordLockTimeoutMs: number | null
    giveUpAfterMs: number
    /** A query for the sessions that hold the locks which the run waits for: see `sql/holders.ts`. */
    holders: string
    statements: Statement[]
    /** A check after the record of success, the last statement before the commit. Its statement returns the message and hint of the failure. */
    last?: Extract<Statement, { kind: 'check' }> & { check: { message?: never; tells?: never } }
  }
  /**
   * The plan that the same run executes instead if this one proves impossible. `response` then replaces these fields of the
   * run's answer, with the failure added to `because`.
   */
  otherwise?: { plan: RunPlan; response: { strategy: string; because: string; sql: string[] } }
  /**
   * The other views of a group, which this run refreshes, too. Each has a run of its own that begins and ends together with
   * this one; so has a view without data, so that no other run exchanges it meanwhile. `fills`: the view gets data (default).
   */
  members?: { definitionId: number; schema: string; name: string; view: string; fills?: boolean }[]
  /** The owner of the views of a bundle. The message of a bundle executes only plans with its owner, so none that was made anew. */
  bundle?: string
  /** The run notes the counters of the relations that the view reads, so that the next refresh may be left out: see docs/freshness.md. */
  counted?: true
  /** The run fills a shadow and ends as `built`. A later plan exchanges the shadow. */
  builds?: true
  /** Statements after the commit, each in its own transaction. If one fails, the run is a success all the same. */
  later: LaterStatement[]
}

/** The roles of the seals of a plan, and of its `otherwise`, as SQL writes them. */
export const actorsOf = ({ prepare, locked, later, otherwise }: RunPlan): string[] => [
  ...[...prepare, ...locked.statements, ...later].flatMap((statement) =>
    'seal' in statement ? [statement.seal.role] : [],
  ),
  ...(otherwise === undefined ? [] : actorsOf(otherwise.plan)),
]

/** The uses of views on which statements of these plans have hints, each once. */
export const purposesOf = (...plans: RunPlan[]): Purpose[] => [
  ...new Set(
    plans.flatMap(({ prepare, locked, later, otherwise }) => [
      ...[...prepare, ...locked.statements, ...later].flatMap(({ obstacles }) =>
        typeof obstacles === 'object' ? [obstacles.to] : [],
      ),
      ...(otherwise === undefined ? [] : purposesOf(otherwise.plan)),
    ]),
  ),
]

/** The SQL that the record of the run shows: of all statements that are not `hidden`, in order. */
export const statementsOf = (plan: RunPlan): string[] =>
  [...plan.prepare, ...plan.locked.statements, ...plan.later]
    .filter(({ hidden }) => !hidden)
    .map(({ sql }) => sql)
