-- What people asked for by hand: who, what, when, to what, and with which options. Refreshes without `force` are runs, and nothing more.
create table viewkeeper.actions (
  id bigint primary key generated always as identity,
  at timestamptz not null default clock_timestamp(),
  action text not null
    check (action in ('pause', 'resume', 'cancel', 'force', 'create', 'drop', 'retry', 'set-aside', 'put-back', 'alter', 'without-checks')),
  requested_by text not null default '',
  views jsonb not null default '[]',
  run_id bigint,
  batch_id text,
  request jsonb not null default '{}'
);

-- What a person asks for over HTTP, or a program that has the engine in it, is a run or a batch already, so its row makes the action. To show new data without their
-- checks is a deed, too. If a request does several deeds, its options tell of the others. The function has its owner's rights:
-- a login that may write runs needs no further right.
create function viewkeeper.note_action() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
-- Whoever may execute the function may make a trigger of it on a table of one's own, and so forge actions.
revoke execute on function viewkeeper.note_action() from public;
create trigger note_action after insert on viewkeeper.runs for each row
  when (new.trigger in ('http', 'program') and new.batch_id is null and new.group_run_id is null
        and (new.operation <> 'refresh' or new.meta #>> '{request,force}' = 'true' or new.meta #>> '{request,withoutChecks}' = 'true'))
  execute function viewkeeper.note_action();
create trigger note_action after insert on viewkeeper.batches for each row
  when (new.trigger in ('http', 'program')
        and (new.request ? 'retryOf' or new.request ? 'failed' or new.request ->> 'withoutChecks' = 'true'))
  execute function viewkeeper.note_action();

comment on table viewkeeper.actions is 'Who did what, each in the transaction of the request. The run or the batch tells how it ended.';
comment on column viewkeeper.actions.requested_by is 'The caller as IAM knows it; `token:` or `program:` and a name; the user of the operating system, if the deed was done locally or with a login of one''s own.';
comment on column viewkeeper.actions.views is 'The views by name. Empty: those of batch_id, everything that is scheduled (pause, resume), or none.';
comment on column viewkeeper.actions.request is 'The options of the deed.';
