import { literal, logSchema, ofLog } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'

/** SQL for whether others than its owner may create in schema `n`. */
export const othersCreate = `exists (select from aclexplode(n.nspacl) a where a.privilege_type = 'CREATE' and a.grantee <> n.nspowner)`

/** SQL for the OID of the schema of logs; null if that is not of whom schema `viewkeeper` is, or others may create in it: nothing in it is touched then. */
const ownLogs = `(select n.oid from pg_namespace n join pg_namespace k on k.nspname = 'viewkeeper' and k.nspowner = n.nspowner
  where n.nspname = '${logSchema}' and not ${othersCreate})`

/** Beyond so many rows, a log means all slices. */
export const mostRows = 10_000

/** The server's setting that says what a refresh has read of the log: what this snapshot sees. */
export const logRead = 'viewkeeper.log_read'

/** What was committed when this is asked, the statement that fills sees, too; what comes later stays in the log for the next refresh. */
export const look: Statement = {
  kind: 'command',
  phase: 'building',
  sql: `select set_config('${logRead}', pg_current_snapshot()::text, true)`,
  hidden: true,
}

/**
 * Takes from the log of a view, by its `logName`, what a refresh has read, or would have, had it been believed; without `read` makes a long log one row for all
 * slices. Executed as the owner of the view, or of the log. Only the log's own functions, which act as its owner, look into it: whose it is is not known here. A log
 * that cannot be written stays as it is: what it holds is computed once more.
 */
export const forget = (name: string, read: 'read' | 'long'): string => {
  const what = read === 'read' ? `current_setting('${logRead}')::pg_catalog.pg_snapshot` : 'null'
  return `do ${literal(`
declare each pg_catalog.record; path pg_catalog.text := pg_catalog.current_setting('search_path');
begin
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)${read === 'read' ? '' : `, pg_catalog.set_config('lock_timeout', '100ms', true)`};
  for each in
    select p.oid::regproc as forget from pg_class c join pg_proc p on p.pronamespace = c.relnamespace and p.proname = c.relname || '_forget' and p.prosecdef
     where c.relnamespace = ${ownLogs} and c.relkind = 'r' and ${ofLog('c.relname')} = ${literal(name)}
  loop
    begin
      execute format('select %s($1)', each.forget) using ${what}::pg_snapshot;
    exception when others then
      null;
    end;
  end loop;
  perform set_config('search_path', path, true);
end`)}`
}
