-- The age of data is never told too new: neither after a refresh by somebody else, nor after the clock of the server was set back.

-- What identifies the data in a view: server and database, OID and file; the transaction that wrote the catalog's row of the view last,
-- as every refresh does, whoever asks for it; and a hash of the privileges, because a grant writes that row, too.
create or replace function viewkeeper.filling(relation oid) returns text
language sql stable
begin atomic
  select format('%s/%s %s %s %s %s', s.system_identifier, d.oid, c.oid, c.relfilenode, c.xmin, hash_array_extended(coalesce(c.relacl, '{}'), 0))
    from pg_catalog.pg_class c, pg_catalog.pg_control_system() s, pg_catalog.pg_database d
   where c.oid = relation and d.datname = current_database();
end;

-- Whether a view holds the data with which it was filled: nobody has written its row since, or somebody has changed its privileges.
create function viewkeeper.is_filling(filled text, now text) returns boolean
language sql immutable parallel safe
begin atomic
  select filled = now or (string_to_array(filled, ' '))[1:3] = (string_to_array(now, ' '))[1:3]
                         and split_part(filled, ' ', 5) not in ('', split_part(now, ' ', 5));
end;
comment on function viewkeeper.is_filling is 'Whether a view still holds the data with which it was filled.';
comment on column viewkeeper.runs.filled is 'What the run has filled: server and database, OID and file of the view, the transaction that wrote its row last, a hash of its privileges. If the view is another one by now, somebody else has filled it.';

-- What the last runs of before have filled. If somebody has written the row of the view since, nobody knows with which privileges it was filled.
update viewkeeper.runs r set filled = concat_ws(' ', r.filled, r.touched, hash_array_extended(coalesce(c.relacl, '{}'), 0))
  from pg_catalog.pg_class c
 where c.oid = split_part(r.filled, ' ', 2)::oid and r.touched is not null
   and (r.status = 'built' or r.id in (select filler.id from viewkeeper.definitions d cross join viewkeeper.last_success(d.id) filler(id)));
select viewkeeper.find_last_ends(array(select k.definition_id from viewkeeper.last_ends k));

-- What a shadow replaces: as `filled`, of the view before the run has filled its shadow.
alter table viewkeeper.runs add column replaces text;
comment on column viewkeeper.runs.replaces is 'What the view was filled with when the run began to fill its shadow. If it is filled with something else at the exchange, the shadow is too old.';

-- The views that somebody has filled since their shadows began to be filled, as a list of names: by what the run has `seen` itself, and by
-- the record of built runs.
create function viewkeeper.newer(seen jsonb, runs bigint[]) returns text
language sql stable
begin atomic
  select coalesce(string_agg(format('%I.%I', x.schema, x.name), ', ' order by x.schema, x.name), '')
    from (select s.value #>> '{view,0}' as schema, s.value #>> '{view,1}' as name, s.value ->> 'replaces' as replaces from jsonb_each(seen) s
          union all
          select r.schema_name, r.view_name, r.replaces from viewkeeper.runs r where r.id = any (runs) and r.built_at is not null) x
   where not viewkeeper.is_filling(x.replaces, viewkeeper.filling((
     select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = x.schema and c.relname = x.name)));
end;
comment on function viewkeeper.newer is 'The views that somebody has filled since their shadows began to be filled.';

-- An end in the future is no end: the clock was set back, or another server goes on. What ended then ends now, or before the next run of
-- its view, and nobody knows as of when its data are. Returns how many ends there were. With the owner's rights: so a monitor needs no
-- further one.
create function viewkeeper.mend_ends() returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  at constant timestamptz := clock_timestamp();
  mended bigint;
begin
  update viewkeeper.runs r set requested_at = least(r.requested_at, x.at), started_at = least(r.started_at, x.at), finished_at = x.at,
         as_of = case when r.as_of <= x.at then r.as_of end
    from (select f.id, coalesce((select min(n.requested_at) from viewkeeper.runs n
                                  where n.definition_id = f.definition_id and n.id > f.id and n.requested_at <= at), at) as at
            from viewkeeper.runs f where f.finished_at > at and f.definition_id in (
              select k.definition_id from viewkeeper.last_ends k
               where greatest(k.run_finished_at, k.success_finished_at, k.proof_finished_at, k.failure_finished_at) > at)) x
   where r.id = x.id;
  get diagnostics mended = row_count;
  return mended;
end $$;
comment on function viewkeeper.mend_ends is 'Ends in the future, of a clock that was set back, become ends of now.';

create or replace function viewkeeper.last_success(of_definition integer) returns setof bigint
language sql stable rows 1
begin atomic
  select few.id from (
    select r.id, r.finished_at from viewkeeper.runs r
     where r.definition_id = of_definition and r.status = 'success' and r.fills order by r.id desc limit 20) few
   order by few.finished_at > clock_timestamp(), few.finished_at desc, few.id desc limit 1;
end;

-- As before; but the data are of an unknown age, too, if somebody else has refreshed the view, or if they are as of the future. A standby
-- may have a slower clock.
create or replace view viewkeeper.latest_runs as
  select d.id as definition_id,
         case when run.is_new then (n.run).id else k.run_id end as last_run_id,
         case when run.is_new then (n.run).status else k.run_status end as last_status,
         case when run.is_new then (n.run).requested_at else k.run_requested_at end as last_requested_at,
         case when run.is_new then (n.run).finished_at else k.run_finished_at end as last_finished_at,
         case when run.is_new then (n.run).duration_ms else k.run_duration_ms end as last_duration_ms,
         case when success.is_new then (n.success).id else k.success_id end as last_success_id,
         data.success_at as last_success_at,
         case when success.is_new then (n.success).row_count_before else k.rows_before end as row_count_before,
         case when success.is_new then (n.success).row_count_after else k.rows_after end as row_count_after,
         clock_timestamp() - coalesce(data.as_of, data.success_at, d.created_at) as staleness,
         make_interval(secs => least(age_limit.seconds, d.promised_lag_seconds)) as max_staleness,
         coalesce(stale.at < clock_timestamp(), false) as stale,
         present.oid is null as missing,
         data.as_of, data.held_back_by,
         case when failure.is_new then (n.failure).id else k.failure_id end as last_failure_id,
         greatest((n.failure).finished_at, k.failure_finished_at) as last_failure_at,
         case when failure.is_new then (n.failure).error ->> 'class' else k.failure_class end as last_failure_class,
         stale.at as stale_at
    from (select id, schema_name, name, source, created_at, expected_since, paused_at, max_staleness_seconds, scheduled_interval_seconds, promised_lag_seconds
            from viewkeeper.definitions where removed_at is null) d
    left join viewkeeper.last_ends k on k.definition_id = d.id
    left join (
      select r.definition_id,
             (array_agg(r order by r.finished_at desc nulls first, r.id desc))[1] as run,
             (array_agg(r order by r.finished_at desc, r.id desc) filter (where r.status = 'success' and r.fills))[1] as success,
             (array_agg(r order by r.finished_at desc, r.id desc) filter (where viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)))[1] as proof,
             (array_agg(r order by r.finished_at desc, r.id desc) filter (where r.status = 'failed'))[1] as failure
        from viewkeeper.runs r where r.status in ('pending', 'running', 'built') or r.finished_at is not null and r.published_at is null
       group by r.definition_id) n on n.definition_id = d.id
    left join (
      select c.oid, concat_ws(' ', c.oid, c.relfilenode, c.xmin, hash_array_extended(coalesce(c.relacl, '{}'), 0)) as filling,
             n.nspname::text as schema_name, c.relname::text as name
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'm') present on present.schema_name = d.schema_name and present.name = d.name,
         -- Commas: a join would list all columns of what stands before it in the catalog, which each session reads.
         lateral (select (n.run).id is not null
           and ((n.run).finished_at is null or k.run_id is null or ((n.run).finished_at, (n.run).id) > (k.run_finished_at, k.run_id)) as is_new) run,
         lateral (select greatest((n.success).finished_at, k.success_finished_at) as at, (n.success).id is not null
           and (k.success_id is null or ((n.success).finished_at, (n.success).id) > (k.success_finished_at, k.success_id)) as is_new) success,
         lateral (select greatest((n.proof).finished_at, k.proof_finished_at) > success.at as is_later, (n.proof).id is not null
           and (k.proof_id is null or ((n.proof).finished_at, (n.proof).id) > (k.proof_finished_at, k.proof_id)) as is_new) proof,
         lateral (select (n.failure).id is not null
           and (k.failure_id is null or ((n.failure).finished_at, (n.failure).id) > (k.failure_finished_at, k.failure_id)) as is_new) failure,
         lateral (select coalesce(viewkeeper.is_filling(case when success.is_new then (n.success).filled else k.success_filled end, (
                    select format('%s/%s ', s.system_identifier, b.oid)
                      from pg_catalog.pg_control_system() s, pg_catalog.pg_database b where b.datname = current_database())
                  || present.filling), false) as is_there) filled,
         lateral (select case when proof.is_later then case when proof.is_new then (n.proof).as_of else k.proof_as_of end
                              when success.is_new then (n.success).as_of else k.success_as_of end as as_of) told,
         -- Otherwise each use of these columns computes them again: hence offset 0.
         lateral (select success.at as success_at,
           case when filled.is_there and (told.as_of <= clock_timestamp() or pg_is_in_recovery()) then told.as_of end as as_of,
           case when not filled.is_there then null
                when proof.is_later then case when proof.is_new then (n.proof).held_back_by else k.proof_held_back_by end
                when success.is_new then (n.success).held_back_by else k.success_held_back_by end as held_back_by
           offset 0) data,
         lateral (select greatest(coalesce(data.as_of, data.success_at), d.expected_since) as since) expected,
         lateral (select coalesce(d.max_staleness_seconds, d.scheduled_interval_seconds + greatest(3600,
           2 * (select usual.ms from viewkeeper.usual_duration(d.id) usual) / 1000)) as seconds) age_limit,
         lateral (select case when d.paused_at is null then expected.since + make_interval(secs => least(d.promised_lag_seconds + 60, case
           when d.max_staleness_seconds is null and coalesce(expected.since + make_interval(secs => d.scheduled_interval_seconds + 3600) >= clock_timestamp(), true)
             then d.scheduled_interval_seconds + 3600
           else age_limit.seconds end)) end as at offset 0) stale
   where d.source = 'authored' or present.oid is not null or exists (
           select from viewkeeper.set_aside a where a.kind = 'view' and a.item #>> '{live,view,schema}' = d.schema_name
              and a.item #>> '{live,view,name}' = d.name);

create or replace view viewkeeper.freshness with (security_barrier) as
  select c.oid as relation, format('%I.%I', d.schema_name, d.name) as view, data.as_of, success.finished_at as refreshed_at,
         coalesce(
           (select format(case r.error ->> 'class' when 'NotExchanged' then 'held back: its refresh was undone at %s, because another view failed'
                                                   else 'failed: its refresh failed at %s (%s)' end, r.finished_at, r.error ->> 'class')
              from viewkeeper.runs r
             where r.definition_id = d.id and r.status = 'failed' and r.operation <> 'drop'
               and not (r.started_at is null and r.trigger in ('http', 'cli')) and r.finished_at > data.since
             order by r.finished_at desc, r.id desc limit 1),
           case when not c.relispopulated then 'unpopulated: readers get an error from it' end,
           case when data.held_back_by is null or data.as_of > success.finished_at - interval '1 min' then null
                else format('held back: %s was not fresher', coalesce((
                  select data.held_back_by || ', which it reads,'
                    from pg_catalog.pg_namespace s join pg_catalog.pg_class p on p.relnamespace = s.oid
                   where s.nspname = (parse_ident(data.held_back_by))[1]::name and p.relname = (parse_ident(data.held_back_by))[2]::name
                     and has_schema_privilege(s.oid, 'usage') and has_any_column_privilege(p.oid, 'select')), 'a view that it reads')) end,
           (select format('held back: its refresh was skipped at %s, because another view failed', r.finished_at)
              from viewkeeper.runs r
             where r.definition_id = d.id and r.status = 'skipped' and r.error ->> 'class' in ('UpstreamFailed', 'NotExchanged')
               and r.finished_at > data.since
             order by r.finished_at desc, r.id desc limit 1),
           case when d.paused_at is not null then format('paused: since %s', d.paused_at) end,
           case when data.as_of is not null then null
                when success.id is null then 'unknown: Viewkeeper has never refreshed it'
                when data.is_there and filler.as_of is null then 'unknown: its query goes where nobody can follow'
                when data.is_there then 'unknown: the clock of the server was set back'
                else 'unknown: it was filled outside the record, or granted, or its file was rewritten' end) as condition
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join viewkeeper.definitions d on d.schema_name = n.nspname::text collate "default" and d.name = c.relname::text collate "default"
   cross join pg_catalog.pg_control_system() s
    left join lateral (
      select few.id, few.finished_at from (
        select r.id, r.finished_at from viewkeeper.runs r
         where r.definition_id = d.id and r.status = 'success' and r.fills order by r.id desc limit 20) few
       order by few.finished_at > clock_timestamp(), few.finished_at desc, few.id desc limit 1) success on true
    left join viewkeeper.runs filler on filler.id = success.id
    left join lateral (
      select r.finished_at, r.as_of, r.held_back_by from viewkeeper.runs r
       where r.definition_id = d.id and r.id > success.id and r.finished_at > success.finished_at
         and r.status = 'skipped' and r.as_of is not null and r.error is null and r.built_at is null
       order by r.id desc limit 1) proof on true
   cross join lateral (
     select coalesce(viewkeeper.is_filling(filler.filled, format('%s/%s %s %s %s %s', s.system_identifier,
              (select b.oid from pg_catalog.pg_database b where b.datname = current_database()), c.oid, c.relfilenode, c.xmin,
              hash_array_extended(coalesce(c.relacl, '{}'), 0))), false) as is_there) there
   cross join lateral (
     select there.is_there, coalesce(proof.finished_at, success.finished_at, '-infinity') as since,
            case when there.is_there and (coalesce(proof.as_of, filler.as_of) <= clock_timestamp() or pg_is_in_recovery()) then coalesce(proof.as_of, filler.as_of) end as as_of,
            case when not there.is_there then null when proof.finished_at is null then filler.held_back_by else proof.held_back_by end as held_back_by) data
   where c.relkind = 'm' and d.removed_at is null and has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select');

-- As before. The answer is right, too, if ids and times are not in the same order.
create or replace function viewkeeper.first_run_since(since timestamptz) returns bigint
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

create or replace function viewkeeper.view_metrics(within interval default '24 hours', of_view integer default null)
returns table (
  id integer, view text, runs bigint, succeeded bigint, failed bigint, success_rate numeric,
  average_ms bigint, min_ms bigint, max_ms bigint, p95_ms bigint, usual_ms bigint)
language sql stable
begin atomic
  with first as materialized (select since.at, viewkeeper.first_run_since(since.at) as id from (select clock_timestamp() - within) since(at))
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
       where r.definition_id = d.id and r.id >= first.id and coalesce(r.finished_at >= first.at, true)) m
    cross join lateral viewkeeper.usual_duration(d.id) usual
   where d.removed_at is null and (of_view is null or d.id = of_view)
   order by d.schema_name, d.name;
end;

-- As before; but within a procedure or a message of several statements the time goes on, while statement_timestamp() stands still. is_fresh
-- has the time of the statement: a query may ask it twice, and gets one answer.
create or replace function viewkeeper.not_fresh(viewed oid, said text, within interval) returns boolean
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
create or replace function viewkeeper.require_fresh(viewed oid, within interval) returns boolean
language sql stable parallel safe
begin atomic
  select case when viewkeeper.as_of(viewed) >= clock_timestamp() - within then true else viewkeeper.not_fresh(viewed, null, within) end;
end;
create or replace function viewkeeper.require_fresh(view text, within interval) returns boolean
language sql stable parallel safe
begin atomic
  select case when viewkeeper.as_of(view) >= clock_timestamp() - within then true else viewkeeper.not_fresh(to_regclass(view)::oid, view, within) end;
end;
