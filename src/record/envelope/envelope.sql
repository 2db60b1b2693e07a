-- The envelope: one block that claims a run, does its work, and records how the run ended, all on the server. Nothing that the
-- client does afterwards can make the record wrong. It is sent with its parts, the files beside this one, in their places, without
-- comments and indentation, as the only statement of its message: only then may it commit.
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
-- The row names this session, and only a session that executes something works on a run: src/record/runs/life.ts. Nothing that
-- others may lock, call or name decides about it.

do $viewkeeper$
declare
  -- The runs of this message: one, or a bundle of a batch, parents before children. Each has its own claim, transaction and end.
  runs constant bigint[] := pg_catalog.string_to_array(pg_catalog.current_setting('viewkeeper.run'), ',');
  run bigint;
  -- Read before code of others is executed, which may change settings.
  login_path constant text := pg_catalog.current_setting('viewkeeper.role_path');
  home constant text := pg_catalog.current_setting('role');
  login_settings constant jsonb := pg_catalog.current_setting('viewkeeper.login_settings')::pg_catalog.jsonb;
  own_settings jsonb;
  -- What is known of failures, as JSON: src/run/connections/run-connection.ts.
  failures constant text := pg_catalog.current_setting('viewkeeper.failures');
  me_since timestamptz;
  statement_limit interval;
  deadline timestamptz;
  longer text;
  shorter text;
  most_patience interval;
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

  foreach run in array runs loop
    -- The time-out of the message is that of each run: a later run would have too little of it. Who sends runs sends it again.
    exit when run <> runs[1] and clock_timestamp() - statement_timestamp() > least('1 s', statement_limit / 10);
    -- Code of a view that is refreshed where it is leaves no setting behind: the server takes it back with the refresh.
    perform set_config('viewkeeper.run', run::text, false), set_config('application_name', 'viewkeeper run ' || run, false), pg_advisory_unlock_all();
    declare
      role_path text := login_path;

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
      locks_since timestamptz;
      waited text := '';
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
      prepared jsonb;
      spent jsonb := '{}';
      counted bigint;
      written bigint;

      -- The failure. "failure" is the class of one that we raise ourselves.
      failure text;
      -- The event triggers that have refused it.
      triggers text;
      -- What of an incremental table has: viewkeeper.refuser_of.
      refused jsonb;
      why text; st text; msg text; det text; hnt text; ctx text; con text; sch text; tab text; col text;
      raised boolean;
      quotes_rows boolean;
      violated text;
      lacking text;
      holders jsonb;
      obstacles jsonb;
      unfound jsonb;
    begin
      -- 1. The claim. If it is not made, the run stays pending, and its sender sees that nobody works on it.
      -- part: claim.sql
      commit;
      if not claimed then
        continue;
      end if;

      -- 2. The work. This loop goes round once for the plan, perhaps once more for the other plan, and once for each statement of
      -- stage "later".
      loop
        begin
          if stage = 'prepare' then
            seen := '{}';
            -- Only what computes rows is compiled.
            for setting_name, setting_value in select * from jsonb_each_text((work -> 'settings') - 'jit') loop
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
              -- part: locks.sql

              for statement in select * from jsonb_array_elements(todo) loop
                -- part: statement.sql
              end loop;

              exit when stage = 'later';
              if stage = 'locked' then
                -- part: success.sql
                succeeded := true;
                exit;
              end if;
              stage := 'locked';
              prepared := seen;
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
            -- part: failure.sql

            -- part: record-failure.sql
          end if;
        end;
        commit;

        -- 4. A notification that the runs have ended, not in the commit of their end, because a full queue fails its commit. That
        -- waits for no disk: after a crash nobody is there to hear it. In a bundle the next claim commits it: a claim that a crash
        -- takes back is made again.
        if stage <> 'later' then
          perform set_config('synchronous_commit', 'off', true);
          perform pg_notify('viewkeeper', id::text) from unnest(members || run) x(id);
          if run = runs[cardinality(runs)] then
            commit;
          end if;
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
    end;
  end loop;
end
$viewkeeper$
