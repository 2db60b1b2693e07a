import { sandboxBody } from '../../rebuild/db/sandbox.ts'
import { laterKinds, type StatementKind } from '../../sql/plan.ts'
import { safePath } from '../../sql/search-path.ts'
import type { EnvelopeVariant } from '../life/ours.ts'

/** Acts as the role of the statement's sandbox, and gives what is made a name. */
const beginSandbox = `acting := current_setting('role');
        execute format('set local role %s', statement #>> '{sandbox,role}');
        sandbox := (statement #>> '{sandbox,schema}') || '.viewkeeper_sandbox_' || replace(gen_random_uuid()::text, '-', '');`

/** Counts the rows of a view: see `countRows` in `rebuild/plan/counting.ts`. */
const performCountRows = `${beginSandbox}
        execute format('create materialized view %s as %s with no data', sandbox, command);
        made := sandbox::regclass;
        if exists (select from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
                     join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid and c.oid <> w.ev_class
                    where w.ev_class = made and (c.relkind <> 'm' or c.relowner::regrole::text <> statement #>> '{sandbox,role}')) then
          failure := 'CatalogChanged';
          raise exception '% is no longer the materialized view whose rows were to be counted. Try again.', statement ->> 'of';
        end if;
        execute format('refresh materialized view %s', sandbox);
        -- The code that the refresh has executed may have put something else in the place of the result.
        if to_regclass(sandbox) is distinct from made or exists (select from pg_index where indrelid = made)
            or exists (select from pg_statistic_ext where stxrelid = made) then
          failure := 'CatalogChanged';
          raise exception 'The code of % has changed the object that holds the count of its rows. Remove that code.', statement ->> 'of';
        end if;
        execute format('select rows from %s', sandbox) into counted;
        execute format('drop materialized view %s', sandbox);
        perform set_config('role', acting, true);`

/** Does on the server what executeSandboxed in `sandbox.ts` does from the client. */
const performSandboxed = `${beginSandbox}
        execute format('create function %s(text, text) returns integer language plpgsql as %L', sandbox, '${sandboxBody.replaceAll("'", "''")}');
        execute format('create materialized view %s as select %s(%L::text, %L::text)', sandbox, sandbox, command,
          case when statement ? 'rolePath' then role_path else '${safePath}' end);
        execute format('drop materialized view %s', sandbox);
        execute format('drop function %s(text, text)', sandbox);
        perform set_config('role', acting, true);`

/** Reads the hints of the statement: see `Hints` in `sql/plan.ts`. */
export const readObstacles = `execute case jsonb_typeof(statement -> 'obstacles') when 'string' then statement ->> 'obstacles' else hints_query end
                into obstacles using statement #>> '{obstacles,schema}', statement #>> '{obstacles,name}', statement #>> '{obstacles,to}';`

const performCheck = `if statement #> '{check,letsGo}' is null then
          execute command into answer;
        else
          begin
            execute command into answer;
            raise sqlstate 'VK003';
          exception when sqlstate 'VK003' then
            null; -- the answer stays
          end;
        end if;
        if answer is distinct from statement #>> '{check,is}' then
          failure := statement #>> '{check,else}';
          raise exception using errcode = case failure when 'LockTimeout' then 'lock_not_available' else 'raise_exception' end,
            message = coalesce(statement #>> '{check,message}', split_part(answer, E'\\x1e', 1)), detail = coalesce((statement #>> '{check,tells}') || split_part(answer, E'\\x1e', 1), ''),
            hint = coalesce(split_part(answer, E'\\x1e', 2), '');
        end if;`

/** How the envelope executes each kind of statement, whose SQL is `command`. */
const performKind = {
  command: `execute command;`,
  userCode: `perform set_config('search_path', role_path, true);
        execute command;
        set local search_path to ${safePath};`,
  sandboxed: performSandboxed,
  countRows: performCountRows,
  count: `execute command into counted;`,
  notes: readObstacles,
  statements: `for answer in execute command loop
          execute answer;
        end loop;`,
  check: performCheck,
} satisfies Record<StatementKind, string>

/**
 * Executes one statement of one of these kinds. Any other kind fails the run (20000). Notes since when readers wait, the wait
 * for the lock included, because they wait behind it: the waits for all exclusive locks together end with the patience of the
 * try. Any wait for a lock ends at the deadline of the run at the latest; else the statement time-out would end it, and the
 * record would not say that the run waited for a lock.
 */
const perform = (kinds: StatementKind[]) => `command := statement ->> 'sql';
      began := clock_timestamp();
      if statement ? 'locksReaders' then
        locked_since := coalesce(locked_since, began);
      end if;
      perform set_config('application_name', format('viewkeeper run %s %s', run, statement ->> 'phase'), false);
      perform set_config('lock_timeout', ceil(1000 * extract(epoch from greatest('1ms', least(
        nullif(current_setting('lock_timeout')::interval, '0'), deadline - began,
        case when statement ? 'locksReaders' and statement ->> 'phase' = 'locking' then locked_since + patience - began end))))::text, true);
      case statement ->> 'kind'
      ${kinds
        .map(
          (kind) => `when '${kind}' then
        ${performKind[kind]}`,
        )
        .join('\n      ')}
      end case;
      if statement ->> 'when' = 'before' then
        rows_before := counted;
      elsif statement ->> 'when' = 'after' then
        rows_after := counted;
      end if;`

/**
 * Whether the query of a relation reaches anything but plain tables and what is the server's own, or its definition names what
 * it reads. Most views read tables only: then the functions of the record, which take longer to plan than a refresh of a small
 * view, are neither called nor planned. A table may have a foreign heir, far below it.
 */
const mayReadViews = `exists (
            select from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
              left join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
             where w.ev_class = made and d.refobjid <> made
               and (d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass) or c.relkind in ('m', 'v', 'f')
                    or c.relrowsecurity or c.relhassubclass and exists (select from pg_foreign_table)))
          or exists (select from pg_rewrite w where w.ev_class = made and viewkeeper.reads_by_text(w.ev_action))
          or exists (select from viewkeeper.definitions d
                      where d.schema_name = statement #>> '{fills,view,0}' and d.name = statement #>> '{fills,view,1}' and d.depends_on <> '{}')`

const seeInputs = (
  inputs: string,
) => `seen := seen || jsonb_build_object(made::oid, jsonb_build_object('view', statement #> '{fills,view}', 'inputs', ${inputs})
            || viewkeeper.seen(made, statement #>> '{fills,view,0}', statement #>> '{fills,view,1}', seen, batch));`

/**
 * Notes how old the data will be that a statement fills a view with, before the server takes the statement's snapshot. The
 * owner of a view may not read the record, so our own role does.
 */
const seeFilling = `if statement ? 'fills' then
        acting := current_setting('role');
        perform set_config('role', home, true);
        made := (statement #>> '{fills,relation}')::regclass;
        if work ? 'counted' then
          ${seeInputs("viewkeeper.inputs(made, statement #>> '{fills,view,0}', statement #>> '{fills,view,1}', seen, batch)")}
        elsif ${mayReadViews} then
          ${seeInputs('viewkeeper.inputs(made, null, null, seen, batch)')}
        else
          seen := seen || jsonb_build_object(made::oid, jsonb_build_object('view', statement #> '{fills,view}', 'asOf', clock_timestamp()));
        end if;
        perform set_config('role', acting, true);
      end if;`

/** Adds the time of a statement to the time of the member that the statement is about. */
const addTimeOfMember = `if statement ? 'view' then
        spent := spent || jsonb_build_object(statement ->> 'view',
          coalesce((spent ->> (statement ->> 'view'))::float8, 0) + extract(epoch from clock_timestamp() - began) * 1000);
      end if;`

/** Notes how long the filling took. */
const noteFilling = `if statement ? 'fills' then
        fill_ms := coalesce(fill_ms, 0) + extract(epoch from clock_timestamp() - began) * 1000;
      end if;`

/** Executes one statement of a run's work. */
export const performStatement = (variant: EnvelopeVariant) =>
  `${seeFilling}
      ${perform(Object.keys(performKind) as StatementKind[])}
      ${noteFilling}
      ${variant === 'short' ? '' : addTimeOfMember}`

/** The check that comes after everything else of the cut-over. */
export const performLast = `if work #> '{cutOver,last}' is not null then
            statement := work #> '{cutOver,last}';
            command := statement ->> 'sql';
            ${performCheck}
          end if;`

/** Executes one statement after the commit. */
export const performLater = perform(laterKinds)
