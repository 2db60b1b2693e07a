import type { Checking } from '../../catalog/plan/checks.ts'
import { regclass } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { madeChecks } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'

// Statements of the work of a run that ask the schema, or write into the record of the run.

/**
 * Locks what the view's query reads, through plain views and all, as the refresh will: the refresh itself would wait with its snapshot
 * taken, and perhaps while it locks readers out. Comes before the statement that fills. Execute it as ourselves.
 */
export const lockWhatIsRead = (view: QualifiedName): Statement => ({
  kind: 'command',
  phase: 'locking',
  sql: `select viewkeeper.lock_read(${regclass(view)})`,
  hidden: true,
})

/** Newer data stay: compares when each view was filled, by whomever, with what it was when its shadow began to be filled. */
export const nothingIsNewer: Statement = {
  kind: 'newer',
  phase: 'locking',
  sql: 'select viewkeeper.newer($1, $2)',
  hidden: true,
}

/**
 * The statement that writes what the checks have found into the records of the run and of its members. It comes where the
 * records may be locked.
 */
export const recordChecks = (checkings: (Checking | null | undefined)[]): Statement[] =>
  checkings.every((each) => !each)
    ? []
    : [
        {
          kind: 'command',
          phase: 'checking',
          sql: `update viewkeeper.runs r set checks = made.of
  from (select c ->> 'view' as view, jsonb_agg(c - 'view' order by at) as of
          from jsonb_array_elements(coalesce(nullif(current_setting('${madeChecks}', true), ''), '[]')::jsonb) with ordinality as x(c, at) group by 1) as made
 where made.view = r.schema_name || '.' || r.view_name and r.status = 'running'
   and current_setting('viewkeeper.run')::bigint in (r.id, r.group_run_id)`,
          hidden: true,
        },
      ]
