-- How old the data of a view are, where its numbers are read, for everybody who may read the view.

-- The views that the reader may read, as old as viewkeeper.latest_runs says they are; one view takes a few looks into indexes.
-- The reader needs no right on the tables below. So nothing is called here that reads a table: it would need the reader's rights.
-- Condition: the first that is true, in the words of the list of views. What the reader may not read is not named. A refusal
-- that a caller got as the answer is no failure.
create view viewkeeper.freshness with (security_barrier) as
  select c.oid as relation, format('%I.%I', d.schema_name, d.name) as view, data.as_of, success.finished_at as refreshed_at,
         coalesce(
           (select format(case r.error ->> 'class' when 'NotExchanged' then 'held back: its refresh was undone at %s, because another view failed'
                                                   else 'failed: its refresh failed at %s (%s)' end, r.finished_at, r.error ->> 'class')
              from viewkeeper.runs r
             where r.definition_id = d.id and r.status = 'failed' and r.operation <> 'drop'
               and not (r.started_at is null and r.trigger in ('http', 'cli', 'program')) and r.finished_at > data.since
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
comment on view viewkeeper.freshness is 'For each view that you may read, as of when its data are, the end of its last refresh, and what is wrong with it.';

-- A name is looked up on the search path of the caller, as SQL does it; nothing else is. A text is no reference, so a query
-- that has one keeps no exchange from dropping the view.
create function viewkeeper.as_of(viewed oid) returns timestamptz
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  return (select f.as_of from viewkeeper.freshness f where f.relation = viewed);
end $$;
create function viewkeeper.as_of(view text) returns timestamptz
language sql stable parallel safe
begin atomic
  select viewkeeper.as_of(to_regclass(view)::oid);
end;

create function viewkeeper.is_fresh(viewed oid, within interval) returns boolean
language sql stable parallel safe
begin atomic
  select viewkeeper.as_of(viewed) >= statement_timestamp() - within;
end;
create function viewkeeper.is_fresh(view text, within interval) returns boolean
language sql stable parallel safe
begin atomic
  select viewkeeper.is_fresh(to_regclass(view)::oid, within);
end;

-- Always an error: why the data are not known to be fresh. `said` is the name as the caller wrote it. A view that the caller may not
-- read is as unknown as one that does not exist.
-- Within a procedure or a message of several statements the time goes on, while statement_timestamp() stands still. is_fresh has the time of
-- the statement: a query may ask it twice, and gets one answer.
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
create function viewkeeper.require_fresh(viewed oid, within interval) returns boolean
language sql stable parallel safe
begin atomic
  select case when viewkeeper.as_of(viewed) >= clock_timestamp() - within then true else viewkeeper.not_fresh(viewed, null, within) end;
end;
create function viewkeeper.require_fresh(view text, within interval) returns boolean
language sql stable parallel safe
begin atomic
  select case when viewkeeper.as_of(view) >= clock_timestamp() - within then true else viewkeeper.not_fresh(to_regclass(view)::oid, view, within) end;
end;

comment on function viewkeeper.as_of(oid) is 'The same of a regclass.';
comment on function viewkeeper.as_of(text) is 'As of when the data of a view are that you may read; null if nobody knows.';
comment on function viewkeeper.is_fresh(oid, interval) is 'The same of a regclass.';
comment on function viewkeeper.is_fresh(text, interval) is 'Whether the data of a view are at most so old; null if nobody knows.';
comment on function viewkeeper.require_fresh(oid, interval) is 'The same of a regclass.';
comment on function viewkeeper.require_fresh(text, interval) is 'True if the data of a view are at most so old. Otherwise error VK001 says how old they are, and why.';
comment on function viewkeeper.not_fresh is 'The error of require_fresh.';
