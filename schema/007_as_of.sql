-- How old the data of a view are. `as_of` is the moment of the snapshot that the query saw, or the oldest `as_of` of the views
-- that the query read, if that is older. Null: nobody knows.
alter table viewkeeper.runs
  add column as_of timestamptz,
  add column held_back_by text,
  add column filled text;
comment on column viewkeeper.runs.as_of is 'The moment whose data the run has put into the view, or into its twin if it was built: that of its snapshot, or the oldest as_of of the views that it read. Skipped: as of when the data are although nothing was refreshed. Null: not known.';
comment on column viewkeeper.runs.held_back_by is 'The view whose data are the oldest in this view, or whose age nobody knows. Null: no view that it read is older than the snapshot.';
comment on column viewkeeper.runs.filled is 'What the run has filled: server, OID and file of the view. If the view is another one by now, somebody else has filled it.';

-- What identifies the data that a regular refresh, a swap or a create has put into a view.
create function viewkeeper.filling(relation oid) returns text
language sql stable
begin atomic
  select format('%s %s %s', s.system_identifier, c.oid, c.relfilenode)
    from pg_catalog.pg_class c, pg_catalog.pg_control_system() s where c.oid = relation;
end;

-- Whether a run was left out because it would have changed nothing: then its as_of says how old the data of the view are.
create function viewkeeper.is_unneeded(status text, as_of timestamptz, error jsonb, built_at timestamptz) returns boolean
language sql immutable
begin atomic
  select status = 'skipped' and as_of is not null and error is null and built_at is null;
end;

-- The run that has filled a view last, if any. A run may end after later ones, above all if its twin waits for an exchange; so
-- the ends of the last 20 successes are compared, which takes a look at one piece of the index.
create function viewkeeper.last_success(of_definition integer) returns setof bigint
language sql stable rows 1
begin atomic
  select few.id from (
    select r.id, r.finished_at from viewkeeper.runs r
     where r.definition_id = of_definition and r.status = 'success' and r.fills order by r.id desc limit 20) few
   order by few.finished_at desc, few.id desc limit 1;
end;

-- How old the data will be with which a materialized view, or its twin, is about to be filled: {asOf, heldBackBy}. Called
-- before the query's snapshot is taken, so the query sees nothing older. `known` says the same of what this transaction has
-- filled, by OID; `of_batch` is the batch whose built twins the query may read.
create function viewkeeper.seen(relation oid, of_schema text, of_name text, known jsonb default '{}', of_batch text default null)
returns jsonb
language sql volatile
begin atomic
  with recursive reads(class, id) as (
    select 'pg_catalog.pg_class'::regclass::oid, relation
    union
    -- What the definition declares, because the catalog does not know what a function with a string body reads.
    select 'pg_catalog.pg_class'::regclass::oid, c.oid
      from viewkeeper.definitions d, pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where d.schema_name = of_schema and d.name = of_name and d.removed_at is null and d.depends_on <> '{}' and c.relkind in ('m', 'v')
       and d.depends_on || lower(d.depends_on::text)::text[] && (array[format('%I.%I', n.nspname, c.relname), n.nspname || '.' || c.relname]
             || case when n.nspname = d.schema_name then array[format('%I', c.relname), c.relname::text] end)
    union
    select e.class, e.id
      from reads r
     cross join lateral (
       select d.refclassid as class, d.refobjid as id
         from pg_catalog.pg_rewrite w
         join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
        where r.class = 'pg_catalog.pg_class'::regclass and w.ev_class = r.id and w.rulename = '_RETURN'
       union all
       select d.refclassid, d.refobjid from pg_catalog.pg_depend d
        where r.class = 'pg_catalog.pg_proc'::regclass and d.classid = r.class and d.objid = r.id) e
     where e.class in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
       and (r.id = relation or r.class <> 'pg_catalog.pg_class'::regclass
            or not exists (select from pg_catalog.pg_class m where m.oid = r.id and m.relkind = 'm'))),
  parents as (
    select coalesce(found.view, format('%I.%I', n.nspname, c.relname)) as view, found.as_of, found.held_back_by
      from reads
      join pg_catalog.pg_class c on c.oid = reads.id and c.relkind = 'm' and c.oid <> relation
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join lateral (
        select (known #>> array[c.oid::text, 'asOf'])::timestamptz as as_of, known #>> array[c.oid::text, 'heldBackBy'] as held_back_by,
               format('%I.%I', known #>> array[c.oid::text, 'view', '0'], known #>> array[c.oid::text, 'view', '1']) as view
         where known ? c.oid::text
        union all
        select r.as_of, r.held_back_by, format('%I.%I', r.schema_name, r.view_name) from viewkeeper.runs r
         where r.batch_id = of_batch and r.status = 'built' and r.filled = viewkeeper.filling(c.oid)
        union all
        select last.as_of, last.held_back_by, null from viewkeeper.definitions d
         cross join viewkeeper.last_success(d.id) filler(id)
          join viewkeeper.runs success on success.id = filler.id
         cross join lateral (
           select r.as_of, r.held_back_by from viewkeeper.runs r
            where r.definition_id = d.id and r.id >= success.id
              and (r.id = success.id or r.finished_at > success.finished_at and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at))
            order by r.id desc limit 1) last
         where d.schema_name = n.nspname and d.name = c.relname and success.filled = viewkeeper.filling(c.oid)
         limit 1) found on true
     where reads.class = 'pg_catalog.pg_class'::regclass),
  oldest as (
    select p.as_of, coalesce(p.held_back_by, p.view) as view from parents p order by p.as_of nulls first limit 1),
  own as (
    select clock_timestamp() as as_of)
  select jsonb_build_object(
           'asOf', case when o.view is null or o.as_of > own.as_of then own.as_of else o.as_of end,
           'heldBackBy', case when o.as_of < own.as_of or o.as_of is null then o.view end)
    from own left join oldest o on true;
end;

create or replace view viewkeeper.latest_runs as
  with server as materialized (select s.system_identifier::text as id from pg_catalog.pg_control_system() s),
  newest as materialized (
    select r.definition_id, r.id, r.status, r.requested_at, r.finished_at, r.duration_ms, r.fills,
           r.row_count_before, r.row_count_after, r.as_of, r.held_back_by, r.filled, viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at) as unneeded
      from viewkeeper.runs r order by r.id desc limit 2000),
  newest_run as (
    select distinct on (definition_id) * from newest order by definition_id, id desc),
  newest_success as (
    select distinct on (definition_id) * from newest where status = 'success' and fills order by definition_id, finished_at desc, id desc),
  newest_proof as (
    select distinct on (definition_id) * from newest where unneeded order by definition_id, finished_at desc, id desc)
  select d.id as definition_id,
         coalesce(newest_run.id, older_run.id) as last_run_id,
         coalesce(newest_run.status, older_run.status) as last_status,
         coalesce(newest_run.requested_at, older_run.requested_at) as last_requested_at,
         case when newest_run.id is null then older_run.duration_ms else newest_run.duration_ms end as last_duration_ms,
         coalesce(newest_success.id, older_success.id) as last_success_id,
         success.at as last_success_at,
         case when newest_success.id is null then older_success.row_count_before else newest_success.row_count_before end as row_count_before,
         case when newest_success.id is null then older_success.row_count_after else newest_success.row_count_after end as row_count_after,
         clock_timestamp() - coalesce(data.as_of, success.at, d.created_at) as staleness,
         make_interval(secs => age_limit.seconds) as max_staleness,
         d.paused_at is null and case
           when d.max_staleness_seconds is null and coalesce(expected.seconds <= d.scheduled_interval_seconds + 3600, true) then false
           else expected.seconds > age_limit.seconds end as stale,
         present.oid is null as missing,
         data.as_of, data.held_back_by
    from viewkeeper.definitions d
    left join newest_run on newest_run.definition_id = d.id
    left join newest_success on newest_success.definition_id = d.id
    left join newest_proof on newest_proof.definition_id = d.id
    left join lateral (
      select r.id, r.status, r.requested_at, r.duration_ms from viewkeeper.runs r
       where newest_run.id is null and r.definition_id = d.id order by r.id desc limit 1) older_run on true
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
   where d.removed_at is null and (d.source = 'authored' or present.oid is not null);
comment on view viewkeeper.latest_runs is 'For each view the last run, the last success that made the view fresh, as of when its data are and which view holds them back, the age from which they are stale, and whether an authored view is missing in the database.';

create or replace view viewkeeper.view_status as
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
      select r.id, r.finished_at, r.error from viewkeeper.runs r
       where r.definition_id = d.id and r.status = 'failed' order by r.id desc limit 1) last_failure on true;

comment on function viewkeeper.is_unneeded is 'Whether a run was left out because it would have changed nothing.';
comment on function viewkeeper.last_success is 'The run that has filled a view last.';
comment on function viewkeeper.filling is 'What identifies the data in a view: server, OID and file.';
comment on function viewkeeper.seen is 'How old the data will be with which a view is about to be filled.';
