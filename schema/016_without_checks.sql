-- To show new data without their checks is a deed, too.
alter table viewkeeper.actions drop constraint actions_action_check, add constraint actions_action_check
  check (action in ('pause', 'resume', 'cancel', 'force', 'create', 'drop', 'retry', 'set-aside', 'put-back', 'around', 'without-checks'));

-- As in 013. If a request does several of these, its options tell of the others.
create or replace function viewkeeper.note_action() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_relid = 'viewkeeper.runs'::regclass then
    insert into viewkeeper.actions (at, action, requested_by, views, run_id, request)
    values (new.requested_at, case when new.meta #>> '{request,withoutChecks}' = 'true' then 'without-checks'
                                   when new.operation = 'refresh' then 'force' else new.operation end, new.requested_by,
            jsonb_build_array(format('%I.%I', new.schema_name, new.view_name)), new.id, new.meta -> 'request');
  elsif tg_relid = 'viewkeeper.batches'::regclass then
    insert into viewkeeper.actions (at, action, requested_by, batch_id, request)
    values (new.requested_at, case when new.request ->> 'withoutChecks' = 'true' then 'without-checks' else 'retry' end,
            new.requested_by, new.id, new.request);
  else
    raise insufficient_privilege using message = format('%s has no actions', tg_relid::regclass);
  end if;
  return null;
end $$;
create or replace trigger note_action after insert on viewkeeper.runs for each row
  when (new.trigger = 'http' and new.batch_id is null and new.group_run_id is null
        and (new.operation <> 'refresh' or new.meta #>> '{request,force}' = 'true' or new.meta #>> '{request,withoutChecks}' = 'true'))
  execute function viewkeeper.note_action();
create or replace trigger note_action after insert on viewkeeper.batches for each row
  when (new.trigger = 'http' and (new.request ? 'retryOf' or new.request ? 'failed' or new.request ->> 'withoutChecks' = 'true'))
  execute function viewkeeper.note_action();
