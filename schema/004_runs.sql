-- Every attempt is a new row; a row is never used twice.
create table viewkeeper.runs (
  id bigint generated always as identity primary key,
  definition_id integer references viewkeeper.definitions on delete set null,
  schema_name text not null,
  view_name text not null,
  batch_id text references viewkeeper.batches on delete set null,
  -- The run that does the work of this one, too, because both views belong to one group: they begin and end together. It may have been pruned before
  -- this one. A foreign key made each removal of a run look for runs that it has led: 50 microseconds each, and pruning 30 times as slow.
  group_run_id bigint,
  operation text not null check (operation in ('create', 'refresh', 'drop')),
  status text not null default 'pending'
    check (status in ('pending', 'running', 'built', 'success', 'failed', 'canceled', 'skipped')),
  trigger text not null check (trigger in ('schedule', 'http', 'cli', 'deploy', 'batch', 'program')),
  requested_by text not null default '',
  caller text not null default '', -- requested_by without what differs between sessions of one role: whose idempotency keys these are
  attempt integer not null default 1 check (attempt > 0),
  idempotency_key text,
  plan jsonb, -- what the server is to do; null once the run has ended, {} while its process still analyzes or counts
  planned_by name, -- the role that wrote the plan; only this role executes it
  fills boolean not null default true, -- whether success makes the data fresh: not for a drop, nor for a create without data
  not_before timestamptz, -- when a retry is due
  claim_by timestamptz, -- until when somebody has to begin the run, or it is lost; null: its batch may wait
  backend_pid integer, -- with backend_start, the server process that works on the run: the server uses a pid again
  backend_start timestamptz,
  requested_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  built_at timestamptz, -- when the shadow was whole; the run is `built` until the shadows of its group are exchanged
  finished_at timestamptz,
  duration_ms bigint,
  cancel_requested_at timestamptz,
  row_count_before bigint,
  row_count_after bigint,
  -- The moment whose data the run has put into the view, or into its shadow if it was built: that of its snapshot, or the oldest as_of of the views
  -- that it read. Skipped: as of when the data are although nothing was refreshed. Null: not known.
  as_of timestamptz,
  -- The view whose data are the oldest in this view, or whose age nobody knows; null: no view that it read is older than the snapshot.
  held_back_by text,
  -- What the run has filled, as viewkeeper.filling has it. If the view is another one by now, somebody else has filled it.
  filled text,
  touched text, -- the transaction that wrote the catalog's row of the view last: every refresh does, whoever asks for it
  -- What the view was filled with when the run began to fill its shadow. If it is something else at the exchange, the shadow is too old.
  replaces text,
  -- What the query read: the runs that had filled the materialized views, the state of what lies between, and since "began" what the counters of
  -- tables said. {because}: why it cannot be proved that a refresh would change nothing, or why nobody knows how old its data are.
  inputs jsonb,
  checks jsonb, -- that the new data passed: name, rows found, time of each; null: none was made, or the run did not succeed
  result text, -- in words
  error jsonb, -- {class, message, sqlstate, detail, hint, context}, without row data
  meta jsonb not null default '{"request": {}, "response": {}}', -- response.sql keeps the statements
  published_at timestamptz, -- when the monitor published its end
  announced_at timestamptz, -- when the run became an event for programs; -infinity: programs are not told of it
  updated_at timestamptz not null default clock_timestamp(),
  check ((status in ('pending', 'running', 'built')) = (finished_at is null)),
  check ((status = 'built') <= (built_at is not null)),
  check ((status = 'running') <= (started_at is not null and backend_pid is not null and backend_start is not null)),
  check ((status in ('failed', 'canceled')) <= (error is not null))
);
comment on table viewkeeper.runs is 'One execution of one operation on one materialized view.';

-- At most one running run per view, whoever requested it: the database decides, not the code.
create unique index runs_one_running_per_view on viewkeeper.runs (schema_name, view_name) where status = 'running';
-- The same key from the same caller for the same operation is the same request. A failed run that may succeed when it is tried again gives its key
-- back.
create unique index runs_idempotency_key on viewkeeper.runs (trigger, caller, operation, idempotency_key)
  where idempotency_key is not null;
-- A view has one run for each attempt, whoever advances the batch.
create unique index runs_one_per_attempt on viewkeeper.runs (batch_id, definition_id, attempt) where batch_id is not null;

-- The history of a view, newest first, with all columns that are read of every view at once: those reads need no look into the table.
create index runs_history on viewkeeper.runs (definition_id, id desc)
  include (status, operation, fills, finished_at, duration_ms);
-- The last successes of a view that is left out nearly always, without a look at what was left out between them.
create index runs_successful on viewkeeper.runs (definition_id, id desc) include (operation, fills, finished_at, duration_ms)
  where status = 'success';
-- The newest runs that did not succeed, of all views, without a look at the others.
create index runs_unsuccessful on viewkeeper.runs (id, status) where status in ('failed', 'canceled');
-- The last failure of each view in one look, however long its history is. A run may end after later ones: so the index is in the order of the ends.
create index runs_failed_last on viewkeeper.runs (definition_id, finished_at desc, id desc) include (operation)
  where status = 'failed';
-- The failures of the last day, of all views in one look.
create index runs_failed_lately on viewkeeper.runs (finished_at) include (definition_id, requested_at) where status = 'failed';
-- The last refreshes that were skipped because another view failed. Most skipped refreshes have another reason.
create index runs_held_up on viewkeeper.runs (definition_id, finished_at desc, id desc)
  where status = 'skipped' and error ->> 'class' in ('UpstreamFailed', 'NotExchanged');
-- The last proof that a refresh would change nothing, in one look.
create index runs_unneeded on viewkeeper.runs (definition_id, id desc)
  where status = 'skipped' and as_of is not null and error is null and built_at is null;
-- The runs of a time, as ranges of the table's pages: also those with an id of another time, which a put-back writes. `+ 0`: a query that says so
-- reads the ids from this index, and not from the primary key, where it would read all later runs.
create index runs_of_time on viewkeeper.runs using brin (requested_at, (id + 0));

create index runs_open on viewkeeper.runs (id) where status in ('pending', 'running', 'built');
create index runs_of_group on viewkeeper.runs (group_run_id) where group_run_id is not null;
create index runs_unpublished on viewkeeper.runs (id) where finished_at is not null and published_at is null;
create index runs_unannounced on viewkeeper.runs (id) where finished_at is not null and announced_at is null;

create trigger note_action after insert on viewkeeper.runs for each row
  when (new.trigger in ('http', 'program') and new.batch_id is null and new.group_run_id is null
        and (new.operation <> 'refresh' or new.meta #>> '{request,force}' = 'true' or new.meta #>> '{request,withoutChecks}' = 'true'))
  execute function viewkeeper.note_action();

-- A plan is SQL, executed with the rights of the role that claims the run. So each run says which role wrote its plan, and only that role claims the
-- run. A role that may write this table cannot pass its plan off as another role's.
create function viewkeeper.note_planner() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.planned_by := current_user;
  return new;
end $$;
create trigger note_planner before insert or update of plan, planned_by on viewkeeper.runs for each row
  execute function viewkeeper.note_planner();

-- The first run that was requested at or after a moment; if there is none, the next id. Ids grow with time, so a binary search through the primary
-- key finds the run in some twenty lookups, at any size, without an index of its own.
create function viewkeeper.first_run_since(since timestamptz) returns bigint
language plpgsql stable set search_path = '' as $$
declare
  low bigint;
  high bigint;
  middle bigint;
  found_id bigint;
  found_at timestamptz;
begin
  select min(id), max(id) + 1 into low, high from viewkeeper.runs;
  if low is null then
    return 0;
  end if;
  while low < high loop
    middle := (low + high) / 2;
    select r.id, r.requested_at into found_id, found_at from viewkeeper.runs r where r.id >= middle order by r.id limit 1;
    if found_at >= since or found_id is null then
      high := middle;
    else
      low := found_id + 1;
    end if;
  end loop;
  -- What a put-back has filled is written at its end, with the times of its fills: such a run may have led the search astray.
  return least(low, (select min(r.id + 0) from viewkeeper.runs r where r.requested_at >= since and r.id + 0 < low));
end $$;

-- The usual duration of a view's refreshes in milliseconds: the average of its last 20 successful refreshes, or of the last 20 before a run. Null if
-- there is none.
create function viewkeeper.usual_duration(of_view integer, before_run bigint default 9223372036854775807)
returns table (ms float8)
language sql stable
begin atomic
  select avg(l.duration_ms)::float8 from (
    select r.duration_ms from viewkeeper.runs r
     where r.definition_id = of_view and r.id < before_run and r.status = 'success' and r.operation = 'refresh'
     order by r.id desc limit 20) l;
end;

-- What is said of a run that took longer than `allowed`. `asked`: the limit of the request, if that had one.
create function viewkeeper.timed_out(allowed interval, phase text, asked text, usual_ms float8) returns text
language sql stable
return format('canceled after %s s in phase %s: timeoutSeconds of the %s', round(extract(epoch from allowed), 3)::float8, coalesce(phase, 'counting'),
  case when asked is null then 'definition' else 'request' end) || coalesce('; it usually takes ' || round((usual_ms / 1000)::numeric, 1) || ' s', '');

-- What to do about a run that took longer than `allowed`; src/watch/diagnosis/run-cause.ts reads the number.
create function viewkeeper.more_time(allowed interval, usual_ms float8) returns text
language sql immutable
return format('Give it more time once: option timeout, %s seconds', ceil(2 * greatest(extract(epoch from allowed), usual_ms / 1000)));

-- Where there has to be room for a relation, after the disk was full.
create function viewkeeper.room_of(relation text) returns text
language sql stable
begin atomic
  with known as (
    select t.oid, t.spcname::text || coalesce(format(' (%s)', nullif(pg_tablespace_location(t.oid), '')), '') as name from pg_tablespace t)
  select format('The rows of %s are in tablespace %s, and what is computed for a moment in %s: make room there.', relation,
           coalesce((select k.name from known k join pg_class c on c.reltablespace = k.oid where c.oid = to_regclass(relation)), usual.name),
           coalesce(nullif(current_setting('temp_tablespaces'), ''), usual.name))
    from pg_database d join known usual on usual.oid = d.dattablespace where d.datname = current_database();
end;

-- Which constraint or trigger of others refused the rows of an incremental table, as JSON: `what` in words after "check violation in", and a `hint`. Null: none. The
-- names are those of the error, which may be row data, so only names that the catalog has too are told.
create function viewkeeper.refuser_of(relation text, sqlstate text, at_schema text, at_table text, at_column text, at_constraint text, context text) returns jsonb
language sql stable
begin atomic
  with there as (
    select c.oid, c.oid::regclass as name, c.oid = to_regclass(relation) as is_view from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = at_schema and c.relname = at_table and sqlstate !~ '^(40|53|55|57|58)'),
  refusers as (
    select 1 as nr, format('%s %I of %s', case c.contype when 'f' then 'foreign key' else 'constraint' end, c.conname, t.name) as what, case
             when t.is_view then format('The rows have to meet it, or: alter table %s drop constraint %I;', t.name, c.conname)
             when c.confrelid = to_regclass(relation) then format('Rows of %s refer to rows that are no longer in %s: delete these first, or make the foreign key anew with "on delete cascade".', t.name, relation)
             else format('The rows of %s have to meet it.', t.name) end as hint
      from there t join pg_constraint c on c.conrelid = t.oid and c.conname = at_constraint and c.contype <> 'n' and not (t.is_view and c.contype in ('p', 'u'))
    union all
    select 1, format('index %s', i.indexrelid::regclass), format('No two rows of %s may be equal by it.', t.name)
      from there t join pg_index i on i.indrelid = t.oid and not t.is_view join pg_class x on x.oid = i.indexrelid and x.relname = at_constraint
     where not exists (select from pg_constraint c where c.conindid = x.oid)
    union all
    select 1, format('column %I of %s', a.attname, t.name), format('It may not be null. Change the query, or: alter table %s alter column %I drop not null;', t.name, a.attname)
      from there t join pg_attribute a on a.attrelid = t.oid and a.attname = at_column and a.attnum > 0 where sqlstate = '23502'
    union all (
    select 2, format('trigger %I of %s', g.tgname, g.tgrelid::regclass), format('Correct its function %s, or: alter table %s disable trigger %I;', p.oid::regprocedure, g.tgrelid::regclass, g.tgname)
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_namespace n on n.oid = p.pronamespace
     where not g.tgisinternal and g.tgenabled <> 'D' and n.nspname not in ('viewkeeper', 'viewkeeper_logs') and sqlstate !~ '^(40|53|55|57|58)'
       and position(translate(format(' %s() line ', p.proname), '."', ' ') in translate(context, '."', ' ')) > 0
       and (g.tgrelid = to_regclass(relation) or g.tgrelid in (select c.conrelid from pg_constraint c where c.confrelid = to_regclass(relation)))
     order by g.tgrelid <> to_regclass(relation), g.tgname limit 1))
  select jsonb_build_object('what', string_agg(what, ' in ' order by nr), 'hint', (array_agg(hint order by nr desc))[1]) from refusers having count(*) > 0;
end;

-- The functions in PL/pgSQL that the context of an error names, each with its line: the rest of it may hold whole statements, and so rows.
-- The envelope of a batch's connection is a function, too.
create function viewkeeper.places_in(context text) returns text
language sql stable
begin atomic
  select string_agg(translate(f.name, E'\n\r', '  ') || ' line ' || c.place[2], E'\n' order by c.at)
    from regexp_matches(translate(context, '"', ''), '^PL/pgSQL \S+ (.*?\)) \S+ (\d+) ', 'gn') with ordinality as c(place, at)
    join (select p.oid::regprocedure::text as name, p.proname || substr(p.oid::regprocedure::text, position('(' in p.oid::regprocedure::text)) as bare
            from pg_proc p join pg_language l on l.oid = p.prolang where l.lanname = 'plpgsql' and p.pronamespace <> pg_my_temp_schema()) f
      on c.place[1] in (translate(f.name, '"', ''), translate(f.bare, '"', ''));
end;

-- What refused rows with a key that was there, of slices that were asked for.
create function viewkeeper.refuser_beside() returns jsonb
language sql immutable
return jsonb_build_object('hint', 'A row with such a key is in a slice that was not computed, as after a row has moved from there: refresh that slice, too, or all. Or the query returns two such rows, which bad-row shows.');

-- Whether somebody waits for the end of a requested run that exchanges several views: a request for a view that is exchanged together with one of
-- them, or a batch without the first of them. While readers keep that one, the run gives way.
create function viewkeeper.is_awaited(run bigint) returns boolean
language sql stable
return exists (
  select from viewkeeper.runs lead join viewkeeper.runs r on r.group_run_id = lead.id
   where lead.id = run and lead.batch_id is null and (
     exists (select from viewkeeper.runs w where w.id > run and w.status = 'skipped' and (w.error ->> 'runningRunId')::bigint = r.id and w.view_name <> r.view_name)
     or exists (
       select from viewkeeper.batches b
        where b.status in ('pending', 'running') and b.advanced_at > clock_timestamp() - interval '1 min'
          and not exists (select from viewkeeper.batch_views v where v.batch_id = b.id and v.definition_id = lead.definition_id)
          and (exists (select from jsonb_array_elements(b.locked) l where l ->> 'view' = format('%I.%I', r.schema_name, r.view_name))
               or exists (select from viewkeeper.batch_views v where v.batch_id = b.id and v.definition_id = r.definition_id and not exists (
                    select from viewkeeper.runs s where s.batch_id = b.id and s.definition_id = v.definition_id and s.finished_at is not null))))));

-- Whether a run of a batch has its turn: the batch goes on, no view of the run is paused, and none waits for one that it reads. In PL/pgSQL, because a
-- session that works on many runs then plans it once.
create function viewkeeper.has_turn(run bigint) returns boolean
language plpgsql stable as $$
begin
  return (
    select bool_and(b.status in ('pending', 'running') and b.cancel_requested_at is null
        and not exists (select from viewkeeper.definitions d where d.id = v.definition_id and d.paused_at is not null)
        and not exists (
          select from unnest(v.parents) p(id) where not exists (
            select from viewkeeper.runs s where s.batch_id = v.batch_id and s.definition_id = p.id
               and (s.status = 'success' or s.status = 'skipped' and s.error is null or run in (s.id, s.group_run_id)
                    or s.status = 'built' and exists (
                      select from viewkeeper.batch_groups g where g.batch_id = v.batch_id and g.given_up is null
                         and array[v.definition_id, p.id] <@ g.members))
            offset 0)))
      from viewkeeper.runs r
     -- The offsets have each view looked up by itself: the server expects small batches, and would read all views and runs of a large one.
     cross join lateral (select * from viewkeeper.batch_views v where v.batch_id = r.batch_id and v.definition_id = r.definition_id offset 0) v
      join viewkeeper.batches b on b.id = v.batch_id
     where r.id = run or r.group_run_id = run);
end
$$;

-- Whether the session of a run has waited so long for a lock: after a second, a run of a batch does not count as one that works. A run that tries
-- again and again for its locks says in its session's name since when.
create function viewkeeper.has_waited(pid integer, session_since timestamptz, at_least interval default '1 s') returns boolean
language sql stable
return exists (
  select from pg_stat_get_activity(pid) a left join pg_locks l on l.pid = a.pid and not l.granted
   where a.backend_start = session_since and clock_timestamp() - at_least
         > least(l.waitstart, to_timestamp(substring(a.application_name from '^viewkeeper run [0-9]+ [a-z]+ ([0-9]+)$')::float8)));
