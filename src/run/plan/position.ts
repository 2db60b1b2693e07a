import type { LaterStatement } from '../../sql/plan.ts'

/**
 * Records a position in the WAL after the commit of the run, and of the other runs of its group: a replica that has replayed
 * so far has all that the run did. The position before the commit would be too early, and nobody knows the one of the commit
 * before the commit; so the run gets it in a transaction of its own.
 */
export const recordPosition: LaterStatement = {
  kind: 'command',
  phase: 'cut-over',
  sql: `update viewkeeper.runs r
   set meta = jsonb_set(r.meta, '{response,walPosition}', to_jsonb(pg_current_wal_insert_lsn()::text))
 where (r.id = current_setting('viewkeeper.run')::integer or r.group_run_id = current_setting('viewkeeper.run')::integer)
   and r.status = 'success'`,
  hidden: true,
}
