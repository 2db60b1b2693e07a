-- A refresh of several views in dependency order. All state of a batch is in its row and its runs, so its advancer may die.
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
  exchange text not null default 'together' check (exchange in ('together', 'each')),
  max_twin_bytes bigint,
  grouped_at timestamptz,
  refreshed_each jsonb not null default '[]',
  locked jsonb not null default '[]',
  cancel_requested_at timestamptz,
  requested_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  advanced_at timestamptz,
  finished_at timestamptz,
  error jsonb,
  published_at timestamptz,
  noticed_at timestamptz,
  announced_at timestamptz,
  updated_at timestamptz not null default clock_timestamp(),
  check ((status in ('pending', 'running')) = (finished_at is null)),
  check ((status in ('failed', 'canceled', 'skipped')) <= (error is not null))
);

-- One open batch for the same selection at a time. The selection is hashed, because an index entry has to be short.
create unique index batches_one_open_per_selection on viewkeeper.batches (md5(selection::text))
  where status in ('pending', 'running');
create unique index batches_idempotency_key on viewkeeper.batches (trigger, caller, idempotency_key)
  where idempotency_key is not null;
create index batches_unpublished on viewkeeper.batches (serial) where finished_at is not null and published_at is null;
create index batches_unnoticed on viewkeeper.batches (serial) where status in ('failed', 'canceled') and noticed_at is null;
create index batches_unannounced on viewkeeper.batches (serial) where finished_at is not null and announced_at is null;

-- The views of a batch and what each waits for, as they were when the batch was made. A batch also rebuilds views that it was
-- not to refresh, if what they read could not be exchanged without them.
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
  along text,
  primary key (batch_id, definition_id)
);

-- Views of a batch that read each other: their twins are built by one run each, and exchanged at one moment. `facts` is the
-- state of the catalog that the twins were made from.
create table viewkeeper.batch_groups (
  batch_id text not null references viewkeeper.batches on delete cascade,
  number integer not null,
  members integer[] not null,
  twin_bytes bigint not null,
  facts jsonb not null,
  given_up jsonb,
  primary key (batch_id, number)
);

comment on table viewkeeper.batches is 'A refresh of several materialized views in dependency order.';
comment on column viewkeeper.batches.serial is 'Counts the batches, oldest first.';
comment on column viewkeeper.batches.selection is 'The views that were requested, in one canonical form: equal selections are equal values.';
comment on column viewkeeper.batches.exchange is 'together: views that read each other are exchanged at one moment. each: each view when it is ready.';
comment on column viewkeeper.batches.max_twin_bytes is 'Groups whose twins would take more room are refreshed each by itself.';
comment on column viewkeeper.batches.grouped_at is 'When the groups of the batch were decided.';
comment on column viewkeeper.batches.locked is 'The views that wait because somebody has locked one that they are to be exchanged with: {view, because, since}.';
comment on column viewkeeper.batches.refreshed_each is 'The views that read each other but are not exchanged together, each with the reason.';
comment on column viewkeeper.batches.advanced_at is 'When somebody last advanced the batch. A batch that nobody has advanced for long is lost.';
comment on column viewkeeper.batches.noticed_at is 'When a notice has told people of this batch, if the batch failed or was canceled; -infinity: nobody had to be told.';
comment on column viewkeeper.batches.announced_at is 'When the batch became an event for programs; -infinity: programs are not told of it.';

comment on table viewkeeper.batch_views is 'The views of a batch: what each view waits for, and how its refresh is retried.';
comment on column viewkeeper.batch_views.position is 'Parents come before their children; then the view with the longest remaining time comes first.';
comment on column viewkeeper.batch_views.parents is 'Definitions of the views that have to succeed, or be left out as paused, before this view starts.';
comment on column viewkeeper.batch_views.remaining_ms is 'The longest time from the start of this view to the end of the batch, by history.';
comment on column viewkeeper.batch_views.along is 'Why the batch rebuilds the view although it was not to refresh it. Null: the batch was to refresh it.';

comment on table viewkeeper.batch_groups is 'Views of a batch whose twins are exchanged at one moment.';
comment on column viewkeeper.batch_groups.members is 'The definitions of the materialized views.';
comment on column viewkeeper.batch_groups.twin_bytes is 'How much room the twins take on disk, by the sizes of the views.';
comment on column viewkeeper.batch_groups.facts is 'The views and all that hangs on them, as they were when the empty twins were made.';
comment on column viewkeeper.batch_groups.given_up is 'Why the twins were dropped, as {class, message}. The views are then refreshed in place.';
