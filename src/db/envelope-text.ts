import { mayRetry, problemCodes } from '../problem.ts'
import { problemOfSqlstate, sqlstateOfCheck, standardText } from './sqlstate.ts'

/** First key of every run's advisory lock, the second being the run's id. Two-int keys leave other tools' alone. */
export const runLockClass = 22135

/** Second keys of that class that no run has, because ids begin at 1: whoever sets up, migrates views, warms a connection. */
export const reservedKeys = { setUp: 0, viewMigration: -1, warmUp: -2 } as const

/** First key of the advisory locks that are the slots of batches: as many as a batch may have runs running at once. */
const slotLockClass = 22136

/** What a batch may have running at once, at most: a slot's second key is made of the batch's serial and its number. */
export const mostSlots = 64

/** A batch's serial as keys count it: they are four bytes long, and batches this far apart are never open together. */
const serialKey = (serial: string): string => `(${serial} % ${2 ** 31 / mostSlots} * ${mostSlots})`

/**
 * Whether it is the turn of run `r`: always, unless it is to wait for a moment, or is part of a batch. There every view
 * that it reads has to have succeeded, or to have been left out, and the batch has to go on.
 */
const itsTurn = `(r.not_before is null or r.not_before <= clock_timestamp())
         and (r.batch_id is null or exists (
           select from viewkeeper.batches b join viewkeeper.batch_views v on v.batch_id = b.id
            where b.id = r.batch_id and v.definition_id = r.definition_id
              and b.status in ('pending', 'running') and b.cancel_requested_at is null
              and not exists (
                select from unnest(v.parents) p(id) where not exists (
                  select from viewkeeper.runs s where s.batch_id = r.batch_id and s.definition_id = p.id
                     and (s.status = 'success' or s.status = 'skipped' and s.error is null)))))`

/** The channel that says a run has ended; the payload is the run's id. */
export const runChannel = 'viewkeeper'

const json = (value: object): string => `'${JSON.stringify(value).replaceAll("'", "''")}'::jsonb`

/** What is done with one step of a plan, wherever in the plan it stands. */
const performStep = `perform set_config('application_name', format('viewkeeper run %s %s', run, step ->> 'phase'), false);
      if step ? 'userCode' then
        perform set_config('search_path', role_path, true);
      end if;
      if step ? 'count' then
        execute step ->> 'sql' into counted;
        if step ->> 'count' = 'before' then rows_before := counted; else rows_after := counted; end if;
      elsif step ? 'check' then
        execute step ->> 'sql' into answer;
        if answer is distinct from step #>> '{check,is}' then
          raise exception using errcode = ${json(sqlstateOfCheck)} ->> (step #>> '{check,else}'),
            message = step #>> '{check,message}', detail = coalesce(answer, '');
        end if;
      else
        execute step ->> 'sql';
      end if;
      perform set_config('search_path', '', true);`

/**
 * The envelope: one `DO` block that claims a run, does its work and records how it ended, all on the server, so that
 * nothing the client does afterwards can leave the record wrong. It must be the only statement of its message, on a
 * connection of its own (see `run-connection.ts`). The text is constant: the run's id is the start-up setting
 * `viewkeeper.run`, and what to do lies in `viewkeeper.runs.plan`. User text in here would sooner or later break out
 * of its dollar quotes, and would make an entry of `pg_stat_statements` for each run.
 *
 * What each commit is for: the first makes the claim visible while the session's lock, the proof of life, stays; the
 * second makes work and success one thing; the notification has a third of its own, because a full queue fails the
 * commit it is part of.
 */
export const envelopeText = `do $viewkeeper$
declare
  run constant integer := pg_catalog.current_setting('viewkeeper.run')::pg_catalog.int4;
  role_path constant text := pg_catalog.current_setting('search_path');
  me_since timestamptz;
  slots integer;
  slot integer;
  statement_limit interval;
  claimed boolean := false;
  succeeded boolean := false;
  work jsonb;
  started timestamptz;
  finished timestamptz;
  give_up_at timestamptz;
  step jsonb;
  setting_name text;
  setting_value text;
  answer text;
  counted bigint;
  tries integer := 0;
  patient integer;
  other bigint;
  written_before bigint;
  written_after bigint;
  rows_before bigint;
  rows_after bigint;
  st text; msg text; det text; hnt text; ctx text; quotes_data boolean;
begin
  -- From here on every name is the catalog's own: nobody can slip a function in that fits our calls better, to have it
  -- executed as us. Only a step that says so sees the role's path.
  perform pg_catalog.set_config('search_path', '', false);
  me_since := (select backend_start from pg_stat_get_activity(pg_backend_pid()));
  statement_limit := current_setting('statement_timeout')::interval;
  -- Since 17 this would end the session half-way; older servers refuse it as a start-up setting.
  if current_setting('server_version_num')::integer >= 170000 then
    perform set_config('transaction_timeout', '0', false);
  end if;
  if not pg_try_advisory_lock(${runLockClass}, run) then
    return;
  end if;
  -- A run of a batch also takes one of the batch's slots, and keeps it until it has ended. None is free: whoever drives
  -- the batch sends it again.
  select b.concurrency, ${serialKey('b.serial')} into slots, slot
    from viewkeeper.runs r join viewkeeper.batches b on b.id = r.batch_id where r.id = run and r.status = 'pending';
  while case when slots > 0 then not pg_try_advisory_lock(${slotLockClass}, slot) end loop
    slots := slots - 1;
    slot := slot + 1;
  end loop;
  if slots = 0 then
    perform pg_advisory_unlock(${runLockClass}, run);
    return;
  end if;

  -- In a block of its own: a unique violation that escaped would leave the row pending and the lock held.
  while not claimed loop
    begin
      update viewkeeper.runs r set status = 'running', started_at = clock_timestamp(), updated_at = clock_timestamp(),
             backend_pid = pg_backend_pid(), backend_start = me_since
       where r.id = run and r.status = 'pending' and (r.claim_by is null or r.claim_by > clock_timestamp())
         and r.plan is not null and ${itsTurn}
      returning r.plan, r.started_at into work, started;
      claimed := found;
      if claimed and work ->> 'basis' is not null then
        perform set_config('lock_timeout', '2s', true);
        execute work #>> '{basis,sql}' into answer;
        if answer is distinct from work #>> '{basis,is}' then
          raise exception using errcode = ${json(sqlstateOfCheck)} ->> 'CatalogChanged';
        end if;
      end if;
      exit;
    -- Undone with this block: the run is pending again, and whoever sent it sees that nobody works on it.
    exception when sqlstate '${sqlstateOfCheck.CatalogChanged}' or lock_not_available or internal_error then
      claimed := false; -- internal_error: a relation that is gone while its definition is written out
      exit;
    when unique_violation then
      select o.id into other from viewkeeper.runs o, viewkeeper.runs r
       where r.id = run and o.schema_name = r.schema_name and o.view_name = r.view_name and o.status = 'running';
      if found then -- otherwise it has just ended: claim again
        update viewkeeper.runs r set status = 'skipped', plan = null, finished_at = clock_timestamp(), updated_at = clock_timestamp(),
               duration_ms = 0,
               error = jsonb_build_object('class', 'AlreadyRunning', 'runningRunId', other, 'message',
                 format('Run %s of %I.%I is still running.', other, r.schema_name, r.view_name))
         where r.id = run and r.status = 'pending' and r.plan ->> 'ifRunning' = 'skip';
        exit;
      end if;
    end;
  end loop;
  commit;
  if not claimed then
    perform pg_advisory_unlock(${slotLockClass}, slot) where slots > 0;
    perform pg_advisory_unlock(${runLockClass}, run);
    return;
  end if;

  begin
    for setting_name, setting_value in select * from jsonb_each_text(work -> 'settings') loop
      perform set_config(setting_name, setting_value, true);
    end loop;
    for step in select * from jsonb_array_elements(work -> 'prepare') loop
      ${performStep}
    end loop;

    give_up_at := clock_timestamp() + make_interval(secs => (work #>> '{cutOver,giveUpAfterMs}')::float8 / 1000);
    patient := (work #>> '{cutOver,patientLockTimeoutMs}')::integer;
    loop
      tries := tries + 1;
      begin
        perform set_config('lock_timeout',
          case when patient > 0 and tries % 10 = 0 then patient::text else work #>> '{cutOver,lockTimeoutMs}' end, true);
        if work ->> 'written' is not null then
          execute work ->> 'written' into written_before;
        end if;
        for step in select * from jsonb_array_elements(work #> '{cutOver,steps}') loop
          ${performStep}
        end loop;
        exit;
      exception when lock_not_available or deadlock_detected then
        -- The failed block has let go of its locks; readers that queued behind it are served now.
        if clock_timestamp() > give_up_at then
          raise;
        end if;
      end;
      perform set_config('application_name', format('viewkeeper run %s locking', run), false);
      perform pg_sleep(least(2.0, 0.05 * 2 ^ least(tries, 6)) * (0.5 + random()));
    end loop;
    perform set_config('lock_timeout', '0', true);

    if work ->> 'written' is not null then
      execute work ->> 'written' into written_after;
      rows_after := written_after - written_before;
    end if;

    finished := clock_timestamp();
    update viewkeeper.runs r set status = 'success', plan = null, result = r.plan ->> 'result',
           finished_at = finished, updated_at = finished, duration_ms = extract(epoch from finished - started) * 1000,
           row_count_before = rows_before, row_count_after = rows_after,
           meta = jsonb_set(r.meta, '{response,attempts}', to_jsonb(tries))
     where r.id = run and r.status = 'running' and r.backend_pid = pg_backend_pid() and r.backend_start = me_since;
    if not found then
      -- Somebody closed this run as lost: its record says failed, so its work must not stay.
      raise exception 'viewkeeper run % was closed by somebody else; its work is undone', run;
    end if;
    succeeded := true;
  -- 'others' alone catches neither of the first two.
  exception when query_canceled or assert_failure or others then
    get stacked diagnostics st = returned_sqlstate, msg = message_text, det = pg_exception_detail,
      hnt = pg_exception_hint, ctx = pg_exception_context;
    -- Messages of these classes quote values of the data, which must not reach the record.
    quotes_data := left(st, 2) in ('21', '22', '23');
    finished := clock_timestamp();
    update viewkeeper.runs r
       set status = case when st = '57014' and r.cancel_requested_at is not null then 'canceled' else 'failed' end,
           plan = null, finished_at = finished, updated_at = finished,
           duration_ms = extract(epoch from finished - started) * 1000, row_count_before = rows_before,
           idempotency_key = case when ${json(problemCodes.filter(mayRetry))} ? f.class then null else r.idempotency_key end,
           meta = jsonb_set(r.meta, '{response,attempts}', to_jsonb(tries)),
           error = jsonb_strip_nulls(jsonb_build_object(
             'class', f.class,
             'sqlstate', st,
             'message', case when quotes_data
                then coalesce(${json(standardText)} ->> st, ${json(standardText)} ->> (left(st, 2) || '000')) else msg end,
             'detail', case when not quotes_data then nullif(det, '') end,
             'hint', case when st = '42501' then coalesce(nullif(hnt, ''), step ->> 'needs')
                          when step ? 'carries' then 'It was to carry over ' || (step ->> 'carries') || '.'
                          when not quotes_data then nullif(hnt, '') end,
             'context', case when not quotes_data then nullif(ctx, '') end))
      from (select case
              when st = '57014' and statement_limit > '0' and finished - statement_timestamp() >= statement_limit
                then 'StatementTimeout'
              when st = '57014' then 'Canceled'
              else coalesce(${json(problemOfSqlstate)} ->> st, ${json(problemOfSqlstate)} ->> left(st, 2), 'ViewSqlFailed')
            end as class) f
     where r.id = run and r.status = 'running' and r.backend_pid = pg_backend_pid() and r.backend_start = me_since;
  end;
  commit;
  perform pg_advisory_unlock(${slotLockClass}, slot) where slots > 0;
  perform pg_notify('${runChannel}', run::text);
  commit;

  if succeeded and jsonb_array_length(work -> 'aside') > 0 then
    for step in select * from jsonb_array_elements(work -> 'aside') loop
      begin
        ${performStep}
      exception when query_canceled or assert_failure or others then
        null; -- the run has succeeded; what comes aside is a courtesy
      end;
      commit;
    end loop;
    update viewkeeper.runs r set row_count_after = rows_after, updated_at = clock_timestamp()
     where r.id = run and r.row_count_after is distinct from rows_after;
    commit;
  end if;
  perform pg_advisory_unlock(${runLockClass}, run);
end
$viewkeeper$`
