-- How each view stands: its last runs, how old its data are, and whether they are too old.

-- How old the data of a view are: runs.as_of is the moment of the snapshot that the query saw, or the oldest as_of of the views
-- that the query read, if that is older. Null: nobody knows.

-- What identifies the data that a regular refresh, a swap or a create has put into a view. A database made from a template has the
-- OIDs and files of the template, but not the template's own OID.
create function viewkeeper.filling(relation oid) returns text
language sql stable
begin atomic
  select format('%s/%s %s %s', s.system_identifier, d.oid, c.oid, c.relfilenode)
    from pg_catalog.pg_class c, pg_catalog.pg_control_system() s, pg_catalog.pg_database d
   where c.oid = relation and d.datname = current_database();
end;

-- Whether a run was left out because it would have changed nothing: then its as_of says how old the data of the view are.
create function viewkeeper.is_unneeded(status text, as_of timestamptz, error jsonb, built_at timestamptz) returns boolean
language sql immutable
begin atomic
  select status = 'skipped' and as_of is not null and error is null and built_at is null;
end;

-- The run that has filled a view last, if any. A run may end after later ones, above all if its shadow waits for an exchange; so
-- the ends of the last 20 successes are compared, which takes a look at one piece of the index.
create function viewkeeper.last_success(of_definition integer) returns setof bigint
language sql stable rows 1
begin atomic
  select few.id from (
    select r.id, r.finished_at from viewkeeper.runs r
     where r.definition_id = of_definition and r.status = 'success' and r.fills order by r.id desc limit 20) few
   order by few.finished_at desc, few.id desc limit 1;
end;

-- The first run that was requested at or after a moment. Ids grow with time, so a binary search through the primary key
-- finds the run in some twenty lookups, at any size, without an index of its own.
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
  return low;
end $$;

-- The usual duration of a view's refreshes in milliseconds: the average of its last 20 successful refreshes, or of the last
-- 20 before a run. Null if there is none.
create function viewkeeper.usual_duration(of_view integer, before_run bigint default 9223372036854775807)
returns table (ms float8)
language sql stable
begin atomic
  select avg(l.duration_ms)::float8 from (
    select r.duration_ms from viewkeeper.runs r
     where r.definition_id = of_view and r.id < before_run and r.status = 'success' and r.operation = 'refresh'
     order by r.id desc limit 20) l;
end;

-- The last run, the last success and the last proof that a refresh would change nothing, of every authored view and of every other
-- view in the catalog, or set aside. The newest runs of all views are read first, in one piece: most views have all these runs there.
-- Only the other views are looked up in their own history, because each lookup walks through a large index.
--
-- The last run is one that has not ended, or else the one that ended last: a retry may end after a run that was requested later.
--
-- Nobody knows how old the data are if the view is not what its last success has filled.
--
-- The age of a view's data is compared with its limit. Without a limit in the definition, the limit is the longest time
-- between two refreshes by schedule, plus an hour or twice the usual duration, whichever is longer; if target lags promise more, that
-- is the limit, and a minute more is no breach: the monitor looks once a minute. A paused view is never stale. The usual duration,
-- which takes a look into the runs, is read only if the answer depends on it.
create view viewkeeper.latest_runs as
  with server as materialized (
    select format('%s/%s', s.system_identifier, d.oid) as id
      from pg_catalog.pg_control_system() s, pg_catalog.pg_database d where d.datname = current_database()),
  newest as materialized (
    select r.definition_id, r.id, r.status, r.requested_at, r.finished_at, r.duration_ms, r.fills,
           r.row_count_before, r.row_count_after, r.as_of, r.held_back_by, r.filled, viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at) as unneeded
      from viewkeeper.runs r order by r.id desc limit 2000),
  newest_run as (
    select distinct on (definition_id) * from newest order by definition_id, finished_at desc nulls first, id desc),
  newest_success as (
    select distinct on (definition_id) * from newest where status = 'success' and fills order by definition_id, finished_at desc, id desc),
  newest_proof as (
    select distinct on (definition_id) * from newest where unneeded order by definition_id, finished_at desc, id desc)
  select d.id as definition_id,
         coalesce(newest_run.id, older_run.id) as last_run_id,
         coalesce(newest_run.status, older_run.status) as last_status,
         coalesce(newest_run.requested_at, older_run.requested_at) as last_requested_at,
         case when newest_run.id is null then older_run.finished_at else newest_run.finished_at end as last_finished_at,
         case when newest_run.id is null then older_run.duration_ms else newest_run.duration_ms end as last_duration_ms,
         coalesce(newest_success.id, older_success.id) as last_success_id,
         success.at as last_success_at,
         case when newest_success.id is null then older_success.row_count_before else newest_success.row_count_before end as row_count_before,
         case when newest_success.id is null then older_success.row_count_after else newest_success.row_count_after end as row_count_after,
         clock_timestamp() - coalesce(data.as_of, success.at, d.created_at) as staleness,
         make_interval(secs => least(age_limit.seconds, d.promised_lag_seconds)) as max_staleness,
         d.paused_at is null and coalesce(expected.seconds > d.promised_lag_seconds + 60 or case
           when d.max_staleness_seconds is null and coalesce(expected.seconds <= d.scheduled_interval_seconds + 3600, true) then false
           else expected.seconds > age_limit.seconds end, false) as stale,
         present.oid is null as missing,
         data.as_of, data.held_back_by
    from viewkeeper.definitions d
    left join newest_run on newest_run.definition_id = d.id
    left join newest_success on newest_success.definition_id = d.id
    left join newest_proof on newest_proof.definition_id = d.id
    left join lateral (
      select few.* from (
        select r.id, r.status, r.requested_at, r.finished_at, r.duration_ms from viewkeeper.runs r
         where newest_run.id is null and r.definition_id = d.id order by r.id desc limit 20) few
       order by few.finished_at desc nulls first, few.id desc limit 1) older_run on true
    left join lateral (
      select r.id, r.finished_at, r.row_count_before, r.row_count_after, r.as_of, r.held_back_by, r.filled
        from viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id
       -- limit: without it, the older success of each view is looked up, and then not needed.
       where newest_success.id is null limit 1) older_success on true
    left join lateral (
      select r.finished_at, r.as_of, r.held_back_by from viewkeeper.runs r
       where newest_success.id is null and newest_proof.id is null and r.definition_id = d.id and r.id > older_success.id
         and r.finished_at > older_success.finished_at and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)
       order by r.id desc limit 1) older_proof on true
    left join (
      select c.oid, c.relfilenode, n.nspname::text as schema_name, c.relname::text as name
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'm') present using (schema_name, name)
   cross join server
   cross join lateral (select
     coalesce(newest_success.id, older_success.id) as id, coalesce(newest_success.finished_at, older_success.finished_at) as at,
     coalesce(coalesce(newest_success.filled, older_success.filled) = format('%s %s %s', server.id, present.oid, present.relfilenode), false) as is_there) success
   cross join lateral (select
     case when not success.is_there then null
          when coalesce(newest_proof.finished_at, older_proof.finished_at) > success.at then coalesce(newest_proof.as_of, older_proof.as_of)
          else coalesce(newest_success.as_of, older_success.as_of) end as as_of,
     case when not success.is_there then null
          when coalesce(newest_proof.finished_at, older_proof.finished_at) > success.at then coalesce(newest_proof.held_back_by, older_proof.held_back_by)
          else coalesce(newest_success.held_back_by, older_success.held_back_by) end as held_back_by) data
   cross join lateral (
     select extract(epoch from clock_timestamp() - greatest(coalesce(data.as_of, success.at), d.expected_since)) as seconds) expected
   cross join lateral (
     select coalesce(d.max_staleness_seconds, d.scheduled_interval_seconds + greatest(3600,
              2 * (select usual.ms from viewkeeper.usual_duration(d.id) usual) / 1000)) as seconds) age_limit
   where d.removed_at is null and (d.source = 'authored' or present.oid is not null or exists (
           select from viewkeeper.set_aside a where a.kind = 'view' and a.item #>> '{live,view,schema}' = d.schema_name
              and a.item #>> '{live,view,name}' = d.name));
comment on view viewkeeper.latest_runs is 'For each view the last run, the last success that made the view fresh, as of when its data are and which view holds them back, the age from which they are stale, and whether an authored view is missing in the database.';

create view viewkeeper.view_status as
  with yesterday as materialized (select viewkeeper.first_run_since(clock_timestamp() - interval '24 hours') as id)
  select d.id, d.schema_name, d.name, format('%I.%I', d.schema_name, d.name) as view, d.source, d.paused_at,
         d.schedule, d.time_zone, latest.missing, latest.stale, latest.staleness, latest.max_staleness,
         latest.last_run_id, latest.last_status, latest.last_success_id, latest.last_success_at,
         latest.row_count_before, latest.row_count_after,
         last_failure.id as last_failure_id, last_failure.finished_at as last_failure_at,
         last_failure.error ->> 'class' as last_failure_class,
         case when last_failure.id < yesterday.id then 0 else (
           select count(*) from viewkeeper.runs r
            where r.definition_id = d.id and r.status = 'failed' and r.id >= yesterday.id) end as failed_last_day,
         latest.as_of, latest.held_back_by
    from viewkeeper.definitions d
    join viewkeeper.latest_runs latest on latest.definition_id = d.id
   cross join yesterday
    left join lateral (
      select few.* from (
        select r.id, r.finished_at, r.error from viewkeeper.runs r
         where r.definition_id = d.id and r.status = 'failed' order by r.id desc limit 20) few
       order by few.finished_at desc, few.id desc limit 1) last_failure on true;
comment on view viewkeeper.view_status is 'For each view its schedule, the last run, last success and last failure, the age of its data, and whether they are stale.';

-- The runs of each view, or of one view, within a time, summed up. Durations are those of successful refreshes.
create function viewkeeper.view_metrics(within interval default '24 hours', of_view integer default null)
returns table (
  id integer, view text, runs bigint, succeeded bigint, failed bigint, success_rate numeric,
  average_ms bigint, min_ms bigint, max_ms bigint, p95_ms bigint, usual_ms bigint)
language sql stable
begin atomic
  with first as materialized (select viewkeeper.first_run_since(clock_timestamp() - within) as id)
  select d.id, format('%I.%I', d.schema_name, d.name), m.runs, m.succeeded, m.failed,
         round(m.succeeded::numeric / nullif(m.succeeded + m.failed, 0), 4), m.average_ms, m.min_ms, m.max_ms, m.p95_ms,
         round(usual.ms)::bigint
    from viewkeeper.definitions d
    cross join first
    cross join lateral (
      select count(*) as runs,
             count(*) filter (where r.status = 'success') as succeeded,
             count(*) filter (where r.status = 'failed') as failed,
             round(avg(r.duration_ms) filter (where refreshed))::bigint as average_ms,
             min(r.duration_ms) filter (where refreshed) as min_ms,
             max(r.duration_ms) filter (where refreshed) as max_ms,
             round(percentile_cont(0.95) within group (order by r.duration_ms) filter (where refreshed))::bigint as p95_ms
        from viewkeeper.runs r
       cross join lateral (select r.status = 'success' and r.operation = 'refresh' as refreshed) is_refresh
       where r.definition_id = d.id and r.id >= first.id) m
    cross join lateral viewkeeper.usual_duration(d.id) usual
   where d.removed_at is null and (of_view is null or d.id = of_view)
   order by d.schema_name, d.name;
end;

comment on function viewkeeper.is_unneeded is 'Whether a run was left out because it would have changed nothing.';
comment on function viewkeeper.last_success is 'The run that has filled a view last.';
comment on function viewkeeper.filling is 'What identifies the data in a view: server and database, OID and file.';
comment on function viewkeeper.usual_duration is 'The usual duration of a view: the average of its last 20 successful refreshes.';
comment on function viewkeeper.view_metrics is 'The runs of each view within a time: how many, how they ended, how long the refreshes took.';
comment on function viewkeeper.first_run_since is 'The id of the first run that was requested at or after a moment; if there is none, the next id.';
