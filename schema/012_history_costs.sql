-- As before, with the moment from which the view is stale. Before that moment its age need not be looked at again. Without a limit in the
-- definition that is the earliest such moment, until it is over: only then the usual duration is read.
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
      select c.oid, c.relfilenode, n.nspname::text as schema_name, c.relname::text as name
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
         lateral (select coalesce(case when success.is_new then (n.success).filled else k.success_filled end = (
                    select format('%s/%s ', s.system_identifier, b.oid)
                      from pg_catalog.pg_control_system() s, pg_catalog.pg_database b where b.datname = current_database())
                  || present.oid || ' ' || present.relfilenode, false) as is_there) filled,
         -- Otherwise each use of these columns computes them again: hence offset 0.
         lateral (select success.at as success_at,
           case when not filled.is_there then null
                when proof.is_later then case when proof.is_new then (n.proof).as_of else k.proof_as_of end
                when success.is_new then (n.success).as_of else k.success_as_of end as as_of,
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

-- The failures of the last day, of all views in one look.
create index runs_failed_lately on viewkeeper.runs (finished_at) include (definition_id, requested_at) where status = 'failed';

create or replace view viewkeeper.view_status as
  select d.id, d.schema_name, d.name, format('%I.%I', d.schema_name, d.name) as view, d.source, d.paused_at,
         d.schedule, d.time_zone, latest.missing, latest.stale, latest.staleness, latest.max_staleness,
         latest.last_run_id, latest.last_status, latest.last_success_id, latest.last_success_at,
         latest.row_count_before, latest.row_count_after, latest.last_failure_id, latest.last_failure_at, latest.last_failure_class,
         coalesce(lately.failed, 0) as failed_last_day,
         latest.as_of, latest.held_back_by
    from viewkeeper.definitions d
    join viewkeeper.latest_runs latest on latest.definition_id = d.id
    left join (
      select r.definition_id, count(*) as failed from viewkeeper.runs r
       where r.status = 'failed' and r.finished_at >= statement_timestamp() - interval '24 hours'
         and r.requested_at >= statement_timestamp() - interval '24 hours'
       group by r.definition_id) lately on lately.definition_id = d.id;

-- A mark of all that the troubles of views follow from, besides the time: it stays the same as long as none of it is written. Null while
-- something goes on or waits: a run, a batch, a target lag, what is set aside, twins that a batch has left. `scans` stays the same as long
-- as nobody reads a view. With the owner's rights, so that a monitor needs no further one; neither tells what is in the record.
create function viewkeeper.glance(out mark text, out scans numeric)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
  select case when exists (select from viewkeeper.runs r where r.status in ('pending', 'running', 'built'))
      or exists (select from viewkeeper.runs r where r.finished_at is not null and r.published_at is null)
      or exists (select from viewkeeper.batches b where b.finished_at is null or b.published_at is null)
      or exists (select from viewkeeper.set_aside) or exists (select from pg_namespace n where n.nspname ~ '^viewkeeper_b[0-9]') then null
    else m.mark || ' ' || (select b.oid from pg_database b where b.datname = current_database()) || ' ' || (
      select case when not bool_or(d.removed_at is null and d.target_lag_seconds is not null) then sum(hash_record_extended(row(d.id, d.xmin, k.xmin), 0)) end
        from viewkeeper.definitions d left join viewkeeper.last_ends k on k.definition_id = d.id) end,
    m.scans + coalesce((select sum(hash_record_extended(row(i.indexrelid, pg_stat_get_numscans(i.indexrelid)), 0)) from pg_index i join pg_class c on c.oid = i.indrelid where c.relkind = 'm'), 0)
    from (select sum(hash_record_extended(row(c.oid, c.xmin, n.xmin), 0)) as mark, sum(hash_record_extended(row(c.oid, pg_stat_get_numscans(c.oid)), 0)) as scans
            from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'm') m;
end;
comment on function viewkeeper.glance is 'A mark of all that the troubles of views follow from besides the time, and one of what was read of views.';
comment on table viewkeeper.switches is 'What changes without a deploy. Key paused: since when nothing scheduled starts, and who paused it. Key monitored: since when the ends of runs and batches are published. Key looked: when the monitor last looked, since when after an absence, and a mark of what was read of views until then. Key judged: which troubles it found when it last judged the views, and until when they are the same if nothing is written. Key notice: which notice is being sent to people, and when notices last told of each kind of news. Key events: who is putting events on the bus, and until when.';
