-- The last ends of each view are kept, so that a look at all views reads no run of most of them. Nobody who ends a run waits for these
-- rows: the monitor writes them when it publishes the end. Until then a look finds the end among those that are not published.
create table viewkeeper.last_ends (
  definition_id integer primary key references viewkeeper.definitions on delete cascade,
  run_id bigint, run_status text, run_requested_at timestamptz, run_finished_at timestamptz, run_duration_ms bigint,
  success_id bigint, success_finished_at timestamptz, success_as_of timestamptz, success_held_back_by text, success_filled text,
  rows_before bigint, rows_after bigint,
  proof_id bigint, proof_finished_at timestamptz, proof_as_of timestamptz, proof_held_back_by text,
  failure_id bigint, failure_finished_at timestamptz, failure_class text
) with (fillfactor = 50);
comment on table viewkeeper.last_ends is 'Of each view the run, the success, the proof that a refresh would change nothing and the failure that ended last, of those whose ends are published.';

-- Looks up the last ends of these views in their history. One writes at a time: so no row goes back to an older state, and two monitors
-- wait for each other in no circle. Readers do not wait.
create function viewkeeper.find_last_ends(of_definitions integer[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  lock table viewkeeper.last_ends in share row exclusive mode;
  delete from viewkeeper.last_ends k where k.definition_id = any (of_definitions);
  insert into viewkeeper.last_ends
    select d.id, run.*, success.*, proof.*, failure.*
      from viewkeeper.definitions d
      left join lateral (
        select few.* from (
          select r.id, r.status, r.requested_at, r.finished_at, r.duration_ms from viewkeeper.runs r
           where r.definition_id = d.id and r.finished_at is not null order by r.id desc limit 20) few
         order by few.finished_at desc, few.id desc limit 1) run on true
      left join lateral (
        select r.id, r.finished_at, r.as_of, r.held_back_by, r.filled, r.row_count_before, r.row_count_after
          from viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id) success on true
      left join lateral (
        select r.id, r.finished_at, r.as_of, r.held_back_by from viewkeeper.runs r
         where r.definition_id = d.id and r.id > success.id and r.finished_at > success.finished_at
           and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)
         order by r.id desc limit 1) proof on true
      left join lateral (
        select r.id, r.finished_at, r.error ->> 'class' from viewkeeper.runs r
         where r.definition_id = d.id and r.status = 'failed' order by r.finished_at desc, r.id desc limit 1) failure on true
     where d.id = any (of_definitions) order by d.id
    on conflict do nothing;
end $$;
comment on function viewkeeper.find_last_ends is 'Writes the last ends of these views as their history has them.';

-- The functions of the triggers have their owner's rights: a login that may write runs needs no further right.
create function viewkeeper.keep_last_end() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_relid <> 'viewkeeper.runs'::regclass then
    raise insufficient_privilege using message = format('%s has no ends', tg_relid::regclass);
  end if;
  if tg_op = 'UPDATE' and old.published_at is not null then
    perform viewkeeper.find_last_ends(array[old.definition_id, new.definition_id]);
    return null;
  end if;
  lock table viewkeeper.last_ends in share row exclusive mode;
  insert into viewkeeper.last_ends as k
    select new.definition_id, new.id, new.status, new.requested_at, new.finished_at, new.duration_ms, success.*, proof.*, failure.*
      from (select) one
      left join lateral (
        select new.id, new.finished_at, new.as_of, new.held_back_by, new.filled, new.row_count_before, new.row_count_after
         where new.status = 'success' and new.fills) success on true
      left join lateral (
        select new.id, new.finished_at, new.as_of, new.held_back_by
         where viewkeeper.is_unneeded(new.status, new.as_of, new.error, new.built_at)) proof on true
      left join lateral (
        select new.id, new.finished_at, new.error ->> 'class' where new.status = 'failed') failure on true
  on conflict (definition_id) do update
     set (run_id, run_status, run_requested_at, run_finished_at, run_duration_ms) = (
           select * from (values (k.run_id, k.run_status, k.run_requested_at, k.run_finished_at, k.run_duration_ms),
             (excluded.run_id, excluded.run_status, excluded.run_requested_at, excluded.run_finished_at, excluded.run_duration_ms)) x(id, a, b, at, c)
            order by x.at desc nulls last, x.id desc limit 1),
         (success_id, success_finished_at, success_as_of, success_held_back_by, success_filled, rows_before, rows_after) = (
           select * from (values (k.success_id, k.success_finished_at, k.success_as_of, k.success_held_back_by, k.success_filled, k.rows_before, k.rows_after),
             (excluded.success_id, excluded.success_finished_at, excluded.success_as_of, excluded.success_held_back_by, excluded.success_filled, excluded.rows_before, excluded.rows_after)) x(id, at)
            order by x.at desc nulls last, x.id desc limit 1),
         (proof_id, proof_finished_at, proof_as_of, proof_held_back_by) = (
           select * from (values (k.proof_id, k.proof_finished_at, k.proof_as_of, k.proof_held_back_by),
             (excluded.proof_id, excluded.proof_finished_at, excluded.proof_as_of, excluded.proof_held_back_by)) x(id, at)
            order by x.at desc nulls last, x.id desc limit 1),
         (failure_id, failure_finished_at, failure_class) = (
           select * from (values (k.failure_id, k.failure_finished_at, k.failure_class),
             (excluded.failure_id, excluded.failure_finished_at, excluded.failure_class)) x(id, at)
            order by x.at desc nulls last, x.id desc limit 1);
  return null;
end $$;

-- After runs were removed: a row that names one of them is written anew.
create function viewkeeper.forget_last_ends() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  gone integer[];
begin
  select array_agg(distinct k.definition_id) into gone
    from viewkeeper.last_ends k cross join lateral unnest(array[k.run_id, k.success_id, k.proof_id, k.failure_id]) named(id)
   where named.id is not null and not exists (select from viewkeeper.runs r where r.id = named.id);
  if gone is not null then
    perform viewkeeper.find_last_ends(gone);
  end if;
  return null;
end $$;
revoke execute on function viewkeeper.keep_last_end(), viewkeeper.forget_last_ends() from public;

create trigger keep_last_end after insert on viewkeeper.runs for each row
  when (new.published_at is not null and new.finished_at is not null and new.definition_id is not null)
  execute function viewkeeper.keep_last_end();
create trigger keep_changed_end after update of published_at, definition_id, status, finished_at, fills, as_of, row_count_after on viewkeeper.runs for each row
  when (new.published_at is not null and new.finished_at is not null and new.definition_id is not null
        and (old.published_at is null or (old.definition_id, old.status, old.finished_at, old.fills, old.as_of, old.row_count_after)
             is distinct from (new.definition_id, new.status, new.finished_at, new.fills, new.as_of, new.row_count_after)))
  execute function viewkeeper.keep_last_end();
-- A prune removes no run that is named here, and says so: to look whether all are still there takes longer than its removals.
create trigger forget_last_ends after delete on viewkeeper.runs for each statement
  when (current_setting('viewkeeper.spares_last_ends', true) is distinct from 'on')
  execute function viewkeeper.forget_last_ends();
create trigger forget_all_ends after truncate on viewkeeper.runs for each statement execute function viewkeeper.forget_last_ends();

select viewkeeper.find_last_ends(array(select d.id from viewkeeper.definitions d));
analyze viewkeeper.last_ends;

-- What has ended last, of each view: of what is kept, and of what has not ended or is not published.
--
-- As before, the last run is one that has not ended, or else the one that ended last. Nobody knows how old the data are if the view is
-- not what its last success has filled. The age is compared with the limit of the view.
create or replace view viewkeeper.latest_runs as
  with server as materialized (
    select format('%s/%s', s.system_identifier, d.oid) as id
      from pg_catalog.pg_control_system() s, pg_catalog.pg_database d where d.datname = current_database()),
  new as materialized (
    select r.definition_id, r.id, r.status, r.requested_at, r.finished_at, r.duration_ms, r.fills, r.row_count_before, r.row_count_after,
           r.as_of, r.held_back_by, r.filled, viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at) as unneeded, r.error ->> 'class' as class
      from viewkeeper.runs r where r.status in ('pending', 'running', 'built') or r.finished_at is not null and r.published_at is null),
  new_ends as materialized (
    select run.definition_id, run.id as run_id, run.status as run_status, run.requested_at as run_requested_at,
           run.finished_at as run_finished_at, run.duration_ms as run_duration_ms,
           success.id as success_id, success.finished_at as success_finished_at, success.as_of as success_as_of,
           success.held_back_by as success_held_back_by, success.filled as success_filled,
           success.row_count_before as rows_before, success.row_count_after as rows_after,
           proof.id as proof_id, proof.finished_at as proof_finished_at, proof.as_of as proof_as_of, proof.held_back_by as proof_held_back_by,
           failure.id as failure_id, failure.finished_at as failure_finished_at, failure.class as failure_class
      from (select distinct on (definition_id) * from new order by definition_id, finished_at desc nulls first, id desc) run
      left join (select distinct on (definition_id) * from new where status = 'success' and fills
                  order by definition_id, finished_at desc, id desc) success using (definition_id)
      left join (select distinct on (definition_id) * from new where unneeded
                  order by definition_id, finished_at desc, id desc) proof using (definition_id)
      left join (select distinct on (definition_id) * from new where status = 'failed'
                  order by definition_id, finished_at desc, id desc) failure using (definition_id))
  select d.id as definition_id,
         case when run.is_new then n.run_id else k.run_id end as last_run_id,
         case when run.is_new then n.run_status else k.run_status end as last_status,
         case when run.is_new then n.run_requested_at else k.run_requested_at end as last_requested_at,
         case when run.is_new then n.run_finished_at else k.run_finished_at end as last_finished_at,
         case when run.is_new then n.run_duration_ms else k.run_duration_ms end as last_duration_ms,
         case when success.is_new then n.success_id else k.success_id end as last_success_id,
         success.at as last_success_at,
         case when success.is_new then n.rows_before else k.rows_before end as row_count_before,
         case when success.is_new then n.rows_after else k.rows_after end as row_count_after,
         clock_timestamp() - coalesce(data.as_of, success.at, d.created_at) as staleness,
         make_interval(secs => least(age_limit.seconds, d.promised_lag_seconds)) as max_staleness,
         d.paused_at is null and coalesce(expected.seconds > d.promised_lag_seconds + 60 or case
           when d.max_staleness_seconds is null and coalesce(expected.seconds <= d.scheduled_interval_seconds + 3600, true) then false
           else expected.seconds > age_limit.seconds end, false) as stale,
         present.oid is null as missing,
         data.as_of, data.held_back_by,
         case when failure.is_new then n.failure_id else k.failure_id end as last_failure_id,
         greatest(n.failure_finished_at, k.failure_finished_at) as last_failure_at,
         case when failure.is_new then n.failure_class else k.failure_class end as last_failure_class
    from viewkeeper.definitions d
    left join viewkeeper.last_ends k on k.definition_id = d.id
    left join new_ends n on n.definition_id = d.id
    left join (
      select c.oid, c.relfilenode, n.nspname::text as schema_name, c.relname::text as name
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'm') present using (schema_name, name)
   cross join server
   cross join lateral (select
     n.run_id is not null and (n.run_finished_at is null or k.run_id is null or (n.run_finished_at, n.run_id) > (k.run_finished_at, k.run_id)) as is_new) run
   cross join lateral (select
     n.success_id is not null and (k.success_id is null or (n.success_finished_at, n.success_id) > (k.success_finished_at, k.success_id)) as is_new,
     greatest(n.success_finished_at, k.success_finished_at) as at) success
   cross join lateral (select
     n.proof_id is not null and (k.proof_id is null or (n.proof_finished_at, n.proof_id) > (k.proof_finished_at, k.proof_id)) as is_new,
     greatest(n.proof_finished_at, k.proof_finished_at) > success.at as is_later) proof
   cross join lateral (select
     n.failure_id is not null and (k.failure_id is null or (n.failure_finished_at, n.failure_id) > (k.failure_finished_at, k.failure_id)) as is_new) failure
   cross join lateral (select
     coalesce(case when success.is_new then n.success_filled else k.success_filled end
              = format('%s %s %s', server.id, present.oid, present.relfilenode), false) as is_there) filled
   cross join lateral (select
     case when not filled.is_there then null
          when proof.is_later then case when proof.is_new then n.proof_as_of else k.proof_as_of end
          when success.is_new then n.success_as_of else k.success_as_of end as as_of,
     case when not filled.is_there then null
          when proof.is_later then case when proof.is_new then n.proof_held_back_by else k.proof_held_back_by end
          when success.is_new then n.success_held_back_by else k.success_held_back_by end as held_back_by
     -- Otherwise each use of these columns computes them again.
     offset 0) data
   cross join lateral (
     select extract(epoch from clock_timestamp() - greatest(coalesce(data.as_of, success.at), d.expected_since)) as seconds) expected
   cross join lateral (
     select coalesce(d.max_staleness_seconds, d.scheduled_interval_seconds + greatest(3600,
              2 * (select usual.ms from viewkeeper.usual_duration(d.id) usual) / 1000)) as seconds) age_limit
   where d.removed_at is null and (d.source = 'authored' or present.oid is not null or exists (
           select from viewkeeper.set_aside a where a.kind = 'view' and a.item #>> '{live,view,schema}' = d.schema_name
              and a.item #>> '{live,view,name}' = d.name));

create or replace view viewkeeper.view_status as
  with yesterday as materialized (
    select since.at, viewkeeper.first_run_since(since.at) as id from (select clock_timestamp() - interval '24 hours') since(at))
  select d.id, d.schema_name, d.name, format('%I.%I', d.schema_name, d.name) as view, d.source, d.paused_at,
         d.schedule, d.time_zone, latest.missing, latest.stale, latest.staleness, latest.max_staleness,
         latest.last_run_id, latest.last_status, latest.last_success_id, latest.last_success_at,
         latest.row_count_before, latest.row_count_after, latest.last_failure_id, latest.last_failure_at, latest.last_failure_class,
         case when coalesce(latest.last_failure_at < yesterday.at, true) then 0 else (
           select count(*) from viewkeeper.runs r
            where r.definition_id = d.id and r.status = 'failed' and r.finished_at >= yesterday.at and r.id >= yesterday.id) end as failed_last_day,
         latest.as_of, latest.held_back_by
    from viewkeeper.definitions d
    join viewkeeper.latest_runs latest on latest.definition_id = d.id
   cross join yesterday;

-- The runs of a time, as the pages of the table have them: also those with an id of another time, which a put-back writes. `+ 0`: a
-- query that says so reads the ids from this index, and not from the primary key, where it would read all later runs.
create index runs_of_time on viewkeeper.runs using brin (requested_at, (id + 0));
drop index viewkeeper.runs_requested;

-- As before; but the runs of a view are read only if it was scanned after its last success.
create or replace function viewkeeper.note_reads() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    return;
  end if;
  if current_setting('track_counts') <> 'on' then
    update viewkeeper.definitions set reads_noted_since = null where reads_noted_since is not null;
    return;
  end if;
  -- Once a day is enough to know of a reader: so the views that are read cost nothing here.
  with scanned as materialized (
    select d.id, d.reads_noted_since, greatest(pg_stat_get_lastscan(c.oid), (
             select max(pg_stat_get_lastscan(i.indexrelid)) from pg_index i where i.indrelid = c.oid)) as at
      from viewkeeper.definitions d
      join pg_namespace n on n.nspname = d.schema_name
      join pg_class c on c.relnamespace = n.oid and c.relname = d.name and c.relkind = 'm'
     where d.removed_at is null and (d.last_read_at > clock_timestamp() - interval '1 day') is not true),
  found as materialized (
    select s.id, case when s.at > last.at + interval '10 s' then s.at end as read_at
      from scanned s
     cross join lateral (
       select coalesce(max(case when r.finished_at is null or r.batch_id is not null and b.finished_at is null then 'infinity'
                                else greatest(r.finished_at, b.finished_at) end), '-infinity') as at
         from (select r.finished_at, r.batch_id from viewkeeper.runs r where r.definition_id = s.id and r.status <> 'skipped' order by r.id desc limit 5) r
         left join viewkeeper.batches b on b.id = r.batch_id) last
     where (s.reads_noted_since is null or s.at is not null and s.at > interval '10 s' + coalesce((
             select r.finished_at from viewkeeper.runs r where r.definition_id = s.id and r.status = 'success' order by r.id desc limit 1), '-infinity'))
       and (s.reads_noted_since is null or s.at > last.at + interval '10 s')),
  locked as (
    select d.id from viewkeeper.definitions d where d.id in (select f.id from found f) order by d.id for no key update skip locked)
  update viewkeeper.definitions d
     set last_read_at = greatest(f.read_at, d.last_read_at), reads_noted_since = coalesce(d.reads_noted_since, clock_timestamp())
    from found f join locked using (id)
   where d.id = f.id;
end $$;
