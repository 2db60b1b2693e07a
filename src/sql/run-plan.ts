import type { QualifiedName } from '../words/names.ts'

/** One statement: what it is, and what the run shows and records of it. */
export type Statement = Doing & About

/**
 * What a statement is. Its `kind` says how it is executed; both interpreters, `envelope/statement.sql` and `rebuild/db/statements.ts`
 * know every kind. Except where a kind says otherwise, a statement sees only the names of the catalog (`safePath`).
 */
type Doing =
  /** A command of ours. */
  | { kind: 'command' }
  /**
   * The command executes code written by others (the view's query and its functions), which may rely on the search path of
   * Viewkeeper's role.
   */
  | { kind: 'userCode' }
  /** The command parses or executes SQL written by others, as this role: see `src/sealed`. `rolePath`: as in `userCode`. `also`: what follows in its seal, after `sql`. */
  | { kind: 'sealed'; seal: Seal; rolePath?: true; also?: string }
  /**
   * The same for a query of a JSON object, which may only read and leaves nothing but its answer, in setting `viewkeeper.answer`. `reads`: a
   * materialized view of the role's that it has to read; empty for a query of ours.
   */
  | { kind: 'asked'; seal: Seal; reads: string }
  /** Asks for the hints of `obstacles` by SQLSTATE, in case a later statement fails. */
  | { kind: 'notes'; obstacles: ViewHints }
  /** A query for statements, one a row, each perhaps of several commands: they are executed, too. */
  | { kind: 'statements' }
  /** A query for the views that were filled since their shadows were: the run fails with CatalogChanged if there are any. */
  | { kind: 'newer' }
  /** A query for one text. If the text is not `is`, the run fails with this class and message. */
  | { kind: 'check'; check: Check }

/** A statement that may come after the commit. */
export type LaterStatement = Statement & { kind: 'command' | 'userCode' }

/** What a role is about to do with a view. `own`: to alter or drop the view; `act`: to act as its owner. */
export type Purpose = 'own' | 'act' | 'look' | 'count' | 'fill' | 'fillConcurrently'

/** Hints on doing something with a view, as a plan says it: the long query stands in `catalog/plan/obstacles.ts`. `as`: who does it, if not our login. */
export type ViewHints = QualifiedName & { to: Purpose; as?: string }

/** Hints by SQLSTATE on why something failed: a query for them, or what was done with a view. */
export type Hints = string | ViewHints

interface Check {
  is: string
  /** Beside `letsGo`: a query that is asked before the statement, which is neither planned nor executed if the answer is `is`. */
  sooner?: string
  /** `LockTimeout`: all locks are let go, and the exchange is tried again, as long as it may wait for its locks. */
  else: 'CatalogChanged' | 'SwapImpossible' | 'CheckFailed' | 'LockTimeout'
  /** Default: the text that the statement returned. */
  message?: string
  /**
   * Words for the detail of the failure, before the text that the statement returned. Default: no detail. What comes after a
   * record separator (U+001E) in that text is the hint.
   */
  tells?: string
  /** The locks of the statement are let go once it has answered, because others would wait for them until the run ends. */
  letsGo?: true
}

export interface About {
  /** The phase that the run shows while it executes the statement. */
  phase: Phase
  sql: string
  /** In the run of a group: the member that the statement is about. Errors begin with its name. */
  view?: string
  /**
   * The statement computes rows, under the settings of our login. The server's error messages may quote rows, so they stay out of
   * the record.
   */
  computesRows?: true
  /**
   * The statement fills `relation`, written as in SQL, with the data of a view: the view itself or its shadow. `differs`: it writes
   * only rows that differ. `query`: what has the query of a kept table, written so, too. `keeps`: other rows stay as they are,
   * so the data are no newer than before. `noted`: a statement before this one has noted how old the data will be.
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
  /** What is asked for if the statement fails. */
  obstacles?: Hints
  /**
   * The unique indexes that rows may violate, with their columns, by the names that the indexes have meanwhile. The failure
   * of the statement says which one was violated.
   */
  unique?: Record<string, string>
  /** What the statement carries over from the old view to the new one, in words: the hint if the statement fails. */
  carries?: string
  /** Not shown among the run's statements: the statement is machinery around the work. */
  hidden?: true
}

/** The role that a sealed statement is executed as, and a schema in which the role may create; both as SQL writes them. */
export interface Seal {
  role: string
  schema: string
  /** The search path of the statement; default: `safePath`. */
  path?: string
}

/** What a running run is doing, as shown in its `application_name` and by `GET /runs/{id}`. */
type Phase = 'counting' | 'locking' | 'building' | 'indexes' | 'exchange' | 'analyzing' | 'checking'

/**
 * All that the envelope does in a run, as data in `viewkeeper.runs.plan`. The envelope executes the plan on
 * the server; its own text never changes.
 */
export interface RunPlan {
  /** If another run of the view is running, `skip` ends this run as skipped, and `wait` leaves it pending. */
  ifRunning: 'skip' | 'wait'
  /** The run's `result` if it succeeds. */
  result: 'created' | 'updated' | 'deleted'
  /** Whether a success makes the view's data fresh. */
  fills: boolean
  /**
   * What the plan stands on: a query, and the answer it must give when the run is claimed. If the answer is
   * another one, for example because another run has just ended, the run stays pending and has to be planned
   * again.
   */
  basis: { sql: string; is: string } | null
  /** Session settings that hold for this run only. */
  settings: Record<string, string>
  prepare: Statement[]
  /**
   * Statements that need a strong lock: the envelope tries all of them together under a short `lock_timeout`,
   * again and again.
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
     * The limit of the wait for the run's row after the work; 0: no limit. Null: the row is locked before the
     * first statement.
     */
    recordLockTimeoutMs: number | null
    giveUpAfterMs: number
    /** A query for those who hold the locks that the run waits for: see `sql/holders.ts`. */
    holders: string
    statements: Statement[]
    /** What has to hold at the very end, after the record of success; absent: nothing. Its statement returns the whole failure. */
    last?: Extract<Statement, { kind: 'check' }> & { check: { message?: never; tells?: never } }
  }
  /**
   * What to do instead, in the same run, if this plan turns out to be impossible. `response` then replaces that part of the
   * run's answer; the failure is added to its `because`.
   */
  otherwise?: { plan: RunPlan; response: { strategy: string; because: string; sql: string[] } }
  /**
   * The other views of a group, which the run refreshes, too: each has a run of its own, which begins and ends together with
   * this one. A view without data has one, too, so that no other run exchanges it meanwhile; `fills`: it gets data (default).
   */
  members?: { definitionId: number; schema: string; name: string; view: string; fills?: boolean }[]
  /** The owner of what a message of several runs refreshes: it executes no plan of another one, or one that was made anew. */
  bundle?: string
  /** Notes the counters of what is read, so that the next refresh may be left out: see docs/freshness.md. */
  counted?: true
  /** The run fills a shadow and ends as `built`. A later plan exchanges the shadow. */
  builds?: true
  /** Statements after the commit, each in a transaction of its own. Their failure does not fail the run. */
  later: LaterStatement[]
}

/** The roles of others as whom a plan's statements are parsed or executed, as SQL writes them. */
export const actorsOf = ({ prepare, locked, later, otherwise }: RunPlan): string[] => [
  ...[...prepare, ...locked.statements, ...later].flatMap((statement) =>
    'seal' in statement ? [statement.seal.role] : [],
  ),
  ...(otherwise === undefined ? [] : actorsOf(otherwise.plan)),
]

/** What the statements of plans do with views, as far as they have hints on it. */
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

/**
 * The statements that do the work, in order and without the machinery around them: what the run record shows.
 */
export const statementsOf = (plan: RunPlan): string[] =>
  [...plan.prepare, ...plan.locked.statements, ...plan.later]
    .filter(({ hidden }) => !hidden)
    .map(({ sql }) => sql)
