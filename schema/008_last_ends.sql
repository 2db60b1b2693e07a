-- The last failure of each view in one look, however long its history is. A run may end after later ones: so the index is in the
-- order of the ends.
create index runs_failed_last on viewkeeper.runs (definition_id, finished_at desc, id desc) include (operation)
  where status = 'failed';
drop index viewkeeper.runs_failed;
-- The same of the refreshes that were skipped because another view failed. Most skipped refreshes have another reason.
create index runs_held_up on viewkeeper.runs (definition_id, finished_at desc, id desc)
  where status = 'skipped' and error ->> 'class' in ('UpstreamFailed', 'NotExchanged');

create or replace view viewkeeper.view_status as
  with yesterday as materialized (
    select since.at, viewkeeper.first_run_since(since.at) as id from (select clock_timestamp() - interval '24 hours') since(at))
  select d.id, d.schema_name, d.name, format('%I.%I', d.schema_name, d.name) as view, d.source, d.paused_at,
         d.schedule, d.time_zone, latest.missing, latest.stale, latest.staleness, latest.max_staleness,
         latest.last_run_id, latest.last_status, latest.last_success_id, latest.last_success_at,
         latest.row_count_before, latest.row_count_after,
         last_failure.id as last_failure_id, last_failure.finished_at as last_failure_at,
         last_failure.error ->> 'class' as last_failure_class,
         case when last_failure.finished_at < yesterday.at then 0 else (
           select count(*) from viewkeeper.runs r
            where r.definition_id = d.id and r.status = 'failed' and r.finished_at >= yesterday.at and r.id >= yesterday.id) end as failed_last_day,
         latest.as_of, latest.held_back_by
    from viewkeeper.definitions d
    join viewkeeper.latest_runs latest on latest.definition_id = d.id
   cross join yesterday
    left join lateral (
      select r.id, r.finished_at, r.error from viewkeeper.runs r
       where r.definition_id = d.id and r.status = 'failed' order by r.finished_at desc, r.id desc limit 1) last_failure on true;
