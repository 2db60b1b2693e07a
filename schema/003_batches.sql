-- All state of a batch is in its row and its runs, so its advancer may die.
create table viewkeeper.batches (
  id text primary key
    default to_char(clock_timestamp() at time zone 'utc', 'YYYYMMDD-HH24MISS-') || left(gen_random_uuid()::text, 8)
    check (id ~ '^[0-9A-Za-z_-]{1,80}$'),
  serial integer not null unique generated always as identity, -- counts the batches, oldest first
  status text not null default 'pending'
    check (status in ('pending', 'running', 'success', 'failed', 'canceled', 'skipped')),
  trigger text not null check (trigger in ('schedule', 'http', 'cli', 'deploy', 'batch', 'program')),
  requested_by text not null default '',
  caller text not null default '', -- as in runs
  idempotency_key text,
  request jsonb not null default '{}',
  selection jsonb not null, -- the views that were requested, in one canonical form: equal selections are equal values
  strategy text check (strategy in ('auto', 'regular', 'concurrent', 'swap')), -- null: that of each view
  concurrency integer not null default 2 check (concurrency between 1 and 64),
  -- together: views that read each other are exchanged at one moment. each: each view when it is ready.
  exchange text not null default 'together' check (exchange in ('together', 'each')),
  max_shadow_bytes bigint, -- groups whose shadows would take more room are refreshed each by itself; null: no limit
  grouped_at timestamptz, -- when it was decided on the last view with which others it is exchanged
  -- The views whose turn to be grouped has not come: lists of ids of definitions, each of views that read each other, most urgent first. Null: nobody
  -- has looked yet.
  pieces jsonb,
  refreshed_each jsonb not null default '[]', -- views that read each other but are not exchanged together, each with the reason
  locked jsonb not null default '[]', -- views that wait because somebody has locked one of their group: {view, because, since}
  refused text, -- what the server says to the connections for runs that it does not let in; null: it lets all in
  cancel_requested_at timestamptz,
  requested_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  advanced_at timestamptz, -- when somebody last advanced the batch; one that nobody has advanced for long is lost
  finished_at timestamptz,
  error jsonb,
  published_at timestamptz, -- when the monitor published its end
  announced_at timestamptz, -- when the batch became an event for programs; -infinity: programs are not told of it
  check ((status in ('pending', 'running')) = (finished_at is null)),
  check ((status in ('failed', 'canceled', 'skipped')) <= (error is not null))
);
comment on table viewkeeper.batches is 'A refresh of several materialized views in dependency order.';

-- One open batch for the same selection at a time. The selection is hashed, because an index entry has to be short.
create unique index batches_one_open_per_selection on viewkeeper.batches (md5(selection::text))
  where status in ('pending', 'running');
create unique index batches_idempotency_key on viewkeeper.batches (trigger, caller, idempotency_key)
  where idempotency_key is not null;
create index batches_unpublished on viewkeeper.batches (serial) where finished_at is not null and published_at is null;
create index batches_unannounced on viewkeeper.batches (serial) where finished_at is not null and announced_at is null;

create trigger note_action after insert on viewkeeper.batches for each row
  when (new.trigger in ('http', 'program')
        and (new.request ? 'retryOf' or new.request ? 'failed' or new.request ->> 'withoutChecks' = 'true'))
  execute function viewkeeper.note_action();

-- As the definitions were when the batch was made. A batch also rebuilds views that it was not to refresh, if what they read could not be exchanged
-- without them.
create table viewkeeper.batch_views (
  batch_id text not null references viewkeeper.batches on delete cascade,
  definition_id integer not null references viewkeeper.definitions on delete cascade,
  position integer not null, -- parents come before their children; then the view with the longest remaining time comes first
  schema_name text not null,
  view_name text not null,
  parents integer[] not null default '{}', -- definitions that have to succeed, or be left out as paused, before this view starts
  retries integer not null default 1 check (retries >= 0),
  retry_delay_seconds integer not null default 300 check (retry_delay_seconds >= 0),
  estimate_ms bigint not null,
  remaining_ms bigint not null, -- the longest time from the start of this view to the end of the batch, by history
  included_because text, -- why the batch rebuilds the view although it was not to refresh it; null: it was
  primary key (batch_id, definition_id)
);
comment on table viewkeeper.batch_views is 'The views of a batch: what each view waits for, and how its refresh is retried.';

-- Views of a batch that read each other: their shadows are built by one run each, and exchanged at one moment. Groups are formed piece by piece, when
-- their turn comes. Views that are refreshed within some milliseconds are refreshed where they are, in one transaction.
create table viewkeeper.batch_groups (
  batch_id text not null references viewkeeper.batches on delete cascade,
  number integer not null,
  members integer[] not null, -- definitions
  shadow_bytes bigint not null, -- how much room the shadows take on disk, by the sizes of the views
  -- The views and all that hangs on them, as they were when the empty shadows were made; null: they are refreshed where they are.
  facts jsonb,
  given_up jsonb, -- why the shadows were dropped: {class, message}; the views are then refreshed in place
  primary key (batch_id, number)
);
comment on table viewkeeper.batch_groups is 'Views of a batch whose new data appear at one moment.';
