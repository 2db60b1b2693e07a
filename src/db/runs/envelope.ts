import { literal } from '../../plan/names.ts'
import { rolePathSetting } from '../../plan/search-path.ts'
import { endAlreadyRunning } from '../life/already-running.ts'
import { claimMembers, claimRun } from '../life/claim.ts'
import { json, mostCharacters, recordFailure } from '../life/fail.ts'
import { leaveOthersOut } from '../life/leave-out.ts'
import { recordSuccess } from '../life/succeed.ts'
import { runChannel, runLockClass } from '../server/lock-keys.ts'
import { problemOfSqlstate } from '../server/sqlstate.ts'
import { performStatement } from './perform.ts'
import { unfoundQuery, unfoundStates } from './unfound.ts'

/** Ends the claim of a run whose basis does not hold any more. Caught in the same block that raises it. */
const basisGone = 'VK001'

/** Whether `l` is a lock of another session on the run's view. */
const isOthersLock = `l.locktype = 'relation' and l.relation = to_regclass(the_view) and l.granted and l.pid <> pg_backend_pid()
           and l.database = (select oid from pg_database where datname = current_database())`

/**
 * Whether the error with context `ctx` was raised by a PL/pgSQL function, so that its SQLSTATE says only what the function
 * chose. The context's first line then ends in RAISE, in every language of the server. Quoted names may hold any word.
 */
const isRaised = `split_part(regexp_replace(ctx, '"[^"]*"', '', 'g'), E'\\n', 1) ~ '\\mRAISE\\M'`

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
      ${claimRun};
      claimed := found;
      if claimed and work ? 'members' then
        ${claimMembers};
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
        ${endAlreadyRunning};
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
  -- The loop goes round a second time only with the other plan, if this plan is impossible and names one. By then the
  -- failed block has undone all that it did.
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
          ${recordSuccess};
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
        and (statement ? 'computesRows' or left(st, 2) in ('21', '22', '23') and (statement ->> 'kind' = 'userCode' or statement ? 'seal'));
      -- A name that an error gives may be row data. 21000: a concurrent refresh has found two equal rows, and quotes one.
      violated := case when raised then null
                       when st = '23505' then statement #>> array['unique', con]
                       when st = '21000' and det <> '' then (select string_agg(value, ', ') from jsonb_each_text(statement -> 'unique')) end;
      finished := clock_timestamp();
      why := case
        when failure is not null then failure
        when raised or st = '2BP01' and (statement ->> 'kind' = 'userCode' or statement ? 'rolePath') then 'ViewSqlFailed'
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
          ${leaveOthersOut};
          members := '{}';
        end if;
        failure := null;
        statement := '{}';
        continue;
      end if;
      -- The statement time-out may cancel this recording, too, if a wait for a lock has used up the time. The time-out fires
      -- only once, so the second try is not canceled.
      for try in 1..2 loop
        begin
          begin
            if st in ('42501', '55000', '0A000') and not raised and statement ? 'obstacles' then
              execute statement ->> 'obstacles' into obstacles;
            elsif quotes_rows and not raised and st in (${unfoundStates.map(literal).join(', ')}) then
              execute '${unfoundQuery.replaceAll("'", "''")}' into unfound using st, msg, ctx;
            elsif why = 'LockTimeout' and failure is null then
              execute work #>> '{cutOver,holders}' into holders;
            end if;
          exception when assert_failure or others then
            null; -- the view is gone: no obstacles
          end;
          -- A cancel signals before it commits its request: the update waits for that commit, but would not see it.
          perform from viewkeeper.runs r where r.id = run or r.group_run_id = run for no key update;
          ${recordFailure};
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
