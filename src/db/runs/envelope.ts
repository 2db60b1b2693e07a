import { rolePathSetting, safePath } from '../../plan/search-path.ts'
import { mayRetry, problemCodes } from '../../problem.ts'
import { runChannel, runLockClass } from '../server/lock-keys.ts'
import { problemOfSqlstate, standardText } from '../server/sqlstate.ts'
import { sealBody } from './seal.ts'
import { unfoundQuery } from './unfound.ts'

/**
 * Whether run `r` may be claimed now: its `not_before` has passed. In a batch, the batch also has to be open, and every
 * parent of the view has to have succeeded, or been skipped without an error. A built twin is enough for views of its group.
 */
const itsTurn = `(r.not_before is null or r.not_before <= clock_timestamp())
         and (r.batch_id is null or exists (
           select from viewkeeper.batches b join viewkeeper.batch_views v on v.batch_id = b.id
            where b.id = r.batch_id and v.definition_id = r.definition_id
              and b.status in ('pending', 'running') and b.cancel_requested_at is null
              and not exists (
                select from unnest(v.parents) p(id) where not exists (
                  select from viewkeeper.runs s where s.batch_id = r.batch_id and s.definition_id = p.id
                     and (s.status = 'success' or s.status = 'skipped' and s.error is null
                          or s.status = 'built' and exists (
                            select from viewkeeper.batch_groups g where g.batch_id = r.batch_id and g.given_up is null
                               and array[r.definition_id, p.id] <@ g.members))))))`

/**
 * The runs that this server process works on: run `run` and, if it refreshes a group, the runs of the other members. They
 * begin and end together.
 */
const isOurs = `(r.id = run or r.group_run_id = run) and r.status = 'running' and r.backend_pid = pg_backend_pid() and r.backend_start = me_since`

/**
 * The duration of a run; of another member of a group, the time of its own statements. A built twin has its duration
 * already.
 */
const durationOf = `case when r.built_at is not null then r.duration_ms::float8 when r.id = run then extract(epoch from finished - started) * 1000
                                 else (select (spent ->> (m ->> 'view'))::float8 from jsonb_array_elements(work -> 'members') m
                                            where m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name) end`

/** Ends the claim of a run whose basis does not hold any more. Caught in the same block that raises it. */
const basisGone = 'VK001'

const json = (value: object): string => `'${JSON.stringify(value).replaceAll("'", "''")}'::jsonb`

/** Whether `l` is a lock of another session on the run's view. */
const isOthersLock = `l.locktype = 'relation' and l.relation = to_regclass(the_view) and l.granted and l.pid <> pg_backend_pid()
           and l.database = (select oid from pg_database where datname = current_database())`

/**
 * Whether the error with context `ctx` was raised by a PL/pgSQL function, so that its SQLSTATE says only what the function
 * chose. The context's first line then ends in RAISE, in every language of the server. Quoted names may hold any word.
 */
const isRaised = `split_part(regexp_replace(ctx, '"[^"]*"', '', 'g'), E'\\n', 1) ~ '\\mRAISE\\M'`

const equalRows =
  'The query returns rows that are equal in these columns. Change the query so that it returns one of them, or drop the index.'

/** A text of an error holds at most so many characters in the record: an answer lists many runs. */
const mostCharacters = 2000

/** Acts as the role of the statement's seal, and gives what is made a name. */
const beginSeal = `acting := current_setting('role');
        execute format('set local role %s', statement #>> '{sealed,role}');
        seal := (statement #>> '{sealed,schema}') || '.viewkeeper_seal_' || replace(gen_random_uuid()::text, '-', '');`

/** Counts the rows of a view: see `countRows` in `plan/runs/counting.ts`. */
const performCount = `${beginSeal}
        execute format('create materialized view %s as %s with no data', seal, command);
        made := seal::regclass;
        if exists (select from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
                     join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid and c.oid <> w.ev_class
                    where w.ev_class = made and (c.relkind <> 'm' or c.relowner::regrole::text <> statement #>> '{sealed,role}')) then
          failure := 'CatalogChanged';
          raise exception '% is no longer the materialized view whose rows were to be counted. Try again.', statement ->> 'countsRowsOf';
        end if;
        execute format('refresh materialized view %s', seal);
        -- The code that the refresh has executed may have put something else in the place of the result.
        if to_regclass(seal) is distinct from made or exists (select from pg_index where indrelid = made)
            or exists (select from pg_statistic_ext where stxrelid = made) then
          failure := 'CatalogChanged';
          raise exception 'The code of % has changed the object that holds the count of its rows. Remove that code.', statement ->> 'countsRowsOf';
        end if;
        execute format('select rows from %s', seal) into counted;
        execute format('drop materialized view %s', seal);
        perform set_config('role', acting, true);`

/** Does on the server what executeSealed in `seal.ts` does from the client. */
const performSealed = `${beginSeal}
        execute format('create function %s(text, text) returns integer language plpgsql as %L', seal, '${sealBody.replaceAll("'", "''")}');
        execute format('create materialized view %s as select %s(%L::text, %L::text)', seal, seal, command,
          case when statement ? 'userCode' then role_path else '${safePath}' end);
        execute format('drop materialized view %s', seal);
        execute format('drop function %s(text, text)', seal);
        perform set_config('role', acting, true);`

/** Executes one statement of a plan, in any part of the plan. */
const performStatement = `command := statement ->> 'sql';
      began := clock_timestamp();
      perform set_config('application_name', format('viewkeeper run %s %s', run, statement ->> 'phase'), false);
      -- Only so does a run that waits for a lock until its time is over end as one that waited for a lock.
      perform set_config('lock_timeout', ceil(1000 * extract(epoch from greatest('1ms', least(
        nullif(current_setting('lock_timeout')::interval, '0'), deadline - clock_timestamp()))))::text, true);
      if statement ? 'countsRowsOf' then
        ${performCount}
      elsif statement ? 'sealed' then
        ${performSealed}
      elsif statement ? 'notes' then
        execute command into obstacles;
      elsif statement ? 'executes' then
        for answer in execute command loop
          execute answer;
        end loop;
      elsif statement ? 'count' then
        execute command into counted;
      elsif statement ? 'check' then
        execute command into answer;
        if answer is distinct from statement #>> '{check,is}' then
          failure := statement #>> '{check,else}';
          raise exception using message = statement #>> '{check,message}', detail = coalesce(statement #>> '{check,tells}' || answer, '');
        end if;
      else
        if statement ? 'userCode' then
          perform set_config('search_path', role_path, true);
        end if;
        execute command;
        set local search_path to ${safePath};
      end if;
      if statement ->> 'count' = 'before' then
        rows_before := counted;
      elsif statement ? 'count' then
        rows_after := counted;
      end if;
      if statement ? 'view' then
        spent := spent || jsonb_build_object(statement ->> 'view',
          coalesce((spent ->> (statement ->> 'view'))::float8, 0) + extract(epoch from clock_timestamp() - began) * 1000);
      end if;`

/**
 * The envelope: one `DO` block that claims a run, does its work and records how the run ended, all on the
 * server, so that nothing the client does afterwards can make the record wrong. The envelope must be the only
 * statement of its message, on a connection of its own (see `run-connection.ts`). The text is constant: the
 * run's id is the session setting `viewkeeper.run`, and the plan is in `viewkeeper.runs.plan`. User text
 * inside would sooner or later break out of the dollar quotes, and would make an entry in
 * `pg_stat_statements` for each run.
 *
 * The first commit makes the claim visible, while the session's lock, the proof of life, stays. The second commits work
 * and success together. The notification has a third commit, because a full queue fails the commit of its transaction.
 */
export const envelopeText = `do $viewkeeper$
declare
  run constant integer := pg_catalog.current_setting('viewkeeper.run')::pg_catalog.int4;
  role_path constant text := pg_catalog.current_setting('${rolePathSetting}');
  me_since timestamptz;
  batch text;
  slots integer;
  statement_limit interval;
  deadline timestamptz;
  longer text;
  shorter text;
  claimed boolean := false;
  succeeded boolean := false;
  work jsonb;
  response jsonb := '{}';
  the_view text;
  started timestamptz;
  finished timestamptz;
  give_up_at timestamptz;
  statement jsonb := '{}';
  command text;
  seal text;
  made regclass;
  acting text;
  setting_name text;
  setting_value text;
  answer text;
  obstacles jsonb;
  unfound jsonb;
  failure text;
  in_the_way text;
  holders jsonb;
  counted bigint;
  tries integer := 0;
  conflicts integer := 0;
  nap float8;
  other bigint;
  member bigint;
  members bigint[] := '{}';
  began timestamptz;
  spent jsonb := '{}';
  written_before bigint;
  written_after bigint;
  rows_before bigint;
  rows_after bigint;
  why text; st text; msg text; det text; hnt text; ctx text; con text; quotes_rows boolean; raised boolean; violated text;
begin
  me_since := (select backend_start from pg_stat_get_activity(pg_backend_pid()));
  statement_limit := current_setting('statement_timeout')::interval;
  -- The rest is for recording the failure: a time-out that meets the recording would lose the run's own error.
  deadline := statement_timestamp() + coalesce(nullif(statement_limit, '0') - least(statement_limit / 5, '1s'), '7 days');
  longer := round(extract(epoch from current_setting('deadlock_timeout')::interval) * 1500)::text;
  shorter := round(extract(epoch from current_setting('deadlock_timeout')::interval) * 800)::text;
  -- Since 17 this could end the session halfway. Older servers refuse it as a start-up setting.
  if current_setting('server_version_num')::integer >= 170000 then
    perform set_config('transaction_timeout', '0', false);
  end if;
  if not pg_try_advisory_lock(${runLockClass}, run) then
    return;
  end if;
  -- A run of a batch is claimed only while fewer runs than the batch's concurrency are running. The batch's row is locked
  -- until the commit, so claims count one by one. Without a slot, the advancer sends the run again.
  select r.batch_id into batch from viewkeeper.runs r where r.id = run and r.status = 'pending';
  -- A run that exchanges built twins fills nothing, so it needs no slot.
  if batch is not null then
    select b.concurrency into slots from viewkeeper.batches b where b.id = batch for no key update;
    if slots <= (select count(*) from viewkeeper.runs r where r.batch_id = batch and r.status = 'running' and r.group_run_id is null) then
      commit;
      perform pg_advisory_unlock(${runLockClass}, run);
      return;
    end if;
  end if;

  -- The proof of life of the runs of a group's other members.
  for member in select r.id from viewkeeper.runs r where r.group_run_id = run and r.status in ('pending', 'built') order by r.id loop
    if pg_try_advisory_lock(${runLockClass}, member::integer) then
      members := members || member;
    end if;
  end loop;

  -- A block of its own: an uncaught unique violation would leave the row pending and the lock held.
  while not claimed loop
    begin
      update viewkeeper.runs r set status = 'running', started_at = coalesce(r.started_at, clock_timestamp()), updated_at = clock_timestamp(),
             backend_pid = pg_backend_pid(), backend_start = me_since
       where r.id = run and r.status in ('pending', 'built') and (r.claim_by is null or r.claim_by > clock_timestamp())
         -- Claims only plans that this role wrote: they run with this role's rights.
         and r.plan is not null and r.planned_by = current_user and ${itsTurn}
      returning r.plan, r.started_at, format('%I.%I', r.schema_name, r.view_name) into work, started, the_view;
      claimed := found;
      if claimed and work ? 'members' then
        update viewkeeper.runs r set status = 'running', started_at = coalesce(r.started_at, started), updated_at = clock_timestamp(),
               backend_pid = pg_backend_pid(), backend_start = me_since
         where r.group_run_id = run and r.id = any (members) and r.status in ('pending', 'built');
        get diagnostics counted = row_count;
        if counted <> jsonb_array_length(work -> 'members') then
          raise exception using errcode = '${basisGone}';
        end if;
        counted := null;
      end if;
      if claimed and work ->> 'basis' is not null then
        perform set_config('lock_timeout', '2s', true);
        execute work #>> '{basis,sql}' into answer;
        if answer is distinct from work #>> '{basis,is}' then
          raise exception using errcode = '${basisGone}';
        end if;
      end if;
      exit;
    -- The error undoes the claim: the run is pending again, and its sender sees that nobody works on the run.
    exception when sqlstate '${basisGone}' or lock_not_available or internal_error then
      claimed := false; -- internal_error: a relation was dropped while the server wrote its SQL
      exit;
    when unique_violation then
      claimed := false; -- perhaps only a member of the group was not claimed
      select o.id into other from viewkeeper.runs o, viewkeeper.runs r
       where (r.id = run or r.group_run_id = run) and r.status in ('pending', 'built')
         and o.schema_name = r.schema_name and o.view_name = r.view_name and o.status = 'running'
       order by o.id limit 1;
      if found then -- else that run has just ended: claim again
        update viewkeeper.runs r set status = 'skipped', plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp(),
               duration_ms = 0,
               error = jsonb_build_object('class', 'AlreadyRunning', 'runningRunId', other, 'message',
                 (select format('Run %s of %I.%I is still running.', other, o.schema_name, o.view_name) from viewkeeper.runs o where o.id = other))
          from viewkeeper.runs leader
         where leader.id = run and leader.status = 'pending' and leader.plan ->> 'ifRunning' = 'skip'
           and (r.id = run or r.group_run_id = run) and r.status = 'pending';
        exit;
      end if;
    end;
  end loop;
  commit;
  if not claimed then
    perform pg_advisory_unlock(${runLockClass}, id::integer) from unnest(members || run::bigint) x(id);
    return;
  end if;

  -- Takes the locks for the transaction, too: the view's own code can release session locks only.
  perform pg_advisory_xact_lock(${runLockClass}, id::integer) from unnest(members || run::bigint) x(id);
  -- Twice if the plan turns out to be impossible and names another one. The failed block has undone all that it did.
  loop
    begin
      for setting_name, setting_value in select * from jsonb_each_text(work -> 'settings') loop
        perform set_config(setting_name, setting_value, true);
      end loop;
      perform set_config('lock_timeout', work #>> '{cutOver,giveUpAfterMs}', true);
      for statement in select * from jsonb_array_elements(work -> 'prepare') loop
        ${performStatement}
      end loop;

      give_up_at := least(deadline, clock_timestamp() + make_interval(secs => (work #>> '{cutOver,giveUpAfterMs}')::float8 / 1000));
      loop
        tries := tries + 1;
        -- "create index concurrently" waits for this transaction, which waits for the lock of that index: the run gives way.
        -- If this transaction has prepared nothing, nobody waits for it yet.
        if not work ? 'builds' and (tries > 1 or jsonb_array_length(work -> 'prepare') > 1) then
          select format('Process %s works on %s and waits for this run to end, as "create index concurrently" does: the run gave way. Try again when the process is done.', l.pid, the_view)
            into in_the_way from pg_locks l
           where ${isOthersLock} and l.mode <> 'AccessShareLock' and pg_backend_pid() = any (pg_blocking_pids(l.pid))
           limit 1;
          if found then
            failure := 'LockTimeout';
            raise exception using message = in_the_way;
          end if;
        end if;
        begin
          -- The server ends an autovacuum once somebody has waited deadlock_timeout for its lock. An equally
          -- long wait for anybody else may be half of a deadlock: the server ends the other half, perhaps an
          -- index build.
          perform set_config('lock_timeout',
            case when (work #>> '{cutOver,lockTimeoutMs}' is null or tries % 10 = 0)
                  and exists (select from pg_locks l join pg_stat_get_activity(l.pid) a on true
                               where ${isOthersLock} and a.usesysid is null) then longer
                 else coalesce(work #>> '{cutOver,lockTimeoutMs}', shorter) end, true);
          if work #>> '{cutOver,recordLockTimeoutMs}' is null then
            perform from viewkeeper.runs r where r.id = run or r.group_run_id = run for no key update;
          end if;
          if work ->> 'written' is not null then
            execute work ->> 'written' into written_before;
          end if;
          for statement in select * from jsonb_array_elements(work #> '{cutOver,statements}') loop
            ${performStatement}
          end loop;
          statement := '{}';
          if work ->> 'written' is not null then
            execute work ->> 'written' into written_after;
            rows_after := written_after - written_before;
          end if;

          perform set_config('lock_timeout', coalesce(work #>> '{cutOver,recordLockTimeoutMs}', '0'), true);
          finished := clock_timestamp();
          update viewkeeper.runs r set status = case when work ? 'builds' then 'built' else 'success' end, plan = null,
                 result = case when not work ? 'builds' then work ->> 'result' end,
                 finished_at = case when not work ? 'builds' then finished end, updated_at = finished,
                 built_at = case when work ? 'builds' then finished else r.built_at end, duration_ms = ${durationOf},
                 row_count_before = case r.id when run then coalesce(rows_before, r.row_count_before) else r.row_count_before end,
                 row_count_after = case r.id when run then coalesce(rows_after, r.row_count_after) else r.row_count_after end,
                 meta = jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response || jsonb_build_object('attempts', tries))
           where ${isOurs};
          get diagnostics counted = row_count;
          if counted <= cardinality(members) then
            -- Somebody closed this run as lost: the record says failed, so the work must not stay.
            raise exception 'viewkeeper run % was closed by somebody else; its work is undone', run;
          end if;
          succeeded := true;
          exit;
        -- The failed block has released its locks, so readers that waited are served now. internal_error: somebody else changed
        -- a catalog row that our statement changes ("tuple concurrently updated"). Tried again a few times only, because the
        -- view's own code may raise this error too.
        exception when lock_not_available or deadlock_detected or internal_error then
          get stacked diagnostics st = returned_sqlstate, ctx = pg_exception_context;
          if left(st, 2) = 'XX' then
            conflicts := conflicts + 1;
          end if;
          nap := least(2.0, 0.05 * 2 ^ least(tries, 6)) * (0.5 + random());
          if clock_timestamp() + make_interval(secs => nap) > give_up_at or conflicts > 3 and statement ? 'computesRows' or ${isRaised} then
            raise;
          end if;
        end;
        perform set_config('application_name', format('viewkeeper run %s locking', run), false);
        perform pg_sleep(nap);
      end loop;
      exit;
    -- 'others' does not include the first two.
    exception when query_canceled or assert_failure or others then
      get stacked diagnostics st = returned_sqlstate, msg = message_text, det = pg_exception_detail,
        hnt = pg_exception_hint, ctx = pg_exception_context, con = constraint_name;
      raised := failure is null and ${isRaised};
      -- While rows are computed, any message may quote rows. Otherwise only messages of these classes quote values, and only if
      -- code of others was executed.
      quotes_rows := failure is null
        and (statement ? 'computesRows' or left(st, 2) in ('21', '22', '23') and (statement ? 'userCode' or statement ? 'sealed'));
      -- A name that an error gives may be row data. 21000: a concurrent refresh has found two equal rows, and quotes one.
      violated := case when raised then null
                       when st = '23505' then statement #>> array['unique', con]
                       when st = '21000' and det <> '' then (select string_agg(value, ', ') from jsonb_each_text(statement -> 'unique')) end;
      finished := clock_timestamp();
      why := case
        when failure is not null then failure
        when raised or st = '2BP01' and statement ? 'userCode' then 'ViewSqlFailed'
        when statement ->> 'phase' in ('locking', 'cut-over') and (st in ('42P01', '42703', '42704') or left(st, 2) = 'XX') then 'CatalogChanged'
        when st = '57014' and statement_limit > '0' and finished - statement_timestamp() >= statement_limit
          then case when statement ->> 'phase' = 'locking' then 'LockTimeout' else 'StatementTimeout' end
        when st = '57014' then 'Canceled'
        else coalesce(${json(problemOfSqlstate)} ->> st, ${json(problemOfSqlstate)} ->> left(st, 2), 'ViewSqlFailed')
      end;
      -- If the query itself has failed, or trying again may help, the other plan is no way out.
      if work ? 'otherwise' and statement ? 'sql' and not statement ? 'computesRows'
          and why in ('SwapImpossible', 'ViewSqlFailed', 'InsufficientPrivilege', 'DependentsExist') then
        response := jsonb_set(work #> '{otherwise,response}', '{because}', to_jsonb(format('%s (%s)',
          work #>> '{otherwise,response,because}',
          left(case when quotes_rows then st else concat_ws(' ', msg, nullif(det, '')) end, ${mostCharacters}))));
        work := work #> '{otherwise,plan}';
        if cardinality(members) > 0 then
          -- The other plan refreshes one view only.
          update viewkeeper.runs r set status = 'skipped', finished_at = clock_timestamp(), updated_at = clock_timestamp(), duration_ms = 0,
                 meta = jsonb_set(r.meta, '{response,because}', to_jsonb(format('it was not refreshed together with %s, because that was impossible (run %s)', the_view, run)))
           where r.id <> run and ${isOurs};
          members := '{}';
        end if;
        failure := null;
        statement := '{}';
        continue;
      end if;
      -- The statement's time-out may end soon after a wait for a lock. It cancels once, so the second try is whole.
      for try in 1..2 loop
        begin
          begin
            if st in ('42501', '55000', '0A000') and not raised and statement ? 'obstacles' then
              execute statement ->> 'obstacles' into obstacles;
            elsif quotes_rows and not raised and st in ('42P01', '42883', '42704') then
              execute '${unfoundQuery.replaceAll("'", "''")}' into unfound using st, msg, ctx;
            elsif why = 'LockTimeout' and failure is null then
              execute work #>> '{cutOver,holders}' into holders;
            end if;
          exception when assert_failure or others then
            null; -- the view is gone: no obstacles
          end;
          -- A cancel signals before it commits its request: the update waits for that commit, but would not see it.
          perform from viewkeeper.runs r where r.id = run or r.group_run_id = run for no key update;
          update viewkeeper.runs r
             set status = case when st = '57014' and not raised and exists (
                     select from viewkeeper.runs c where (c.id = run or c.group_run_id = run) and c.cancel_requested_at is not null)
                   then 'canceled' else 'failed' end,
                 plan = null, finished_at = finished, updated_at = finished,
                 duration_ms = ${durationOf}, row_count_before = case r.id when run then coalesce(rows_before, r.row_count_before) else r.row_count_before end,
                 idempotency_key = case when ${json(problemCodes.filter(mayRetry))} ? why then null else r.idempotency_key end,
                 meta = jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response || jsonb_build_object('attempts', tries)),
                 error = (select jsonb_object_agg(key, case when length(value) <= ${mostCharacters} then value
                                   else left(value, ${mostCharacters}) || format('... (cut: %s characters)', length(value)) end)
                   from jsonb_each_text(jsonb_build_object(
                   'class', why,
                   'sqlstate', case when failure is null then st end,
                   'message', case when statement ? 'view' and not (why = 'LockTimeout' and failure is null) then (statement ->> 'view') || ': ' else '' end
                     || case when why = 'LockTimeout' and failure is null
                      then concat_ws(': ', 'The run did not get a lock in time', holders ->> 'who')
                      when quotes_rows
                      then coalesce(standard.texts ->> st, standard.texts ->> (left(st, 2) || '000'), 'error of class ' || left(st, 2))
                        || coalesce(' in index ' || violated, ' ' || (unfound ->> 'what'), '')
                      else msg end,
                   'detail', case when not quotes_rows then nullif(det, '') end,
                   'hint', case when violated is not null then '${equalRows}'
                                when unfound is not null then unfound ->> 'hint'
                                when not raised and (st in ('42501', '55000') or obstacles ? st) then nullif(concat_ws(' ', case when not quotes_rows then nullif(hnt, '') end, obstacles ->> st), '')
                                when why = 'LockTimeout' and failure is null then coalesce(holders ->> 'advice', 'By now nobody holds a lock on the view, or on what it reads, that is in the way: try again.')
                                when statement ? 'carries' then 'The failed statement carries over ' || (statement ->> 'carries') || '.'
                                when not quotes_rows then nullif(hnt, '') end,
                   'context', (
                     -- Function and line only: the rest of the context may hold whole statements, and so rows.
                     select string_agg(f.name || ' line ' || c.place[2], E'\\n' order by c.at)
                       from regexp_matches(ctx, '^PL/pgSQL \\S+ (.*?\\)) \\S+ (\\d+) ', 'gn') with ordinality as c(place, at)
                       join (select p.oid::regprocedure::text as name, quote_ident(p.proname) || substr(p.oid::regprocedure::text, position('(' in p.oid::regprocedure::text)) as bare
                               from pg_proc p join pg_language l on l.oid = p.prolang where l.lanname = 'plpgsql') f
                         on c.place[1] in (f.name, f.bare)))) where value is not null)
            from (select ${json(standardText)} as texts) standard
           where ${isOurs};
          exit;
        exception when query_canceled then
          null;
        end;
      end loop;
      exit;
    end;
  end loop;
  commit;
  perform pg_notify('${runChannel}', id::text) from unnest(members || run::bigint) x(id);
  commit;

  if succeeded and jsonb_array_length(work -> 'aside') > 0 then
    for statement in select * from jsonb_array_elements(work -> 'aside') loop
      begin
        ${performStatement}
      exception when query_canceled or assert_failure or others then
        null; -- the run has succeeded without this statement
      end;
      commit;
    end loop;
    update viewkeeper.runs r set row_count_after = rows_after, updated_at = clock_timestamp()
     where r.id = run and r.row_count_after is distinct from rows_after;
    commit;
  end if;
  perform pg_advisory_unlock(${runLockClass}, id::integer) from unnest(members || run::bigint) x(id);
end
$viewkeeper$`
