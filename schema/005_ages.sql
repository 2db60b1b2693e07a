-- How old the data of each view are.

-- The incremental tables, and the plain views with their queries. Their mark is a comment, which only the owner of both can put there.
create function viewkeeper.kept() returns table (relation oid, query oid)
language sql stable
begin atomic
  select t.oid, q.oid from pg_catalog.pg_description d join pg_catalog.pg_class q on q.oid = d.objoid and q.relkind = 'v'
    join pg_catalog.pg_class t on t.relnamespace = q.relnamespace and t.relname = left(q.relname::text, -6)::name
     and q.relname = (t.relname || '_query')::name and t.relkind = 'r' and t.relowner = q.relowner
   where d.classoid = 'pg_catalog.pg_class'::regclass and d.objsubid = 0 and d.description = 'Viewkeeper keeps the rows of this query in a table.';
end;

-- What identifies the data in a view: server and database, OID and file; and the transaction that wrote the catalog's row of the view last, as every
-- refresh does, whoever asks for it. A grant writes that row, too: what it hides, nobody can know. Of any relation:
create function viewkeeper.filling(relation oid) returns text
language sql stable
begin atomic
  select format('%s/%s %s %s %s', s.system_identifier, d.oid, c.oid, c.relfilenode, c.xmin)
    from pg_catalog.pg_class c, pg_catalog.pg_control_system() s, pg_catalog.pg_database d
   where c.oid = relation and d.datname = current_database();
end;

-- The materialized views and incremental tables that there are, and what identifies the data of each. `query`: what has the query. Every role may ask this.
create function viewkeeper.live()
returns table (relation oid, schema oid, schema_name name, name name, is_populated boolean, query oid, touched text, filling text)
language sql stable
begin atomic
  select c.oid, n.oid, n.nspname, c.relname, c.relispopulated,
         case c.relkind when 'm' then c.oid else (select k.query from viewkeeper.kept() k where k.relation = c.oid) end, c.xmin::text,
         format('%s/%s %s %s %s', s.system_identifier, d.oid, c.oid, c.relfilenode, c.xmin)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace, pg_catalog.pg_control_system() s, pg_catalog.pg_database d
   where d.datname = current_database() and (c.relkind = 'm' or c.relkind = 'r' and c.oid in (select k.relation from viewkeeper.kept() k));
end;

-- Whether a run was left out because it would have changed nothing: then its as_of says how old the data of the view are.
create function viewkeeper.is_unneeded(status text, as_of timestamptz, error jsonb, built_at timestamptz) returns boolean
language sql immutable
return status = 'skipped' and as_of is not null and error is null and built_at is null;

-- The run that has filled a view last, if any. A run may end after later ones, above all if its shadow waits for an exchange; so the ends of the last
-- 20 successes are compared, which takes a look at one piece of the index.
create function viewkeeper.last_success(of_definition integer) returns setof bigint
language sql stable rows 1
begin atomic
  select few.id from (
    select r.id, r.finished_at from viewkeeper.runs r
     where r.definition_id = of_definition and r.status = 'success' and r.fills order by r.id desc limit 20) few
   order by few.finished_at > clock_timestamp(), few.finished_at desc, few.id desc limit 1;
end;

-- The views that somebody has filled since their shadows began to be filled, as a list of names: by what the run has `seen` itself, and by the record
-- of built runs.
create function viewkeeper.newer(seen jsonb, runs bigint[]) returns text
language sql stable
begin atomic
  select coalesce(string_agg(format('%I.%I', x.schema, x.name), ', ' order by x.schema, x.name), '')
    from (select s.value #>> '{view,0}' as schema, s.value #>> '{view,1}' as name, s.value ->> 'replaces' as replaces from jsonb_each(seen) s
          union all
          select r.schema_name, r.view_name, r.replaces from viewkeeper.runs r where r.id = any (runs) and r.built_at is not null) x
   where x.replaces <> viewkeeper.filling((
     select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = x.schema and c.relname = x.name));
end;

-- The last ends of each view are kept, so that a look at all views reads no run of most of them. Nobody who ends a run waits for these rows: the
-- monitor writes them when it publishes the end. Until then a look finds the end among those that are not published.
create table viewkeeper.last_ends (
  definition_id integer references viewkeeper.definitions on delete cascade,
  kind text, -- run: whatever it was; success: the data are those of it; proof: a refresh would change nothing; failure
  -- The columns of the run, and the class of its error.
  id bigint not null, status text, requested_at timestamptz, finished_at timestamptz, duration_ms bigint,
  row_count_before bigint, row_count_after bigint, as_of timestamptz, held_back_by text, filled text, class text,
  primary key (definition_id, kind)
);
comment on table viewkeeper.last_ends is 'Of each view the run, the success, the proof that a refresh would change nothing and the failure that ended last, of those whose ends are published.';

-- Writes the last ends of these views as their history has them. One writes at a time: so no row goes back to an older state, and two monitors wait
-- for each other in no circle. Readers do not wait.
create function viewkeeper.find_last_ends(of_definitions integer[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  found viewkeeper.last_ends[];
begin
  lock table viewkeeper.last_ends in share row exclusive mode;
  found := array(
    select row(d.id, last.kind, r.id, r.status, r.requested_at, r.finished_at, r.duration_ms, r.row_count_before, r.row_count_after,
               r.as_of, r.held_back_by, r.filled, r.error ->> 'class')::viewkeeper.last_ends
      from viewkeeper.definitions d
     cross join lateral (
       (select 'run', few.id from (
          select r.id, r.finished_at from viewkeeper.runs r
           where r.definition_id = d.id and r.finished_at is not null order by r.id desc limit 20) few
         order by few.finished_at desc, few.id desc limit 1)
       union all
       select 'success', filler.id from viewkeeper.last_success(d.id) filler(id)
       union all
       (select 'proof', r.id from viewkeeper.runs r where r.definition_id = d.id and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)
         order by r.id desc limit 1)
       union all
       (select 'failure', r.id from viewkeeper.runs r where r.definition_id = d.id and r.status = 'failed'
         order by r.finished_at desc, r.id desc limit 1)) last(kind, id)
      join viewkeeper.runs r on r.id = last.id
     where d.id = any (of_definitions));
  -- Of many runs of a view that are published at once, the first has changed its rows already.
  delete from viewkeeper.last_ends k where k.definition_id = any (of_definitions) and k <> all (found);
  insert into viewkeeper.last_ends select * from unnest(found) on conflict do nothing;
end $$;

-- After an end was published or changed, the last ends of its view are written anew; after runs were removed, those that name one of them. With the
-- owner's rights: a login that may write runs needs no further right.
create function viewkeeper.keep_last_ends() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
begin
  if tg_level = 'ROW' then
    perform viewkeeper.find_last_ends(array[old.definition_id, new.definition_id]);
  else
    perform viewkeeper.find_last_ends(array_agg(k.definition_id)) from viewkeeper.last_ends k
      where not exists (select from viewkeeper.runs r where r.id = k.id) having count(*) > 0;
  end if;
  return null;
end $$;
revoke execute on function viewkeeper.keep_last_ends() from public;

create trigger keep_last_end after insert on viewkeeper.runs for each row
  when (new.published_at is not null and new.finished_at is not null and new.definition_id is not null)
  execute function viewkeeper.keep_last_ends();
create trigger keep_changed_end
  after update of published_at, definition_id, status, finished_at, fills, filled, as_of, row_count_after on viewkeeper.runs for each row
  when (new.published_at is not null and new.finished_at is not null and new.definition_id is not null
        and (old.published_at is null or (old.definition_id, old.status, old.finished_at, old.fills, old.filled, old.as_of, old.row_count_after)
             is distinct from (new.definition_id, new.status, new.finished_at, new.fills, new.filled, new.as_of, new.row_count_after)))
  execute function viewkeeper.keep_last_ends();
-- A prune removes no run that is named here, and says so: to look whether all are still there takes longer than its removals.
create trigger forget_last_ends after delete on viewkeeper.runs for each statement
  when (current_setting('viewkeeper.spares_last_ends', true) is distinct from 'on')
  execute function viewkeeper.keep_last_ends();
create trigger forget_all_ends after truncate on viewkeeper.runs for each statement execute function viewkeeper.keep_last_ends();

-- An end in the future is no end: the clock was set back, or another server goes on. What ended then ends now, or before the next run of its view,
-- and nobody knows as of when its data are. Returns how many ends there were. With the owner's rights: so a monitor needs no further one.
create function viewkeeper.mend_ends() returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  at constant timestamptz := clock_timestamp();
  too_new constant integer[] := array(select k.definition_id from viewkeeper.last_ends k where k.finished_at > at);
  mended bigint;
begin
  if too_new = '{}' then
    return 0;
  end if;
  update viewkeeper.runs r set requested_at = least(r.requested_at, x.at), started_at = least(r.started_at, x.at), finished_at = x.at,
         as_of = case when r.as_of <= x.at then r.as_of end
    from (select f.id, coalesce((select min(n.requested_at) from viewkeeper.runs n
                                  where n.definition_id = f.definition_id and n.id > f.id and n.requested_at <= at), at) as at
            from viewkeeper.runs f where f.finished_at > at and f.definition_id = any (too_new)) x
   where r.id = x.id;
  get diagnostics mended = row_count;
  return mended;
end $$;

-- Of each view and kind what has ended last: of what is kept, and of what is not published. The last run is one that has not ended, or else the one
-- that ended last: a retry may end after a run that was requested later.
create view viewkeeper.ends as
  select distinct on (e.definition_id, e.kind) e.* from (
    select * from viewkeeper.last_ends
    union all
    select r.definition_id, x.kind, r.id, r.status, r.requested_at, r.finished_at, r.duration_ms, r.row_count_before, r.row_count_after,
           r.as_of, r.held_back_by, r.filled, r.error ->> 'class'
      from viewkeeper.runs r
     cross join lateral (
       values ('run', true), ('success', r.status = 'success' and r.fills), ('failure', r.status = 'failed'),
              ('proof', viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at))) x(kind, is_one)
     where x.is_one and (r.status in ('pending', 'running', 'built') or r.finished_at is not null and r.published_at is null)) e
   order by e.definition_id, e.kind, e.finished_at desc nulls first, e.id desc;

-- How each view stands. Nobody knows how old the data are if the view is not what its last success has filled, or if they are as of the future; a
-- standby may have a slower clock.
--
-- The age of a view's data is compared with its limit. Without a limit in the definition, the limit is the longest time between two refreshes by
-- schedule, plus an hour or twice the usual duration, whichever is longer; if target lags promise more, that is the limit, and a minute more is no
-- breach: the monitor looks once a minute. A paused view is never stale. `stale_at` is the moment from which the view is stale; the usual duration,
-- which takes a look into the runs, is read only if that depends on it.
create view viewkeeper.standings as
  select d.id as definition_id, run.id as last_run_id, run.status as last_status, run.requested_at as last_requested_at,
         run.finished_at as last_finished_at, run.duration_ms as last_duration_ms,
         success.id as last_success_id, success.finished_at as last_success_at, success.row_count_before, success.row_count_after,
         clock_timestamp() - coalesce(data.as_of, success.finished_at, d.created_at) as staleness,
         make_interval(secs => least(age_limit.seconds, d.promised_lag_seconds)) as max_staleness,
         coalesce(stale.at < clock_timestamp(), false) as stale,
         present.relation is null as missing,
         data.as_of, data.held_back_by,
         failure.id as last_failure_id, failure.finished_at as last_failure_at, failure.class as last_failure_class,
         stale.at as stale_at
    from (select id, schema_name, name, source, created_at, expected_since, paused_at,
                 max_staleness_seconds, scheduled_interval_seconds, promised_lag_seconds
            from viewkeeper.definitions where removed_at is null) d
    left join viewkeeper.ends run on run.definition_id = d.id and run.kind = 'run'
    left join viewkeeper.ends success on success.definition_id = d.id and success.kind = 'success'
    left join viewkeeper.ends proof on proof.definition_id = d.id and proof.kind = 'proof' and proof.finished_at > success.finished_at
    left join viewkeeper.ends failure on failure.definition_id = d.id and failure.kind = 'failure'
    left join viewkeeper.live() present on present.schema_name = d.schema_name and present.name = d.name,
         -- Commas: a join would list all columns of what stands before it in the catalog, which each session reads.
         lateral (select coalesce(success.filled = present.filling, false) as is_there,
                         coalesce(proof.as_of, success.as_of) as as_of) told,
         -- Otherwise each use of these columns computes them again: hence offset 0.
         lateral (select case when told.is_there and (told.as_of <= clock_timestamp() or pg_is_in_recovery()) then told.as_of end as as_of,
                         case when told.is_there then case when proof.id is null then success.held_back_by else proof.held_back_by end end
                           as held_back_by offset 0) data,
         lateral (select greatest(coalesce(data.as_of, success.finished_at), d.expected_since) as since) expected,
         lateral (select coalesce(d.max_staleness_seconds, d.scheduled_interval_seconds + greatest(3600,
           2 * (select usual.ms from viewkeeper.usual_duration(d.id) usual) / 1000)) as seconds) age_limit,
         lateral (select case when d.paused_at is null then expected.since + make_interval(secs => least(d.promised_lag_seconds + 60, case
           when d.max_staleness_seconds is null
                and coalesce(expected.since + make_interval(secs => d.scheduled_interval_seconds + 3600) >= clock_timestamp(), true)
             then d.scheduled_interval_seconds + 3600
           else age_limit.seconds end)) end as at offset 0) stale
   where d.source = 'authored' or present.relation is not null or exists (
           select from viewkeeper.set_aside a where a.kind = 'view' and a.item #>> '{live,view,schema}' = d.schema_name
              and a.item #>> '{live,view,name}' = d.name);

-- How old the data of each view are, as viewkeeper.standings says, by a few looks into indexes for one view. Readers ask this, who have no right on
-- the tables below. So nothing is called here that reads a table: it would need the reader's rights.
create view viewkeeper.ages as
  select l.relation, l.schema, d.id as definition_id, format('%I.%I', d.schema_name, d.name) as view, l.is_populated,
         d.paused_at, success.id as success_id, success.finished_at as refreshed_at, filler.as_of as filled_as_of, data.*
    from viewkeeper.live() l
    join viewkeeper.definitions d on d.schema_name = l.schema_name::text collate "default" and d.name = l.name::text collate "default"
    left join lateral (
      select few.id, few.finished_at from (
        select r.id, r.finished_at from viewkeeper.runs r
         where r.definition_id = d.id and r.status = 'success' and r.fills order by r.id desc limit 20) few
       order by few.finished_at > clock_timestamp(), few.finished_at desc, few.id desc limit 1) success on true
    left join viewkeeper.runs filler on filler.id = success.id
    left join lateral (
      select r.finished_at, r.as_of, r.held_back_by from viewkeeper.runs r
       where r.definition_id = d.id and r.id > success.id and r.finished_at > success.finished_at
         and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)
       order by r.id desc limit 1) proof on true
   cross join lateral (select coalesce(filler.filled = l.filling, false) as is_there) there
   cross join lateral (
     select there.is_there, coalesce(proof.finished_at, success.finished_at, '-infinity') as since,
            case when there.is_there and (coalesce(proof.as_of, filler.as_of) <= clock_timestamp() or pg_is_in_recovery())
                 then coalesce(proof.as_of, filler.as_of) end as as_of,
            case when there.is_there then case when proof.finished_at is null then filler.held_back_by else proof.held_back_by end end
              as held_back_by) data
   where d.removed_at is null;

-- How old the data of a view are, {asOf, heldBackBy}, that a run keeps while it computes some: it is held back by itself.
create function viewkeeper.age_of(relation oid) returns jsonb
language sql stable
begin atomic
  select coalesce((select jsonb_build_object('asOf', a.as_of, 'heldBackBy', coalesce(a.held_back_by, a.view))
                     from viewkeeper.ages a where a.relation = age_of.relation), '{"asOf": null}');
end;

-- The last success of each view whose data were in another server or database then: the record was restored or copied with its database, so nobody
-- knows how old they are.
create function viewkeeper.restored() returns table (run bigint, relation oid, view text)
language sql stable
begin atomic
  select r.id, l.relation, format('%I.%I', d.schema_name, d.name)
    from viewkeeper.definitions d cross join lateral viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id
    join viewkeeper.live() l on l.schema_name = d.schema_name and l.name = d.name and l.is_populated
   where d.removed_at is null and split_part(r.filled, ' ', 1) <> split_part(l.filling, ' ', 1);
end;

-- Their ages are known again by the word of the record. No look takes it by itself: if schema viewkeeper alone was restored, beside older data, its
-- word is false. Without `touched`, no refresh is left out, and none computes slices only, by counters and logs of before.
create function viewkeeper.keep_ages() returns setof text
language sql
begin atomic
  with taken as (
    update viewkeeper.runs r set filled = viewkeeper.filling(x.relation), touched = null
      from viewkeeper.restored() x where r.id = x.run
    returning x.view)
  select view from taken order by 1;
end;
comment on function viewkeeper.keep_ages is 'In a restored or copied database: takes the word of the record for the ages of the views that it names.';
