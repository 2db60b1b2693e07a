-- A refresh of several views in dependency order. All its state is here and in its runs: whoever advances it may die.
-- The serial is for advisory lock keys, which are four bytes long.
create table viewkeeper.batches (
  id text primary key
    default to_char(clock_timestamp() at time zone 'utc', 'YYYYMMDD-HH24MISS-') || left(gen_random_uuid()::text, 8)
    check (id ~ '^[0-9A-Za-z_-]{1,80}$'),
  serial integer not null unique generated always as identity,
  status text not null default 'pending'
    check (status in ('pending', 'running', 'success', 'failed', 'canceled', 'skipped')),
  trigger text not null check (trigger in ('schedule', 'http', 'cli', 'deploy', 'batch')),
  requested_by text not null default '',
  caller text not null default '',
  idempotency_key text,
  request jsonb not null default '{}',
  selection jsonb not null,
  strategy text check (strategy in ('auto', 'regular', 'concurrent', 'swap')),
  concurrency integer not null default 2 check (concurrency between 1 and 64),
  cancel_requested_at timestamptz,
  requested_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  advanced_at timestamptz,
  finished_at timestamptz,
  error jsonb,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  check ((status in ('pending', 'running')) = (finished_at is null)),
  check ((status in ('failed', 'canceled', 'skipped')) <= (error is not null))
);

-- One open batch for the same selection at a time. Hashed, because an entry of an index has to be short.
create unique index batches_one_open_per_selection on viewkeeper.batches (md5(selection::text))
  where status in ('pending', 'running');
create unique index batches_idempotency_key on viewkeeper.batches (trigger, caller, idempotency_key)
  where idempotency_key is not null;
create index batches_latest on viewkeeper.batches (serial desc);

-- The views of a batch and what each waits for, as they were when the batch was made.
create table viewkeeper.batch_views (
  batch_id text not null references viewkeeper.batches on delete cascade,
  definition_id integer not null references viewkeeper.definitions on delete cascade,
  position integer not null,
  schema_name text not null,
  view_name text not null,
  parents integer[] not null default '{}',
  retries integer not null default 1 check (retries >= 0),
  retry_delay_seconds integer not null default 300 check (retry_delay_seconds >= 0),
  estimate_ms bigint not null,
  remaining_ms bigint not null,
  primary key (batch_id, definition_id)
);

-- Not validated: until now nothing wrote this column. A view has one run for each attempt, whoever advances the batch.
alter table viewkeeper.runs add constraint runs_batch_id_fkey
  foreign key (batch_id) references viewkeeper.batches on delete set null not valid;
create unique index runs_one_per_attempt on viewkeeper.runs (batch_id, definition_id, attempt) where batch_id is not null;

-- What changes without a deploy.
create table viewkeeper.switches (
  key text primary key,
  value jsonb not null,
  updated_at timestamptz not null default clock_timestamp()
);

comment on table viewkeeper.batches is 'A refresh of several materialized views in dependency order.';
comment on table viewkeeper.batch_views is 'The views of a batch, what each waits for, and how it is tried again.';
comment on table viewkeeper.switches is 'What changes without a deploy. Key paused: since when nothing scheduled starts, and who said so.';
comment on column viewkeeper.batches.selection is 'Which views were asked for, in one way of writing it: equal selections are the same.';
comment on column viewkeeper.batches.serial is 'For the keys of the advisory locks that are the slots of this batch.';
comment on column viewkeeper.batches.advanced_at is 'When somebody last advanced it. Old, and none of its locks held: nobody does.';
comment on column viewkeeper.batch_views.position is 'Parents come before their children, and what starts the longest way to the end before the rest.';
comment on column viewkeeper.batch_views.parents is 'Definitions of the views that have to succeed, or be left out as paused, before.';
comment on column viewkeeper.batch_views.remaining_ms is 'The longest way from here to the end of the batch, by history: the longest goes first.';
