import { flushLeft, literal } from './names.ts'
import type { RunPlan, Statement } from './run-plan.ts'

/**
 * A query for the sessions that dump this database, the oldest first: each with its `pid`, and `who` it is in words. A dump lists
 * the catalog in one snapshot, and asks for the SQL of views, indexes and statistics objects by OID until its end: it fails, or
 * says too little, if one of them was dropped or renamed meanwhile. It is known by the name of its session, from its login on, but
 * an older one only in a transaction: anybody may wear the name. Under another name it is known some statements after its snapshot: by
 * two locks of its first queries, which nobody else has for long but sessions of ours. A role that may read no table and no view
 * can dump nothing. `pg_stat_clear_snapshot` lets a transaction see more than the sessions of its first look.
 */
export const backupsQuery = flushLeft(`
select a.pid, format('process %s (%s)', a.pid, concat_ws(', ', 'role ' || a.usesysid::regrole, 'application ' || quote_ident(nullif(a.application_name, '')),
         'transaction began ' || date_trunc('second', a.xact_start))) as who
  from pg_catalog.pg_stat_get_activity(case when pg_catalog.pg_stat_clear_snapshot()::text is null then 0 end) a
  join pg_catalog.pg_database d on d.oid = a.datid and d.datname = pg_catalog.current_database()
 where (a.application_name = 'pg_dump' and (a.backend_start > pg_catalog.clock_timestamp() - interval '5 s'
                  or exists (select from pg_catalog.pg_locks l where l.pid = a.pid and l.locktype = 'virtualxid' and l.granted))
    or a.application_name !~ '^viewkeeper' and a.pid in (select l.pid from pg_catalog.pg_locks l
                  where l.locktype = 'relation' and l.mode = 'AccessShareLock' and l.granted and l.pid <> pg_catalog.pg_backend_pid()
                    and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
                    and l.relation in ('pg_catalog.pg_extension'::regclass, 'pg_catalog.pg_foreign_table'::regclass)
                  group by l.pid having count(*) = 2))
   and exists (select from pg_catalog.pg_class c where c.relkind in ('r', 'p', 'm') and c.oid >= 16384 and c.relpersistence <> 't'
                  and pg_catalog.has_table_privilege(a.usesysid, c.oid, 'select'))
 order by a.xact_start, a.pid`)

const running = 'backup of this database is running, which an exchange or a drop would break'

/** What is said of the session that `backupsQuery` finds. */
export const besideBackup = (who: string): string => `a ${running}: ${who}`

const advice =
  'Try again when the backup has ended. Beside it, strategies concurrent and regular are possible.'

const lookForBackup = `
select coalesce((select ${literal(`A ${running}: `)} || b.who || E'.\\x1e' || ${literal(advice)} from (${backupsQuery} limit 1) b), '')`

/**
 * Looks for a backup: before an exchange takes its locks, and after the record of success. A backup that begins later takes its snapshot
 * after the commit, because it sends a dozen statements before. If there is one, all locks are let go, and the exchange is tried
 * again later. `otherwise`: the run goes on with its other plan instead, which no backup notices.
 */
export const waitForBackup = (otherwise = false): NonNullable<RunPlan['locked']['last']> => ({
  kind: 'check',
  phase: 'locking',
  sql: lookForBackup,
  check: { is: '', else: otherwise ? 'SwapImpossible' : 'LockTimeout' },
  hidden: true,
})

/** The statements without the looks for a backup: what is undone in the end breaks none. */
export const withoutLooks = (statements: Statement[]): Statement[] =>
  statements.filter(({ sql }) => sql !== lookForBackup)
