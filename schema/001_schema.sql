-- Schema viewkeeper: all that Viewkeeper knows. The files are read, and executed, in this order: what stands by itself (here), definitions, batches,
-- runs, how old data are, what queries reach, what the monitor finds, and what everybody may ask. Beside a column stands what its name does not say;
-- "null:" tells what null means there.

-- paused: since when nothing scheduled starts, and who paused it. quiet: from when until when nobody is told. monitored: since when the ends of runs and batches are published. looked: when the
-- monitor last looked, and since when after an absence. noted: when what was read that was noted last. parts: when what hangs on views was last
-- looked at. events: who is sending events and messages, and until when. due: whose turn it is to plan. leader and migrating: the session that leads
-- the copies of a process, and that migrates views.
create table viewkeeper.switches (
  key text primary key,
  value jsonb not null,
  updated_at timestamptz not null default clock_timestamp()
);
comment on table viewkeeper.switches is 'What changes without a deploy: what is paused, when the monitor last looked, and who sends, plans, leads and migrates.';

-- What people asked for by hand. Refreshes without `force` are runs, and nothing more.
create table viewkeeper.actions (
  id bigint primary key generated always as identity,
  at timestamptz not null default clock_timestamp(),
  action text not null
    check (action in ('pause', 'resume', 'quiet', 'cancel', 'force', 'create', 'drop', 'retry', 'set-aside', 'put-back', 'alter', 'without-checks')),
  -- The caller as IAM knows it; `token:` or `program:` and a name; the user of the operating system, if the deed was done locally or with a login of
  -- one's own.
  requested_by text not null default '',
  views jsonb not null default '[]', -- by name; empty: those of batch_id, everything that is scheduled (pause, resume), or none
  run_id bigint,
  batch_id text,
  request jsonb not null default '{}' -- the options of the deed
);
comment on table viewkeeper.actions is 'Who did what, each in the transaction of the request. The run or the batch tells how it ended.';

-- What a person asks for over HTTP, or a program that has the engine in it, is a run or a batch already, so triggers on these make the action. To
-- show new data without their checks is a deed, too. If a request does several deeds, its options tell of the others. The function has its owner's
-- rights: a login that may write runs needs no further right.
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

-- A row is written in the transaction of its change.
create table viewkeeper.migrations (
  number integer primary key check (number > 0),
  name text not null,
  checksum text not null, -- SHA-256 of both files, up and down: a migration that was edited afterwards is refused
  run_id bigint, -- the run that made the change, which may have been pruned; null: no run was needed
  applied_at timestamptz not null default clock_timestamp()
);
comment on table viewkeeper.migrations is 'The frozen migrations that this database has.';

-- What `viewkeeper set-aside` has dropped, so that another tool can alter a table below it, with all that `viewkeeper put-back` needs to make it
-- again. A row commits together with the drop of its view.
create table viewkeeper.set_aside (
  act bigint not null, -- counts the calls; what a later call has set aside is made again first: nothing of it reads what was gone already
  position integer not null, -- what is read comes before what reads it
  kind text not null check (kind in ('view', 'function')),
  name text not null, -- as people write it: app.sales; of a function with its arguments
  item jsonb not null, -- what the catalog said: the query, the columns, the indexes, the grants and all else; no rows of the view
  reading text[] not null, -- the relations whose readers were set aside
  set_aside_by name not null default session_user,
  set_aside_at timestamptz not null default clock_timestamp(),
  primary key (act, position),
  unique (kind, name)
);
comment on table viewkeeper.set_aside is 'Views and functions that were set aside, and that put-back makes again.';

-- Only who may act as the owner of the table, and thus as every owner of views, writes the rows. The argument says what others may not.
create function viewkeeper.insist_on_owner() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not pg_has_role(current_user, (select relowner from pg_class where oid = tg_relid), 'MEMBER') then
    raise insufficient_privilege using message = format('%I may not %s', current_user, tg_argv[0]);
  end if;
  return new;
end $$;
-- put-back executes what these rows say, with the rights of its login.
create trigger insist_on_setter before insert or update on viewkeeper.set_aside for each row execute function viewkeeper.insist_on_owner(
  'set views aside, only put them back: it may not act as the owner of schema viewkeeper');

-- The secret part of a token is 256 random bits, which nobody can guess from its digest: so a plain SHA-256 is enough, and a slow hash would only
-- slow down each request. Only the owner of the schema may read the table.
create table viewkeeper.tokens (
  id text primary key check (id ~ '^[0-9a-f]{16}$'), -- the part of the token that is no secret
  name text not null check (name ~ '^[ -~]{1,100}$'),
  may text not null check (may in ('read', 'refresh', 'operate', 'define')), -- each word allows what the ones before it allow
  digest bytea not null check (octet_length(digest) = 32), -- of the whole token
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  expires_at timestamptz, -- null: never
  last_used_at timestamptz, -- to the minute
  revoked_at timestamptz
);
comment on table viewkeeper.tokens is 'Tokens of people and programs that ask viewkeeper serve.';
-- The record names a token by its name.
create unique index tokens_name on viewkeeper.tokens (name) where revoked_at is null;
revoke all on viewkeeper.tokens from public;
