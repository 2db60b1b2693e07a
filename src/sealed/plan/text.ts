import { literal } from '../../sql/names.ts'
import { safePath } from '../../sql/settings.ts'

// The one place where code of others is executed: the query of a view, a check, an expression of an index, a default, a cast, an
// operator, an estimate of the planner. Even parsing executes: a constant of a domain's array runs the domain's CHECK. Under `set role`
// such code can `reset role`, and then runs as us. So a function that fills a materialized view executes the statement: there, as in a
// refresh, the server itself refuses every change of role, deferred triggers and cursors that outlive the statement, and takes back
// every setting. A `security definer` function alone is not enough: a trigger that is deferred again (before 18) and a cursor
// `with hold` run at the commit, as the committing role.
//
// Nothing is ever read from the helpers. They have random names that nobody knows before the code is executed, in a schema where the
// owner may create; the answer of a query comes out as an exception, whose rollback leaves nothing of them. They cannot stand in a schema
// where only we may create: the owner of a relation needs that right when it gets it, and a right that is given for a moment locks the
// schema until the commit, for every other run.

/** How the answer comes out, and how it does not: the query has not read what it was to read. Code of others can raise neither. */
const [answered, unbound] = ['VK004', 'VK005']

/**
 * What the function does, as the owner, with `command`. It executes it on `path`. If `reads` is given, it is a query for a JSON object,
 * which may only read: the server refuses every write in a part of a transaction that only reads. Unless `reads` is
 * empty, the query has to read a materialized view of the owner's with that name, and under the name nothing else: no lock holds the
 * name of a schema, so the names are bound first, as those of a plain view that is not executed. No cursor opens for several statements.
 */
const body =
  `declare began constant timestamptz := clock_timestamp(); found jsonb; bound boolean := true; one refcursor;
begin
  begin
    if reads is null then
      path := pg_catalog.set_config('search_path', path, true); execute command; return null;
    end if;
    perform set_config('standard_conforming_strings', 'on', true);
    if reads <> '' then
      open one for execute 'explain ' || command; close one;
      execute format('create view %s_ as %s', room, command);
      command := format('table %s_', room);
      bound := (select coalesce(bool_and(c.relkind in ('m', 'r') and pg_get_userbyid(c.relowner) = current_user), false)
        from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
        join pg_class c on c.oid = d.refobjid where w.ev_class = to_regclass(room || '_') and c.oid <> w.ev_class and c.relname = reads);
    end if;
    if bound then
      perform set_config('transaction_read_only', 'on', true), set_config('search_path', path, true);
      execute command into found;
      perform pg_catalog.set_config('search_path', '${safePath}', true);
    end if;
  exception when sqlstate '${answered}' or sqlstate '${unbound}' then raise exception 'This error code is reserved.';
  end;
  if not bound then
    raise exception using errcode = '${unbound}', message = format('%I is no longer the materialized view that was to be read. Try again.', reads);
  end if;
  raise exception using errcode = '${answered}', detail = coalesce(found, '{}') || jsonb_build_object('ms', round(extract(epoch from clock_timestamp() - began) * 1000, 1));
end`.replaceAll(/\s+/g, ' ')

/** Expressions of SQL for what is executed. */
interface Sealed {
  /** The role, and the schema for the helpers, both written as in SQL. */
  role: string
  schema: string
  command: string
  path: string
  /** Null: the command returns nothing. */
  reads: string
}

/** The variables that `sealedText` needs. */
export const sealedVariables = 'acting text; room text; answer text; failure text;'

/**
 * Executes a statement of others, in PL/pgSQL: a command, or a query whose answer `answer` then is. Afterwards the session has the role
 * that it had before. `failure` is the class of a failure that is ours. The function returns a boolean, which is null: a type that needs a TOAST table
 * would cost four more files, half of the time of a short statement.
 */
export const sealedText = ({ role, schema, command, path, reads }: Sealed): string =>
  `acting := current_setting('role');
answer := null;
room := format('%s.viewkeeper_sealed_%s', ${schema}, replace(gen_random_uuid()::text, '-', ''));
begin
  execute format('set local role %s', ${role});
  execute format('create function %s(command text, path text, reads text, room text) returns boolean language plpgsql as %L', room, ${literal(body)});
  execute format('create materialized view %s as select %s(%L, %L, %L, %L)', room, room, ${command}, ${path}, ${reads}, room);
  execute format('drop materialized view %s', room);
  execute format('drop function %s', room);
  acting := set_config('role', acting, true);
exception when sqlstate '${answered}' then
  get stacked diagnostics answer = pg_exception_detail;
when sqlstate '${unbound}' then
  failure := 'CatalogChanged';
  raise;
end;`

/** The setting of the transaction in which the answer of a query is, for the statements of ours that follow. */
export const answerSetting = 'viewkeeper.answer'
