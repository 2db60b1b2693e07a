-- A view's history, newest first, with all that is asked of every view at once: none of it has to look into the table.
create index runs_history on viewkeeper.runs (definition_id, id desc)
  include (status, operation, started_at, finished_at, duration_ms);
drop index viewkeeper.runs_by_definition;

-- The last failure of a view that has had none for long would otherwise be looked for in all its runs.
create index runs_failed on viewkeeper.runs (definition_id, id desc) where status = 'failed';

-- The first run asked for at or after a moment. Ids grow with time, so it is searched by halves, which takes some twenty
-- steps through the primary key, at any size, and no index of its own.
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

-- How each view is, as far as its runs tell: for people with psql, and for GET /metrics.
create view viewkeeper.view_status as
  with yesterday as materialized (select viewkeeper.first_run_since(clock_timestamp() - interval '24 hours') as id)
  select d.id, d.schema_name, d.name, format('%I.%I', d.schema_name, d.name) as view, d.source, d.paused_at,
         last_run.id as last_run_id, last_run.status as last_status,
         last_success.id as last_success_id, last_success.finished_at as last_success_at,
         clock_timestamp() - coalesce(last_success.finished_at, d.created_at) as staleness,
         last_success.row_count_before, last_success.row_count_after,
         last_failure.id as last_failure_id, last_failure.finished_at as last_failure_at,
         last_failure.error ->> 'class' as last_failure_class,
         (select count(*) from viewkeeper.runs r
           where r.definition_id = d.id and r.status = 'failed' and r.id >= yesterday.id) as failed_last_day
    from viewkeeper.definitions d
   cross join yesterday
    left join lateral (
      select r.id, r.status from viewkeeper.runs r where r.definition_id = d.id order by r.id desc limit 1) last_run on true
    left join lateral (
      select r.id, r.finished_at, r.row_count_before, r.row_count_after from viewkeeper.runs r
       where r.definition_id = d.id and r.status = 'success' and r.operation <> 'drop' order by r.id desc limit 1) last_success on true
    left join lateral (
      select r.id, r.finished_at, r.error from viewkeeper.runs r
       where r.definition_id = d.id and r.status = 'failed' order by r.id desc limit 1) last_failure on true
   where d.removed_at is null;

-- What the runs of each view came to within a time: select * from viewkeeper.view_metrics('7 days').
create function viewkeeper.view_metrics(within interval default '24 hours')
returns table (
  id integer, view text, runs bigint, succeeded bigint, failed bigint, success_rate numeric,
  average_ms bigint, min_ms bigint, max_ms bigint, p95_ms bigint, usual_ms bigint)
language sql stable
begin atomic
  with first as materialized (select viewkeeper.first_run_since(clock_timestamp() - within) as id)
  select d.id, format('%I.%I', d.schema_name, d.name), m.runs, m.succeeded, m.failed,
         round(m.succeeded::numeric / nullif(m.succeeded + m.failed, 0), 4), m.average_ms, m.min_ms, m.max_ms, m.p95_ms,
         (select round(avg(l.duration_ms))::bigint from (
            select r.duration_ms from viewkeeper.runs r where r.definition_id = d.id and r.status = 'success'
             order by r.id desc limit 20) l)
    from viewkeeper.definitions d
    cross join first
    cross join lateral (
      select count(*) as runs,
             count(*) filter (where r.status = 'success') as succeeded,
             count(*) filter (where r.status = 'failed') as failed,
             round(avg(r.duration_ms) filter (where r.status = 'success'))::bigint as average_ms,
             min(r.duration_ms) filter (where r.status = 'success') as min_ms,
             max(r.duration_ms) filter (where r.status = 'success') as max_ms,
             round(percentile_cont(0.95) within group (order by r.duration_ms) filter (where r.status = 'success'))::bigint as p95_ms
        from viewkeeper.runs r where r.definition_id = d.id and r.id >= first.id) m
   where d.removed_at is null
   order by d.schema_name, d.name;
end;

comment on view viewkeeper.view_status is 'How each view is: its last run, last success and last failure, how stale it is, how long a refresh takes.';
comment on function viewkeeper.view_metrics is 'What the runs of each view came to within a time: how many, how they ended, how long the successes took.';
comment on function viewkeeper.first_run_since is 'The id of the first run asked for at or after a moment; the next id to come where there is none.';
