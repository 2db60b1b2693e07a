-- What everybody may ask and programs rely on: views and functions that keep their names, columns and order. They are made of private views, which
-- change in their stead.

create view viewkeeper.latest_runs as select * from viewkeeper.standings;
comment on view viewkeeper.latest_runs is 'For each view the last run, the last success that made the view fresh, as of when its data are and which view holds them back, the age from which they are stale, and whether an authored view is missing in the database.';

create view viewkeeper.view_status as
  select d.id, d.schema_name, d.name, format('%I.%I', d.schema_name, d.name) as view, d.source, d.paused_at,
         d.schedule, d.time_zone, latest.missing, latest.stale, latest.staleness, latest.max_staleness,
         latest.last_run_id, latest.last_status, latest.last_success_id, latest.last_success_at,
         latest.row_count_before, latest.row_count_after, latest.last_failure_id, latest.last_failure_at, latest.last_failure_class,
         coalesce(lately.failed, 0) as failed_last_day, latest.as_of, latest.held_back_by
    from viewkeeper.definitions d
    join viewkeeper.standings latest on latest.definition_id = d.id
    left join (
      select r.definition_id, count(*) as failed from viewkeeper.runs r
       where r.status = 'failed' and r.finished_at >= statement_timestamp() - interval '24 hours'
         and r.requested_at >= statement_timestamp() - interval '24 hours'
       group by r.definition_id) lately on lately.definition_id = d.id;
comment on view viewkeeper.view_status is 'For each view its schedule, the last run, last success and last failure, the age of its data, and whether they are stale.';

-- The runs of each view, or of one view, within a time, summed up. Durations are those of successful refreshes.
create function viewkeeper.view_metrics(within interval default '24 hours', of_view integer default null)
returns table (
  id integer, view text, runs bigint, succeeded bigint, failed bigint, success_rate numeric,
  average_ms bigint, min_ms bigint, max_ms bigint, p95_ms bigint, usual_ms bigint)
language sql stable
begin atomic
  with first as materialized (select since.at, viewkeeper.first_run_since(since.at) as id from (select clock_timestamp() - within) since(at))
  select d.id, format('%I.%I', d.schema_name, d.name), m.runs, m.succeeded, m.failed,
         round(m.succeeded::numeric / nullif(m.succeeded + m.failed, 0), 4), m.average_ms, m.min_ms, m.max_ms, m.p95_ms, round(usual.ms)::bigint
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
       where r.definition_id = d.id and r.id >= first.id and coalesce(r.finished_at >= first.at, true)) m
    cross join lateral viewkeeper.usual_duration(d.id) usual
   where d.removed_at is null and (of_view is null or d.id = of_view)
   order by d.schema_name, d.name;
end;
comment on function viewkeeper.view_metrics is 'The runs of each view within a time: how many, how they ended, how long the refreshes took.';

-- The views that the reader may read, with the first condition that is true, in the words of the list of views. What the reader may not read is not
-- named. A refusal that a caller got as the answer is no failure.
create view viewkeeper.freshness with (security_barrier) as
  select a.relation, a.view, a.as_of, a.refreshed_at,
         coalesce(
           (select format(case r.error ->> 'class' when 'NotExchanged' then 'held back: its refresh was undone at %s, because another view failed'
                                                   else 'failed: its refresh failed at %s (%s)' end, r.finished_at, r.error ->> 'class')
              from viewkeeper.runs r
             where r.definition_id = a.definition_id and r.status = 'failed' and r.operation <> 'drop'
               and not (r.started_at is null and r.trigger in ('http', 'cli', 'program')) and r.finished_at > a.since
             order by r.finished_at desc, r.id desc limit 1),
           case when not a.is_populated then 'unpopulated: readers get an error from it' end,
           case when a.held_back_by is null or a.as_of > a.refreshed_at - interval '1 min' then null
                else format('held back: %s was not fresher', coalesce((
                  select a.held_back_by || ', which it reads,'
                    from pg_catalog.pg_namespace s join pg_catalog.pg_class p on p.relnamespace = s.oid
                   where s.nspname = (parse_ident(a.held_back_by))[1]::name and p.relname = (parse_ident(a.held_back_by))[2]::name
                     and has_schema_privilege(s.oid, 'usage') and has_any_column_privilege(p.oid, 'select')), 'a view that it reads')) end,
           (select format('held back: its refresh was skipped at %s, because another view failed', r.finished_at)
              from viewkeeper.runs r
             where r.definition_id = a.definition_id and r.status = 'skipped' and r.error ->> 'class' in ('UpstreamFailed', 'NotExchanged')
               and r.finished_at > a.since
             order by r.finished_at desc, r.id desc limit 1),
           case when a.paused_at is not null then format('paused: since %s', a.paused_at) end,
           case when a.as_of is not null then null
                when a.success_id is null then 'unknown: Viewkeeper has never refreshed it'
                when a.is_there and a.filled_as_of is null then 'unknown: its query goes where nobody can follow'
                when a.is_there then 'unknown: the clock of the server was set back'
                else 'unknown: it was filled outside the record, or granted, or its file was rewritten' end) as condition
    from viewkeeper.ages a
   where has_schema_privilege(a.schema, 'usage') and has_any_column_privilege(a.relation, 'select');
comment on view viewkeeper.freshness is 'For each view that you may read, as of when its data are, the end of its last refresh, and what is wrong with it.';

-- A name is looked up on the search path of the caller, as SQL does it; nothing else is. A text is no reference, so a query that has one keeps no
-- exchange from dropping the view.
create function viewkeeper.as_of(viewed oid) returns timestamptz
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return (select f.as_of from viewkeeper.freshness f where f.relation = viewed);
end $$;
create function viewkeeper.as_of(view text) returns timestamptz
language sql stable parallel safe
return viewkeeper.as_of(to_regclass(view)::oid);
comment on function viewkeeper.as_of(text) is 'As of when the data of a view are that you may read; null if nobody knows.';
comment on function viewkeeper.as_of(oid) is 'The same of a regclass.';

-- The time of the statement: a query may ask twice, and gets one answer.
create function viewkeeper.is_fresh(viewed oid, within interval) returns boolean
language sql stable parallel safe
return viewkeeper.as_of(viewed) >= statement_timestamp() - within;
create function viewkeeper.is_fresh(view text, within interval) returns boolean
language sql stable parallel safe
return viewkeeper.is_fresh(to_regclass(view)::oid, within);
comment on function viewkeeper.is_fresh(text, interval) is 'Whether the data of a view are at most so old; null if nobody knows.';
comment on function viewkeeper.is_fresh(oid, interval) is 'The same of a regclass.';

-- The error of require_fresh: why the data are not known to be fresh. `said` is the name as the caller wrote it. A view that the caller may not read
-- is as unknown as one that does not exist.
create function viewkeeper.not_fresh(viewed oid, said text, within interval) returns boolean
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  seen record;
  name text;
begin
  select f.* into seen from viewkeeper.freshness f where f.relation = viewed;
  if not found and has_any_column_privilege(viewed, 'select') is not true then
    raise undefined_table using message = format('There is no materialized view %s that role %I may read.', coalesce(said, viewed::text), current_user);
  end if;
  name := coalesce(seen.view, said, viewed::regclass::text);
  raise sqlstate 'VK001' using
    message = case when seen.as_of is null then format('Nobody knows how old the data of %s are.', name)
                   else format('The data of %s are %s old%s.', name, date_trunc('second', clock_timestamp() - seen.as_of), ', and may be ' || within || ' old') end,
    detail = concat_ws(' ', 'As of ' || seen.as_of || '.', 'Last refreshed at ' || seen.refreshed_at || '.',
      coalesce(seen.condition, case when seen.view is null then 'unknown: Viewkeeper has no record of it' else 'stale: no refresh has ended since' end) || '.'),
    hint = format('viewkeeper why %s', case when name ~ '^[A-Za-z0-9_.]+$' then name else '''' || replace(name, '''', E'''\\''''') || '''' end);
end $$;

-- Within a procedure or a message of several statements the time goes on, while statement_timestamp() stands still.
create function viewkeeper.require_fresh(viewed oid, within interval) returns boolean
language sql stable parallel safe
return case when viewkeeper.as_of(viewed) >= clock_timestamp() - within then true else viewkeeper.not_fresh(viewed, null, within) end;
create function viewkeeper.require_fresh(view text, within interval) returns boolean
language sql stable parallel safe
return case when viewkeeper.as_of(view) >= clock_timestamp() - within then true else viewkeeper.not_fresh(to_regclass(view)::oid, view, within) end;
comment on function viewkeeper.require_fresh(text, interval) is 'True if the data of a view are at most so old. Otherwise error VK001 says how old they are, and why.';
comment on function viewkeeper.require_fresh(oid, interval) is 'The same of a regclass.';
