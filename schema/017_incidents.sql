-- What is not well, with its cause, since when, and what people were told of it. Whoever tells it reads it here.
drop table viewkeeper.troubles;
create table viewkeeper.incidents (
  subject text primary key,
  kinds text[] not null,
  opened_at timestamptz not null,
  changed_at timestamptz not null,
  resolved_at timestamptz,
  culprit text not null,
  cause jsonb not null,
  told_at timestamptz,
  told_cause text
);
comment on table viewkeeper.incidents is 'What the monitor finds not well, one row a view, batch or channel, and the last incident of what is well again.';
comment on column viewkeeper.incidents.subject is 'A view as people write it: app.sales; a function that was set aside with its arguments; batch and its id; a channel: mail ops@example.com.';
comment on column viewkeeper.incidents.kinds is 'What is wrong: failing, stale, missing, lag, suspended, aside, paused, batch, channel.';
comment on column viewkeeper.incidents.opened_at is 'When the monitor first saw it, since it was last well.';
comment on column viewkeeper.incidents.changed_at is 'When its kinds or its cause last changed.';
comment on column viewkeeper.incidents.resolved_at is 'When the monitor found it well again. Null: the incident is open.';
comment on column viewkeeper.incidents.culprit is 'What has to be mended: this view, one that it reads, a batch, a session.';
comment on column viewkeeper.incidents.cause is 'Why, as viewkeeper why says it: code, text, next, view, runId, batchId, error. No row data.';
comment on column viewkeeper.incidents.told_at is 'When a message last told of it.';
comment on column viewkeeper.incidents.told_cause is 'Which cause people know. Null: they know nothing of it, or know that it is resolved.';

-- Messages for people wait with the events for programs.
delete from viewkeeper.events where type like 'Trouble%';
alter table viewkeeper.events drop constraint events_type_check;
alter table viewkeeper.events add constraint events_type_check
  check (type in ('ViewRefreshed', 'ViewFailed', 'BatchEnded', 'IncidentOpened', 'IncidentChanged', 'IncidentResolved', 'Message'));
comment on table viewkeeper.events is 'Events for programs and messages for people that wait for their sender, oldest first.';

drop index viewkeeper.batches_unnoticed;
alter table viewkeeper.batches drop column noticed_at;
delete from viewkeeper.switches where key = 'notice';
comment on table viewkeeper.switches is 'What changes without a deploy. Key paused: since when nothing scheduled starts, and who paused it. Key monitored: since when the ends of runs and batches are published. Key looked: when the monitor last looked, and since when after an absence. Key noted: when what was read that was noted last. Key events: who is sending events and messages, and until when. Keys leader and migrating: the session that leads the copies of a process, and that migrates views.';

-- As before; but the runs are searched only if a view has an end in the future: with ten million of them that takes seconds.
create or replace function viewkeeper.mend_ends() returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
  at constant timestamptz := clock_timestamp();
  mended bigint;
begin
  if not exists (
    select from viewkeeper.last_ends k
     where greatest(k.run_finished_at, k.success_finished_at, k.proof_finished_at, k.failure_finished_at) > at) then
    return 0;
  end if;
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
