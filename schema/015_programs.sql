-- A program that has the engine in it asks by the trigger `program`, as people do over HTTP: its deeds are actions, too, by its name.
alter table viewkeeper.runs drop constraint runs_trigger_check;
alter table viewkeeper.runs add constraint runs_trigger_check
  check (trigger in ('schedule', 'http', 'cli', 'deploy', 'batch', 'program'));
alter table viewkeeper.batches drop constraint batches_trigger_check;
alter table viewkeeper.batches add constraint batches_trigger_check
  check (trigger in ('schedule', 'http', 'cli', 'deploy', 'batch', 'program'));

create or replace trigger note_action after insert on viewkeeper.runs for each row
  when (new.trigger in ('http', 'program') and new.batch_id is null and new.group_run_id is null
        and (new.operation <> 'refresh' or new.meta #>> '{request,force}' = 'true' or new.meta #>> '{request,withoutChecks}' = 'true'))
  execute function viewkeeper.note_action();
create or replace trigger note_action after insert on viewkeeper.batches for each row
  when (new.trigger in ('http', 'program')
        and (new.request ? 'retryOf' or new.request ? 'failed' or new.request ->> 'withoutChecks' = 'true'))
  execute function viewkeeper.note_action();

comment on table viewkeeper.actions is 'Who did what, each in the transaction of the request. The run or the batch tells how it ended.';
comment on column viewkeeper.actions.requested_by is 'The caller as IAM knows it; `token:` or `program:` and a name; the user of the operating system, if the deed was done locally or with a login of one''s own.';

-- A refusal that a program got as the answer is no failure of the view, either.
do $$
declare
  before text := pg_get_viewdef('viewkeeper.freshness'::regclass);
  after text := replace(before, $w$ARRAY['http'::text, 'cli'::text]$w$, $w$ARRAY['http'::text, 'cli'::text, 'program'::text]$w$);
begin
  if after = before then raise 'viewkeeper.freshness does not tell refusals by their trigger'; end if;
  execute 'create or replace view viewkeeper.freshness with (security_barrier) as ' || after;
end $$;
