-- Each view's last run and last success. The newest runs of all are read in one piece first, for there most views have
-- both; only the others are looked up in their own history, of which each look is a walk through a large index.
create view viewkeeper.latest_runs as
  with newest as materialized (
    select r.definition_id, r.id, r.status, r.operation, r.finished_at, r.row_count_before, r.row_count_after
      from viewkeeper.runs r order by r.id desc limit 2000),
  newest_run as (
    select distinct on (definition_id) definition_id, id, status from newest order by definition_id, id desc),
  newest_success as (
    select distinct on (definition_id) definition_id, id, finished_at, row_count_before, row_count_after
      from newest where status = 'success' and operation <> 'drop' order by definition_id, id desc)
  select d.id as definition_id,
         coalesce(newest_run.id, older_run.id) as last_run_id,
         coalesce(newest_run.status, older_run.status) as last_status,
         coalesce(newest_success.id, older_success.id) as last_success_id,
         coalesce(newest_success.finished_at, older_success.finished_at) as last_success_at,
         case when newest_success.id is null then older_success.row_count_before else newest_success.row_count_before end as row_count_before,
         case when newest_success.id is null then older_success.row_count_after else newest_success.row_count_after end as row_count_after
    from viewkeeper.definitions d
    left join newest_run on newest_run.definition_id = d.id
    left join newest_success on newest_success.definition_id = d.id
    left join lateral (
      select r.id, r.status from viewkeeper.runs r
       where newest_run.id is null and r.definition_id = d.id order by r.id desc limit 1) older_run on true
    left join lateral (
      select r.id, r.finished_at, r.row_count_before, r.row_count_after from viewkeeper.runs r
       where newest_success.id is null and r.definition_id = d.id and r.status = 'success' and r.operation <> 'drop'
       order by r.id desc limit 1) older_success on true
   where d.removed_at is null;

create or replace view viewkeeper.view_status as
  with yesterday as materialized (select viewkeeper.first_run_since(clock_timestamp() - interval '24 hours') as id)
  select d.id, d.schema_name, d.name, format('%I.%I', d.schema_name, d.name) as view, d.source, d.paused_at,
         latest.last_run_id, latest.last_status, latest.last_success_id, latest.last_success_at,
         clock_timestamp() - coalesce(latest.last_success_at, d.created_at) as staleness,
         latest.row_count_before, latest.row_count_after,
         last_failure.id as last_failure_id, last_failure.finished_at as last_failure_at,
         last_failure.error ->> 'class' as last_failure_class,
         case when last_failure.id < yesterday.id then 0 else (
           select count(*) from viewkeeper.runs r
            where r.definition_id = d.id and r.status = 'failed' and r.id >= yesterday.id) end as failed_last_day
    from viewkeeper.definitions d
    join viewkeeper.latest_runs latest on latest.definition_id = d.id
   cross join yesterday
    left join lateral (
      select r.id, r.finished_at, r.error from viewkeeper.runs r
       where r.definition_id = d.id and r.status = 'failed' order by r.id desc limit 1) last_failure on true;

comment on view viewkeeper.latest_runs is 'The last run and the last success of each view.';
