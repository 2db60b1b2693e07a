-- The envelope: one block that claims a run, does its work, and records how the run ended, all on the server. Nothing that the
-- client does afterwards can make the record wrong. It is sent as it stands here, without comments and indentation, as the only
-- statement of its message: only then may it commit.
--
-- This text is constant. What differs between runs is data: the plan of the run, in viewkeeper.runs.plan, and settings of the
-- session. Text of users in here would sooner or later break out of the dollar quotes, and would make an entry of
-- pg_stat_statements for each run. All names mean objects of the catalog, because the path of the session is
-- "pg_catalog, pg_temp" (src/sql/settings.ts).
--
--   1. The claim, and a commit: from here on others see that the run is running.
--   2. The work, in three stages. "prepare" needs no strong lock. "locked" has the statements that need one, and is tried until
--      it gets its locks. Its last statement records the success: work and record commit together.
--   3. If the work has failed: all that it did is undone, and the failure is recorded, in the same transaction.
--   4. Those who wait are notified. Then come the statements of stage "later", each in a transaction of its own.
--
-- The row names this session, and only a session that executes something works on a run: src/server/sessions.ts. Nothing that
-- others may lock, call or name decides about it.

do $viewkeeper$
declare
  -- Read before code of others is executed, which may change settings.
  run constant bigint := pg_catalog.current_setting('viewkeeper.run')::pg_catalog.int8;
  role_path text := pg_catalog.current_setting('viewkeeper.role_path');
  home constant text := pg_catalog.current_setting('role');
  login_settings constant jsonb := pg_catalog.current_setting('viewkeeper.login_settings')::pg_catalog.jsonb;
  own_settings jsonb;
  -- What is known of failures, as JSON: src/run/envelope/run-connection.ts.
  failures constant text := pg_catalog.current_setting('viewkeeper.failures');
  me_since timestamptz;
  statement_limit interval;
  deadline timestamptz;
  longer text;
  locks_since timestamptz;
  waited text := '';
  shorter text;
  most_patience interval;

  -- The run, and those of its group.
  batch text;
  is_pending boolean;
  its_turn boolean := true;
  claimed boolean := false;
  other bigint;
  members bigint[] := '{}';
  the_view text;
  work jsonb;
  started timestamptz;

  -- The work.
  stage text := 'prepare';
  todo jsonb;
  done integer := 0;
  statement jsonb := '{}';
  target jsonb;
  command text;
  answer text;
  began timestamptz;
  locked_since timestamptz;
  patience interval;
  give_up_at timestamptz;
  tries integer := 0;
  again boolean := false;
  conflicts integer := 0;
  nap float8;
  in_the_way text;
  acting text;
  room text;
  made regclass;
  setting_name text;
  setting_value text;

  -- What the record says at the end.
  succeeded boolean := false;
  finished timestamptz;
  response jsonb := '{}';
  seen jsonb := '{}';
  spent jsonb := '{}';
  counted bigint;
  written bigint;

  -- The failure. "failure" is the class of one that we raise ourselves.
  failure text;
  -- The event triggers that have refused it.
  triggers text;
  why text; st text; msg text; det text; hnt text; ctx text; con text;
  raised boolean;
  quotes_rows boolean;
  violated text;
  lacking text;
  holders jsonb;
  obstacles jsonb;
  unfound jsonb;
begin
  me_since := (select backend_start from pg_stat_get_activity(pg_backend_pid()));
  own_settings := (select jsonb_object_agg(key, current_setting(key)) from jsonb_each_text(login_settings));
  statement_limit := current_setting('statement_timeout')::interval;
  -- The rest is for recording the failure: a time-out that meets the recording would lose the run's own error.
  deadline := statement_timestamp() + coalesce(nullif(statement_limit, '0') - least(statement_limit / 5, '1s'), '7 days');
  longer := round(extract(epoch from current_setting('deadlock_timeout')::interval) * 1500)::text;
  shorter := round(extract(epoch from current_setting('deadlock_timeout')::interval) * 800)::text;
  -- The server looks for a deadlock once a reader has waited for deadlock_timeout: long before that, a try is over.
  most_patience := least(current_setting('deadlock_timeout')::interval / 2, '500 ms');
  -- Off until here, so that the server parses only what it executes of this text: see run-connection.ts.
  perform set_config('check_function_bodies', 'on', false);
  -- Since 17 this could end the session halfway. Older servers refuse it as a start-up setting.
  if current_setting('server_version_num')::integer >= 170000 then
    perform set_config('transaction_timeout', '0', false);
  end if;

  -- 1. The claim. If it is not made, the run stays pending, and its sender sees that nobody works on it.
  select r.batch_id, r.status = 'pending' into batch, is_pending from viewkeeper.runs r where r.id = run;
  if batch is not null then
    -- A run that exchanges built shadows fills nothing, so it needs no slot.
    if is_pending then
      -- The row of the batch is locked until the commit, so claims count one by one. Without a slot, the advancer sends the run again.
      select b.concurrency into counted from viewkeeper.batches b where b.id = batch for no key update;
      -- A run that has waited for a lock for a second does not count, until it gets the lock.
      if counted <= (select count(*) from viewkeeper.runs r where r.batch_id = batch and r.status = 'running' and r.group_run_id is null
                        and not viewkeeper.has_waited(r.backend_pid, r.backend_start)) then
        return;
      end if;
      counted := null;
    end if;
    -- The batch goes on, and no view of the run waits for one that it reads.
    its_turn := exists (
      select from viewkeeper.batches b where b.id = batch and b.status in ('pending', 'running') and b.cancel_requested_at is null)
      and (select bool_and(not exists (
             select from unnest(v.parents) p(id) where not exists (
               select from viewkeeper.runs s where s.batch_id = v.batch_id and s.definition_id = p.id
                  and (s.status = 'success' or s.status = 'skipped' and s.error is null or run in (s.id, s.group_run_id)
                       or s.status = 'built' and exists (
                         select from viewkeeper.batch_groups g where g.batch_id = v.batch_id and g.given_up is null
                            and array[v.definition_id, p.id] <@ g.members)))))
             from viewkeeper.runs r join viewkeeper.batch_views v using (batch_id, definition_id)
            where r.id = run or r.group_run_id = run);
  end if;
  while not claimed loop
    -- A block of its own: an uncaught unique violation would leave the row pending.
    begin
      -- Only plans that this role wrote: they are executed with its rights. Another run of the view that is running violates
      -- a unique index. The plan is decompressed here, once.
      update viewkeeper.runs r set status = 'running', started_at = coalesce(r.started_at, clock_timestamp()),
             updated_at = clock_timestamp(), backend_pid = pg_backend_pid(), backend_start = me_since
       where r.id = run and r.status in ('pending', 'built') and (r.claim_by is null or r.claim_by > clock_timestamp())
         and r.plan is not null and r.planned_by = current_user and (r.not_before is null or r.not_before <= clock_timestamp())
         and its_turn
      returning r.plan || '{}', r.started_at, format('%I.%I', r.schema_name, r.view_name) into work, started, the_view;
      claimed := found;
      if claimed and work ? 'members' then
        with others as (
          update viewkeeper.runs r set status = 'running', started_at = coalesce(r.started_at, started),
                 updated_at = clock_timestamp(), backend_pid = pg_backend_pid(), backend_start = me_since
           where r.group_run_id = run and r.status in ('pending', 'built')
          returning r.id)
        select coalesce(array_agg(id order by id), '{}') into members from others;
        if cardinality(members) <> jsonb_array_length(work -> 'members') then
          raise exception using errcode = 'VK001';
        end if;
        -- The answer names the runs of the others. In a batch each run has an answer.
        update viewkeeper.runs r set meta = jsonb_set(r.meta, '{response,group}', (
                 select jsonb_agg(jsonb_build_object('view', format('%I.%I', m.schema_name, m.view_name), 'runId', m.id) order by m.id)
                   from viewkeeper.runs m where m.id = any (members)))
         where r.id = run and batch is null;
      end if;
      -- What the plan stands on has to be as it was.
      if claimed and work ->> 'basis' is not null then
        perform set_config('lock_timeout', '2s', true);
        execute work #>> '{basis,sql}' into answer;
        if answer is distinct from work #>> '{basis,is}' then
          raise exception using errcode = 'VK001';
        end if;
      end if;
      exit;
    -- The error undoes the claim. internal_error: a relation was dropped while the server wrote its SQL.
    exception when sqlstate 'VK001' or lock_not_available or internal_error then
      claimed := false;
      exit;
    when unique_violation then
      claimed := false; -- perhaps only a member of the group was not claimed
      select o.id into other from viewkeeper.runs o, viewkeeper.runs r
       where (r.id = run or r.group_run_id = run) and r.status in ('pending', 'built')
         and o.schema_name = r.schema_name and o.view_name = r.view_name and o.status = 'running'
       order by o.id limit 1;
      if found then -- else that run has just ended: claim again
        update viewkeeper.runs r set status = 'skipped', plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp(), duration_ms = 0,
               error = jsonb_build_object('class', 'AlreadyRunning', 'runningRunId', other, 'message',
                 (select format('Run %s of %I.%I is still running.', other, o.schema_name, o.view_name) from viewkeeper.runs o where o.id = other))
          from viewkeeper.runs leader
         where leader.id = run and leader.status in ('pending') and leader.plan ->> 'ifRunning' = 'skip'
           and (r.id = run or r.group_run_id = run) and r.status in ('pending');
        exit;
      end if;
    end;
  end loop;
  commit;
  if not claimed then
    return;
  end if;

  -- 2. The work. This loop goes round once for the plan, perhaps once more for the other plan, and once for each statement of
  -- stage "later".
  loop
    begin
      if stage = 'prepare' then
        seen := '{}';
        for setting_name, setting_value in select * from jsonb_each_text(work -> 'settings') loop
          perform set_config(setting_name, setting_value, true);
        end loop;
        role_path := coalesce(work #>> '{settings,viewkeeper.role_path}', role_path);
        perform set_config('lock_timeout', work #>> '{locked,giveUpAfterMs}', true);
        todo := work -> 'prepare';
      end if;
      -- A try that does not get its locks is tried again and again: the failed block has released its locks, so readers
      -- that waited are served meanwhile.
      loop
        if stage = 'locked' then
          tries := tries + 1;
          -- "create index concurrently" waits for this transaction, which waits for the lock of that index: the run gives way. If
          -- this transaction has prepared nothing, nobody waits for it yet.
          if not work ? 'builds' and (tries > 1 or jsonb_array_length(work -> 'prepare') > 1) then
            select format('Process %s works on %s and waits for this run to end, as "create index concurrently" does: the run gave way. Try again when the process is done.', l.pid, the_view)
              into in_the_way from pg_locks l
             where l.locktype = 'relation' and l.relation = to_regclass(the_view) and l.granted and l.pid <> pg_backend_pid()
               and l.database = (select oid from pg_database where datname = current_database())
               and l.mode <> 'AccessShareLock' and pg_backend_pid() = any (pg_blocking_pids(l.pid))
             limit 1;
            if found then
              failure := 'LockTimeout';
              raise exception using message = in_the_way;
            end if;
          end if;
        end if;
        begin
          if stage = 'locked' then
            locked_since := null;
            -- Grows with the tries, so that readers wait little, and the work gets through where many relations are read without pause.
            patience := least(tries * interval '100 ms', most_patience);
            -- The server ends an autovacuum once somebody has waited deadlock_timeout for its lock. An equally long wait for
            -- anybody else may be half of a deadlock: the server ends the other half, perhaps an index build.
            perform set_config('lock_timeout',
              case when (work #>> '{locked,lockTimeoutMs}' is null or tries % 10 = 0)
                    and exists (select from pg_locks l join pg_stat_get_activity(l.pid) a on true
                                 where l.locktype = 'relation' and l.relation = to_regclass(the_view) and l.granted and l.pid <> pg_backend_pid()
                                   and l.database = (select oid from pg_database where datname = current_database())
                                   and a.usesysid is null) then longer
                   else coalesce(work #>> '{locked,lockTimeoutMs}', shorter) end, true);
            if work #>> '{locked,recordLockTimeoutMs}' is null then
              perform from viewkeeper.runs r where r.id = run or r.group_run_id = run for no key update;
            end if;
          end if;

          for statement in select * from jsonb_array_elements(todo) loop
            -- Queries of others are executed under the settings of our login: see src/sql/settings.ts. With all identifiers quoted
            -- the server cannot read its own SQL of a concurrent refresh.
            if statement ? 'computesRows' then
              perform set_config(key, value, true) from jsonb_each_text(login_settings || (work -> 'settings'))
                where key <> 'quote_all_identifiers' or statement ->> 'sql' !~ '^refresh materialized view concurrently ';
            end if;
            -- How old the data will be that the statement fills a view with, noted before the server takes the statement's
            -- snapshot. The owner of a view may not read the record, so our own role does.
            if statement ? 'fills' then
              target := statement -> 'fills';
              acting := current_setting('role');
              perform set_config('role', home, true);
              made := (target ->> 'relation')::regclass;
              seen := seen || coalesce(target -> 'known', '{}');
              -- Whether the query reaches anything but plain tables and what is the server's own, or its definition names what
              -- it reads. Most views read tables only: then the functions of the record, which take longer to plan than a refresh
              -- of a small view, are neither called nor planned.
              if work ? 'counted' or (select r.to_follow from viewkeeper.reads(made) r)
                or exists (select from viewkeeper.definitions d
                            where d.schema_name = target #>> '{view,0}' and d.name = target #>> '{view,1}' and d.depends_on <> '{}') then
                seen := seen || jsonb_build_object(made::oid, jsonb_build_object('view', target -> 'view', 'inputs',
                    viewkeeper.inputs(made, work ? 'counted', seen, batch))
                  || viewkeeper.seen(made, target #>> '{view,0}', target #>> '{view,1}', seen, batch));
              else
                seen := seen || jsonb_build_object(made::oid, jsonb_build_object('view', target -> 'view', 'asOf', clock_timestamp()));
              end if;
              -- Asked by the catalog's rows: our role may lack usage on the schema.
              seen := seen || jsonb_build_object(made::oid, (seen -> made::oid::text) || coalesce(
                (select jsonb_build_object('replaces', viewkeeper.filling(c.oid), 'touched', c.xmin::text)
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname = target #>> '{view,0}' and c.relname = target #>> '{view,1}'), '{}'));
              written := pg_stat_get_xact_tuples_inserted(made) - pg_stat_get_xact_tuples_deleted(made);
              perform set_config('role', acting, true);
            end if;

            command := statement ->> 'sql';
            began := clock_timestamp();
            -- Since when readers wait, the wait for the lock included, because they wait behind it: the waits for all exclusive
            -- locks together end with the patience of the try. Any wait for a lock ends at the deadline of the run at the latest;
            -- else the statement time-out would end it, and the record would not say that the run waited for a lock.
            if statement ? 'locksReaders' then
              locked_since := coalesce(locked_since, began);
            end if;
            -- Since when it has waited for a lock: see src/watch/db/incidents.ts.
            perform set_config('application_name', format('viewkeeper run %s %s%s', run, statement ->> 'phase', case statement ->> 'phase' when 'locking' then waited end), false);
            perform set_config('lock_timeout', ceil(1000 * extract(epoch from greatest('1ms', least(
              nullif(current_setting('lock_timeout')::interval, '0'), deadline - began,
              case when statement ? 'locksReaders' and statement ->> 'phase' = 'locking' then locked_since + patience - began end))))::text, true);

            -- The kinds are those of Statement in src/sql/plan.ts. Any other fails the run (20000).
            case statement ->> 'kind'
            when 'command' then
              execute command;
            when 'userCode' then
              perform set_config('search_path', role_path, true);
              execute command;
              set local search_path to pg_catalog, pg_temp;
            when 'sealed', 'asked' then
              -- What executes code of others: src/sealed/plan/text.ts.
              -- sealed
              if statement ->> 'kind' = 'asked' then
                perform set_config('viewkeeper.answer', answer, true);
              end if;
            when 'notes' then
              execute case jsonb_typeof(statement -> 'obstacles') when 'string' then statement ->> 'obstacles' else failures::jsonb ->> 'hints' end
                into obstacles using statement #>> '{obstacles,schema}', statement #>> '{obstacles,name}', statement #>> '{obstacles,to}';
            when 'statements' then
              for answer in execute command loop
                execute answer;
              end loop;
            when 'check' then
              if statement #> '{check,letsGo}' is null then
                execute command into answer;
              else
                begin
                  execute coalesce(statement #>> '{check,sooner}', command) into answer;
                  if statement #> '{check,sooner}' is not null and answer is distinct from statement #>> '{check,is}' then
                    execute command into answer;
                  end if;
                  raise sqlstate 'VK003'; -- lets its locks go
                exception when sqlstate 'VK003' then
                  null; -- the answer stays
                end;
              end if;
              if answer is distinct from statement #>> '{check,is}' then
                failure := statement #>> '{check,else}';
                raise exception using errcode = case failure when 'LockTimeout' then 'lock_not_available' else 'raise_exception' end,
                  message = coalesce(statement #>> '{check,message}', split_part(answer, E'\x1e', 1)),
                  detail = coalesce((statement #>> '{check,tells}') || split_part(answer, E'\x1e', 1), ''),
                  hint = coalesce(split_part(answer, E'\x1e', 2), '');
              end if;
            when 'newer' then
              execute command into answer using seen, members || run;
              if answer <> '' then
                failure := 'CatalogChanged';
                raise exception 'Somebody has refreshed %, or granted privileges on it, while its shadow was built. Nothing was exchanged: refresh again.', answer;
              end if;
            end case;
            if statement ? 'computesRows' then
              perform set_config(key, value, true) from jsonb_each_text(own_settings);
            end if;

            -- What the server itself has counted: a refresh writes every row, a concurrent one those that differ.
            if statement ? 'fills' then
              seen := jsonb_set(seen, array[made::oid::text], (seen -> made::oid::text) || jsonb_build_object(
                'fillMs', round(extract(epoch from clock_timestamp() - began) * 1000), 'differs', target -> 'differs',
                'rows', case when current_setting('track_counts')::boolean
                             then pg_stat_get_xact_tuples_inserted(made) - pg_stat_get_xact_tuples_deleted(made) - written end));
            end if;
            -- The time of the member that the statement is about.
            if statement ? 'view' then
              spent := spent || jsonb_build_object(statement ->> 'view',
                coalesce((spent ->> (statement ->> 'view'))::float8, 0) + extract(epoch from clock_timestamp() - began) * 1000);
            end if;
          end loop;

          exit when stage = 'later';
          if stage = 'locked' then
            statement := '{}';
            perform set_config('lock_timeout', coalesce(work #>> '{locked,recordLockTimeoutMs}', '0'), true);
            finished := clock_timestamp();
            -- Success: the runs that this process claimed, and that nobody has closed meanwhile. A run that fills a shadow for a later
            -- exchange is built. Another member of the group has the time of its own statements; a built shadow has its time already.
            update viewkeeper.runs r set status = case when work ? 'builds' then 'built' else 'success' end,
                   result = case when not work ? 'builds' then work ->> 'result' end,
                   finished_at = case when not work ? 'builds' then finished end,
                   built_at = case when work ? 'builds' then finished else r.built_at end,
                   -- Rows before: those after the last success, if it has left what this run found.
                   (row_count_before, row_count_after, as_of, held_back_by, inputs, filled, touched, replaces, meta) = (
                     select case when s.key is null then r.row_count_before else p.rows end,
                            case when s.key is null then r.row_count_after else (s.value ->> 'rows')::int8
                              + case when s.value -> 'differs' = 'true' then p.rows else 0 end end,
                            case when s.key is null then r.as_of else (s.value ->> 'asOf')::timestamptz end,
                            case when s.key is null then r.held_back_by else s.value ->> 'heldBackBy' end,
                            case when s.key is null then r.inputs else nullif(s.value -> 'inputs', 'null') end,
                            viewkeeper.filling(x.made),
                            (select c.xmin::text from pg_class c where c.oid = x.made),
                            case when work ? 'builds' then s.value ->> 'replaces' end,
                            jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response || jsonb_strip_nulls(jsonb_build_object(
                              'attempts', tries, 'lockedMs', round(extract(epoch from finished - locked_since) * 1000), 'fillMs', s.value -> 'fillMs')))
                       from (select) one left join jsonb_each(seen) s on s.value -> 'view' = jsonb_build_array(r.schema_name, r.view_name)
                       left join (select p.row_count_after as rows, p.filled, p.touched from viewkeeper.runs p
                                   where p.definition_id = r.definition_id and p.status = 'success' and p.fills order by p.id desc limit 1) p
                         on (p.filled, p.touched) = (s.value ->> 'replaces', s.value ->> 'touched')
                      cross join lateral (select coalesce(s.key, split_part(r.filled, ' ', 2))::oid as made) x),
                   -- Something of a plan is left while there is more to do: see src/watch/db/publish.ts.
                   plan = case when jsonb_array_length(work -> 'later') > 0 and r.id = run then '{}'::jsonb end, updated_at = finished,
                   duration_ms = case when r.built_at is not null then r.duration_ms::float8
                                      when r.id = run then extract(epoch from finished - started) * 1000
                                      else (select (spent ->> (m ->> 'view'))::float8 from jsonb_array_elements(work -> 'members') m
                                             where m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name) end
             where (r.id = run or r.group_run_id = run) and r.backend_pid = pg_backend_pid() and r.backend_start = me_since
               and r.status in ('running');
            get diagnostics counted = row_count;
            if counted <= cardinality(members) then
              -- Somebody closed this run as lost: the record says failed, so the work must not stay.
              raise exception 'viewkeeper run % was closed by somebody else; its work is undone', run;
            end if;
            -- The check that comes after everything else.
            if work #> '{locked,last}' is not null then
              statement := work #> '{locked,last}';
              execute statement ->> 'sql' into answer;
              if answer is distinct from statement #>> '{check,is}' then
                failure := statement #>> '{check,else}';
                raise exception using errcode = case failure when 'LockTimeout' then 'lock_not_available' else 'raise_exception' end,
                  message = split_part(answer, E'\x1e', 1), hint = split_part(answer, E'\x1e', 2);
              end if;
            end if;
            succeeded := true;
            exit;
          end if;
          stage := 'locked';
          todo := work #> '{locked,statements}';
          locks_since := clock_timestamp();
          give_up_at := least(deadline, locks_since + make_interval(secs => (work #>> '{locked,giveUpAfterMs}')::float8 / 1000));
        -- internal_error: somebody else changed a catalog row that our statement changes ("tuple concurrently updated"). Tried
        -- again a few times only, because the view's own code may raise this error, too.
        exception when lock_not_available or deadlock_detected or internal_error then
          if stage <> 'locked' then
            raise;
          end if;
          get stacked diagnostics st = returned_sqlstate, ctx = pg_exception_context;
          if left(st, 2) = 'XX' then
            conflicts := conflicts + 1;
          end if;
          execute work #>> '{locked,holders}' into holders;
          nap := least(2.0, 0.05 * 2 ^ least(tries, 6)) * (0.5 + random());
          if clock_timestamp() + make_interval(secs => nap) > give_up_at or conflicts > 3 and statement ? 'computesRows'
              or tries > 8 and members <> '{}' and viewkeeper.is_awaited(run)
              or failure is null and split_part(regexp_replace(ctx, '"[^"]*"', '', 'g'), E'\n', 1) ~ '\mRAISE\M' then
            raise;
          end if;
          failure := null; -- a check found what may pass
          waited := ' ' || round(extract(epoch from locks_since));
          perform set_config('application_name', format('viewkeeper run %s locking%s', run, waited), false);
          perform pg_sleep(nap);
        end;
      end loop;

    -- 3. The failure. By now, all that the run did is undone. "others" does not include the first two. A statement of stage
    -- "later" fails alone: the run has succeeded without it.
    exception when query_canceled or assert_failure or others then
      if stage <> 'later' then
        get stacked diagnostics st = returned_sqlstate, msg = message_text, det = pg_exception_detail,
          hnt = pg_exception_hint, ctx = pg_exception_context, con = constraint_name;
        -- Raised by a function in PL/pgSQL: the SQLSTATE says only what the function chose. The first line of the context then
        -- ends in RAISE, in every language of the server. Quoted names may hold any word.
        raised := failure is null and split_part(regexp_replace(ctx, '"[^"]*"', '', 'g'), E'\n', 1) ~ '\mRAISE\M';
        -- While rows are computed, any message may quote rows. Otherwise only messages of these classes quote values, and only
        -- if code of others was executed.
        quotes_rows := failure is null
          and (statement ? 'computesRows' or left(st, 2) in ('21', '22', '23') and (statement ->> 'kind' = 'userCode' or statement ? 'seal'));
        -- These are the server's own about limits and logins, which tell no row, unless a function or another server stands in between.
        quotes_rows := quotes_rows and not (failures::jsonb -> 'whole' ? st and cardinality(string_to_array(ctx, E'\n')) < 3);
        -- A name that an error gives may be row data. 21000: a concurrent refresh has found two equal rows, and quotes one.
        violated := case when raised then null
                         when st = '23505' then statement #>> array['unique', con]
                         when st = '21000' and det <> '' then (select string_agg(value, ', ') from jsonb_each_text(statement -> 'unique')) end;
        -- The setting that a full table of locks lacks: the server calls it memory, and the hint alone names it.
        lacking := case when st = '53200' and not raised then substring(hnt from 'max_(?:pred_)?locks_per_transaction') end;
        finished := clock_timestamp();
        -- The context has the function of an event trigger. The server writes its schema only if the path of that moment needs it.
        triggers := case when failure is null and st not in ('57014', '55P03', '40P01') then (
          select string_agg(quote_ident(t.evtname), ' or ' order by t.evtname) from pg_event_trigger t join pg_proc p on p.oid = t.evtfoid
           where position(format(' %I() line ', p.proname) in replace(ctx, '.', ' ')) > 0) end;
        why := case
          when failure is not null then failure
          when triggers is not null then 'EventTriggerFailed'
          when raised or st = '2BP01' and (statement ->> 'kind' = 'userCode' or statement ? 'rolePath') then 'ViewSqlFailed'
          -- Whatever depended on the view at planning follows the exchange. What does not was made in the last moment.
          when st = '2BP01' and statement ->> 'phase' in ('exchange', 'cut-over') and work ->> 'basis' is not null then 'CatalogChanged'
          when statement ->> 'phase' in ('locking', 'exchange', 'cut-over') and (st in ('42P01', '42703', '42704') or left(st, 2) = 'XX') then 'CatalogChanged'
          when st = '57014' and statement_limit > '0' and finished - statement_timestamp() >= statement_limit
            then case when statement ->> 'phase' = 'locking' then 'LockTimeout' else 'StatementTimeout' end
          when st = '57014' then 'Canceled'
          else coalesce(failures::jsonb #>> array['classes', st], failures::jsonb #>> array['classes', left(st, 2)], 'ViewSqlFailed')
        end;

        -- Newer data stay: what was built before them is built again, once, if there is as much time as it has taken.
        if statement ->> 'kind' = 'newer' and failure is not null and seen <> '{}' and not again and finished - started < deadline - finished then
          again := true;
          failure := null;
          statement := '{}';
          stage := 'prepare';
          continue;
        end if;

        -- Goes on with the other plan, which refreshes one view only. If the query itself has failed, or trying again may help,
        -- the other plan is no way out.
        if work ? 'otherwise' and statement ? 'sql' and not statement ? 'computesRows'
            and (why in ('SwapImpossible', 'ViewSqlFailed', 'EventTriggerFailed', 'InsufficientPrivilege', 'DependentsExist') or statement ->> 'kind' = 'newer') then
          response := jsonb_set(work #> '{otherwise,response}', '{because}', to_jsonb(format('%s (%s)',
            work #>> '{otherwise,response,because}',
            left(case when quotes_rows then st else concat_ws(' ', msg, nullif(det, '')) end, 2000))));
          work := work #> '{otherwise,plan}';
          if cardinality(members) > 0 then
            update viewkeeper.runs r set status = 'skipped', finished_at = clock_timestamp(), updated_at = clock_timestamp(), duration_ms = 0,
                   meta = jsonb_set(r.meta, '{response,because}', to_jsonb(format('it was not refreshed together with %s, because that was impossible (run %s)', the_view, run)))
             where r.id <> run and (r.id = run or r.group_run_id = run) and r.backend_pid = pg_backend_pid() and r.backend_start = me_since
               and r.status in ('running');
            members := '{}';
          end if;
          failure := null;
          statement := '{}';
          stage := 'prepare';
          continue;
        end if;

        -- The statement time-out may cancel this recording, too, if a wait for a lock has used up the time. The time-out fires
        -- only once, so the second try is not canceled.
        for try in 1..2 loop
          begin
            -- What else the catalog says: missing rights, what was not found, who holds the lock.
            begin
              if quotes_rows and not raised and failures::jsonb -> 'unfoundStates' ? st then
                execute failures::jsonb ->> 'unfound' into unfound using st, case st when '23514' then con else msg end, ctx,
                  case when statement ? 'fills' then format('%I.%I', statement #>> '{fills,view,0}', statement #>> '{fills,view,1}') else the_view end;
              end if;
              if unfound is null and st in ('42501', '55000', '0A000') and not raised and statement ? 'obstacles' then
                execute case jsonb_typeof(statement -> 'obstacles') when 'string' then statement ->> 'obstacles' else failures::jsonb ->> 'hints' end
                  into obstacles using statement #>> '{obstacles,schema}', statement #>> '{obstacles,name}', statement #>> '{obstacles,to}';
              elsif why = 'LockTimeout' and failure is null then
                execute format('select coalesce((%s), $1)', work #>> '{locked,holders}') into holders using holders;
              end if;
            exception when assert_failure or others then
              null; -- the view is gone: no obstacles
            end;
            -- A cancel signals before it commits its request: the update waits for that commit, but would not see it.
            perform from viewkeeper.runs r where r.id = run or r.group_run_id = run for no key update;
            -- A view that was only to be rebuilt along, for the sake of the one that somebody asked for, is not to blame.
            update viewkeeper.runs r set status = 'skipped', plan = null, finished_at = finished, updated_at = finished, duration_ms = 0,
                   meta = jsonb_set(r.meta, '{response,because}', to_jsonb(format('run %s of %s did not succeed, and nothing was exchanged', run, the_view)))
             where r.group_run_id = run and r.batch_id is null
               and not exists (select from viewkeeper.runs c where run in (c.id, c.group_run_id) and c.cancel_requested_at is not null)
               and not exists (
                     select from jsonb_array_elements(work -> 'members') m
                      where m ->> 'view' = statement ->> 'view' and m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name)
               and r.backend_pid = pg_backend_pid() and r.backend_start = me_since and r.status in ('running');
            -- Failure: the runs that this process claimed, without row data. Canceled: a caller has asked for it.
            update viewkeeper.runs r
               set status = case when st = '57014' and not raised and exists (
                       select from viewkeeper.runs r where (r.id = run or r.group_run_id = run) and r.cancel_requested_at is not null)
                     then 'canceled' else 'failed' end,
                   plan = null, finished_at = finished, updated_at = finished,
                   duration_ms = case when r.built_at is not null then r.duration_ms::float8
                                      when r.id = run then extract(epoch from finished - started) * 1000
                                      else (select (spent ->> (m ->> 'view'))::float8 from jsonb_array_elements(work -> 'members') m
                                             where m ->> 'schema' = r.schema_name and m ->> 'name' = r.view_name) end,
                   idempotency_key = case when failures::jsonb -> 'retried' ? why then null else r.idempotency_key end,
                   meta = jsonb_set(r.meta, '{response}', (r.meta -> 'response') || response || jsonb_build_object('attempts', tries)),
                   error = (select jsonb_object_agg(key, case when length(value) <= 2000 then value
                                     else left(value, 2000) || format('... (cut: %s characters)', length(value)) end)
                     from jsonb_each_text(jsonb_build_object(
                     'class', why,
                     'sqlstate', case when failure is null then st end,
                     'message', case when statement ? 'view' and not (why = 'LockTimeout' and failure is null) then (statement ->> 'view') || ': ' else '' end
                       || case when why = 'StatementTimeout' then format('canceled after %s s: timeoutSeconds of the %s%s', round(extract(epoch from statement_limit), 3)::float8,
                            case when r.meta #>> '{request,timeoutSeconds}' is null then 'definition' else 'request' end,
                            (select '; it usually takes ' || round((u.ms / 1000)::numeric, 1) || ' s' from viewkeeper.usual_duration(r.definition_id, r.id) u where u.ms is not null))
                        when why = 'LockTimeout' and failure is null
                        then concat_ws(': ', 'The run did not get a lock in time', holders ->> 'who')
                        when quotes_rows
                        then coalesce(case when lacking is not null then 'out of locks' end, standard.texts ->> st, standard.texts ->> (left(st, 2) || '000'), 'error of class ' || left(st, 2))
                          || coalesce(' in index ' || violated, ' ' || (unfound ->> 'what'), '')
                        else msg end,
                     'detail', case when not quotes_rows then nullif(det, '') end,
                     'hint', case when violated is not null
                         then 'The query returns rows that are equal in these columns. Change the query so that it returns one of them, or drop the index.'
                       when unfound is not null then unfound ->> 'hint'
                       when lacking is not null then format('The table of locks is full: raise %s, which is %s, and restart the server, or let the view read fewer partitions.', lacking, current_setting(lacking))
                       when not raised and (st in ('42501', '55000') or obstacles ? st) then nullif(concat_ws(' ', case when not quotes_rows then nullif(hnt, '') end, obstacles ->> st), '')
                       when why = 'CatalogChanged' and st = '2BP01' then 'It was made in the last moment. Nothing was exchanged: refresh again.'
                       when why = 'LockTimeout' and failure is null then coalesce(holders ->> 'advice', 'By now nobody holds a lock on the view, or on what it reads, that is in the way: try again.')
                       when statement ? 'carries' then 'The failed statement carries over ' || (statement ->> 'carries') || '.'
                       when not quotes_rows then nullif(hnt, '') end,
                     'context', nullif(concat_ws(E'\n', 'event trigger ' || triggers, (
                       -- Function and line only: the rest of the context may hold whole statements, and so rows.
                       select string_agg(f.name || ' line ' || c.place[2], E'\n' order by c.at)
                         from regexp_matches(ctx, '^PL/pgSQL \S+ (.*?\)) \S+ (\d+) ', 'gn') with ordinality as c(place, at)
                         join (select p.oid::regprocedure::text as name, quote_ident(p.proname) || substr(p.oid::regprocedure::text, position('(' in p.oid::regprocedure::text)) as bare
                                 from pg_proc p join pg_language l on l.oid = p.prolang
                                -- The envelope of a batch's connection is a function, too.
                                where l.lanname = 'plpgsql' and p.pronamespace <> pg_my_temp_schema()) f
                           on c.place[1] in (f.name, f.bare))), ''))) where value is not null)
              from (select failures::jsonb -> 'texts' as texts) standard
             where (r.id = run or r.group_run_id = run) and r.backend_pid = pg_backend_pid() and r.backend_start = me_since
               and r.status in ('running');
            exit;
          exception when query_canceled then
            null;
          end;
        end loop;
      end if;
    end;
    commit;

    -- 4. A notification that the runs have ended, in a commit of its own: a full queue fails the commit of its transaction. The
    -- commit waits for no disk: after a crash nobody is there to hear it.
    if stage <> 'later' then
      perform set_config('synchronous_commit', 'off', true);
      perform pg_notify('viewkeeper', id::text) from unnest(members || run) x(id);
      commit;
    end if;
    exit when not succeeded or done = jsonb_array_length(work -> 'later');
    stage := 'later';
    todo := jsonb_build_array(work -> 'later' -> done);
    done := done + 1;
  end loop;
  if stage = 'later' then
    update viewkeeper.runs r set plan = null, updated_at = clock_timestamp() where r.id = run;
    commit;
  end if;
end
$viewkeeper$
