-- A refresh of several views in dependency order. All state of a batch is in its row and its runs, so its advancer may die.
create table viewkeeper.batches (
  id text primary key
    default to_char(clock_timestamp() at time zone 'utc', 'YYYYMMDD-HH24MISS-') || left(gen_random_uuid()::text, 8)
    check (id ~ '^[0-9A-Za-z_-]{1,80}$'),
  serial integer not null unique generated always as identity,
  status text not null default 'pending'
    check (status in ('pending', 'running', 'success', 'failed', 'canceled', 'skipped')),
  trigger text not null check (trigger in ('schedule', 'http', 'cli', 'deploy', 'batch', 'program')),
  requested_by text not null default '',
  caller text not null default '',
  idempotency_key text,
  request jsonb not null default '{}',
  selection jsonb not null,
  strategy text check (strategy in ('auto', 'regular', 'concurrent', 'swap')),
  concurrency integer not null default 2 check (concurrency between 1 and 64),
  exchange text not null default 'together' check (exchange in ('together', 'each')),
  max_shadow_bytes bigint,
  grouped_at timestamptz,
  pieces jsonb,
  refreshed_each jsonb not null default '[]',
  locked jsonb not null default '[]',
  refused text,
  cancel_requested_at timestamptz,
  requested_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  advanced_at timestamptz,
  finished_at timestamptz,
  error jsonb,
  published_at timestamptz,
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
  included_because text,
  primary key (batch_id, definition_id)
);

-- Views of a batch that read each other: their shadows are built by one run each, and exchanged at one moment. Groups are formed piece by
-- piece, when their turn comes. Views that are refreshed within some milliseconds are refreshed where they are, in one transaction.
create table viewkeeper.batch_groups (
  batch_id text not null references viewkeeper.batches on delete cascade,
  number integer not null,
  members integer[] not null,
  shadow_bytes bigint not null,
  facts jsonb,
  given_up jsonb,
  primary key (batch_id, number)
);

comment on table viewkeeper.batches is 'A refresh of several materialized views in dependency order.';
comment on column viewkeeper.batches.serial is 'Counts the batches, oldest first.';
comment on column viewkeeper.batches.selection is 'The views that were requested, in one canonical form: equal selections are equal values.';
comment on column viewkeeper.batches.exchange is 'together: views that read each other are exchanged at one moment. each: each view when it is ready.';
comment on column viewkeeper.batches.max_shadow_bytes is 'Groups whose shadows would take more room are refreshed each by itself.';
comment on column viewkeeper.batches.grouped_at is 'When it was decided on the last view with which others it is exchanged.';
comment on column viewkeeper.batches.pieces is 'The views whose turn to be grouped has not come: lists of ids of definitions, each of views that read each other, most urgent first. Null: nobody has looked yet.';
comment on column viewkeeper.batches.refused is 'What the server says to the connections for runs that it does not let in; null: it lets all in.';
comment on column viewkeeper.batches.locked is 'The views that wait because somebody has locked one that they are to be exchanged with: {view, because, since}.';
comment on column viewkeeper.batches.refreshed_each is 'The views that read each other but are not exchanged together, each with the reason.';
comment on column viewkeeper.batches.advanced_at is 'When somebody last advanced the batch. A batch that nobody has advanced for long is lost.';
comment on column viewkeeper.batches.announced_at is 'When the batch became an event for programs; -infinity: programs are not told of it.';

comment on table viewkeeper.batch_views is 'The views of a batch: what each view waits for, and how its refresh is retried.';
comment on column viewkeeper.batch_views.position is 'Parents come before their children; then the view with the longest remaining time comes first.';
comment on column viewkeeper.batch_views.parents is 'Definitions of the views that have to succeed, or be left out as paused, before this view starts.';
comment on column viewkeeper.batch_views.remaining_ms is 'The longest time from the start of this view to the end of the batch, by history.';
comment on column viewkeeper.batch_views.included_because is 'Why the batch rebuilds the view although it was not to refresh it. Null: the batch was to refresh it.';

comment on table viewkeeper.batch_groups is 'Views of a batch whose new data appear at one moment.';
comment on column viewkeeper.batch_groups.members is 'The definitions of the materialized views.';
comment on column viewkeeper.batch_groups.shadow_bytes is 'How much room the shadows take on disk, by the sizes of the views.';
comment on column viewkeeper.batch_groups.facts is 'The views and all that hangs on them, as they were when the empty shadows were made. Null: the views are refreshed where they are, in one transaction.';
comment on column viewkeeper.batch_groups.given_up is 'Why the shadows were dropped, as {class, message}. The views are then refreshed in place.';

-- One execution of one operation on one view. Every attempt is a new row; a row is never used twice.
-- A run may outlive the run that has led its group, so group_run_id is no foreign key: as one, it made each removal of a run look
-- for runs that it has led: 50 microseconds each, and pruning 30 times as slow.
create table viewkeeper.runs (
  id bigint generated always as identity primary key,
  definition_id integer references viewkeeper.definitions on delete set null,
  schema_name text not null,
  view_name text not null,
  batch_id text references viewkeeper.batches on delete set null,
  group_run_id bigint,
  operation text not null check (operation in ('create', 'refresh', 'drop')),
  status text not null default 'pending'
    check (status in ('pending', 'running', 'built', 'success', 'failed', 'canceled', 'skipped')),
  trigger text not null check (trigger in ('schedule', 'http', 'cli', 'deploy', 'batch', 'program')),
  requested_by text not null default '',
  caller text not null default '',
  attempt integer not null default 1 check (attempt > 0),
  idempotency_key text,
  plan jsonb,
  planned_by name,
  fills boolean not null default true,
  not_before timestamptz,
  claim_by timestamptz,
  backend_pid integer,
  backend_start timestamptz,
  requested_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  built_at timestamptz,
  finished_at timestamptz,
  duration_ms bigint,
  cancel_requested_at timestamptz,
  row_count_before bigint,
  row_count_after bigint,
  as_of timestamptz,
  held_back_by text,
  filled text,
  touched text,
  replaces text,
  inputs jsonb,
  checks jsonb,
  result text,
  error jsonb,
  meta jsonb not null default '{"request": {}, "response": {}}',
  published_at timestamptz,
  announced_at timestamptz,
  updated_at timestamptz not null default clock_timestamp(),
  check ((status in ('pending', 'running', 'built')) = (finished_at is null)),
  check ((status = 'built') <= (built_at is not null)),
  check ((status = 'running') <= (started_at is not null and backend_pid is not null and backend_start is not null)),
  check ((status in ('failed', 'canceled')) <= (error is not null))
);

-- At most one running run per view, whoever requested it: the database decides, not the code.
create unique index runs_one_running_per_view on viewkeeper.runs (schema_name, view_name) where status = 'running';

-- The same key from the same caller for the same operation is the same request. A failed run that may succeed when it is
-- tried again gives its key back.
create unique index runs_idempotency_key on viewkeeper.runs (trigger, caller, operation, idempotency_key)
  where idempotency_key is not null;

-- A view has one run for each attempt, whoever advances the batch.
create unique index runs_one_per_attempt on viewkeeper.runs (batch_id, definition_id, attempt) where batch_id is not null;

-- The history of a view, newest first, with all columns that are read of every view at once: those reads need no look
-- into the table.
create index runs_history on viewkeeper.runs (definition_id, id desc)
  include (status, operation, fills, finished_at, duration_ms);
-- The last successes of a view that is left out nearly always, without a look at what was left out between them.
create index runs_successful on viewkeeper.runs (definition_id, id desc) include (operation, fills, finished_at, duration_ms)
  where status = 'success';

-- The newest runs that did not succeed, of all views, without a look at the others.
create index runs_unsuccessful on viewkeeper.runs (id, status) where status in ('failed', 'canceled');
-- The last failure of each view in one look, however long its history is. A run may end after later ones: so the index is in the
-- order of the ends.
create index runs_failed_last on viewkeeper.runs (definition_id, finished_at desc, id desc) include (operation)
  where status = 'failed';
-- The failures of the last day, of all views in one look.
create index runs_failed_lately on viewkeeper.runs (finished_at) include (definition_id, requested_at) where status = 'failed';
-- The last refreshes that were skipped because another view failed. Most skipped refreshes have another reason.
create index runs_held_up on viewkeeper.runs (definition_id, finished_at desc, id desc)
  where status = 'skipped' and error ->> 'class' in ('UpstreamFailed', 'NotExchanged');
-- The last proof that a refresh would change nothing, in one look.
create index runs_unneeded on viewkeeper.runs (definition_id, id desc)
  where status = 'skipped' and as_of is not null and error is null and built_at is null;
-- The runs of a time, as ranges of the table's pages: also those with an id of another time, which a put-back writes. `+ 0`: a query that
-- says so reads the ids from this index, and not from the primary key, where it would read all later runs.
create index runs_of_time on viewkeeper.runs using brin (requested_at, (id + 0));

create index runs_open on viewkeeper.runs (id) where status in ('pending', 'running', 'built');
create index runs_of_group on viewkeeper.runs (group_run_id) where group_run_id is not null;
create index runs_unpublished on viewkeeper.runs (id) where finished_at is not null and published_at is null;
create index runs_unannounced on viewkeeper.runs (id) where finished_at is not null and announced_at is null;

-- A plan is SQL, executed with the rights of the role that claims the run. So each run says which role wrote its plan, and
-- only that role claims the run. A role that may write this table cannot pass its plan off as another role's.
create function viewkeeper.note_planner() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.planned_by := current_user;
  return new;
end $$;
create trigger note_planner before insert or update of plan, planned_by on viewkeeper.runs for each row
  execute function viewkeeper.note_planner();

comment on table viewkeeper.runs is 'One execution of one operation on one materialized view.';
comment on column viewkeeper.runs.group_run_id is 'The run that does the work of this one, too, because both views belong to one group. They begin and end together. It may have been pruned before this one.';
comment on column viewkeeper.runs.caller is 'Each caller has idempotency keys of its own. The same as requested_by, without what differs between sessions of one role.';
comment on column viewkeeper.runs.plan is 'What the server is to do. Null once the run has ended, {} while its process still analyzes or counts; meta.response.sql keeps the statements.';
comment on column viewkeeper.runs.planned_by is 'The role that wrote the plan. Only this role executes the plan.';
comment on column viewkeeper.runs.fills is 'Whether success makes the data of the view fresh: not for a drop, nor for a create without data.';
comment on column viewkeeper.runs.backend_start is 'With backend_pid, the server process that works on the run. The server uses a pid again.';
comment on column viewkeeper.runs.built_at is 'When the shadow of the view was whole. The run is `built` until the shadows of its group are exchanged.';
comment on column viewkeeper.runs.as_of is 'The moment whose data the run has put into the view, or into its shadow if it was built: that of its snapshot, or the oldest as_of of the views that it read. Skipped: as of when the data are although nothing was refreshed. Null: not known.';
comment on column viewkeeper.runs.held_back_by is 'The view whose data are the oldest in this view, or whose age nobody knows. Null: no view that it read is older than the snapshot.';
comment on column viewkeeper.runs.filled is 'What the run has filled: server and database, OID and file of the view, the transaction that wrote its row last, a hash of its privileges. If the view is another one by now, somebody else has filled it.';
comment on column viewkeeper.runs.touched is 'The transaction that wrote the catalog''s row of the view last: every refresh does, whoever asks for it.';
comment on column viewkeeper.runs.replaces is 'What the view was filled with when the run began to fill its shadow. If it is filled with something else at the exchange, the shadow is too old.';
comment on column viewkeeper.runs.inputs is 'What the query read: the runs that had filled the materialized views, the state of what lies between, and since "began" what the counters of tables said. {because}: why it cannot be proved that a refresh would change nothing, or why nobody knows as of when its data are.';
comment on column viewkeeper.runs.checks is 'The checks that the new data passed: name, how many rows each found, how long each took. Null: none was made, or the run did not succeed.';
comment on column viewkeeper.runs.error is '{class, message, sqlstate, detail, hint, context}, without row data.';
comment on column viewkeeper.runs.announced_at is 'When the run became an event for programs; -infinity: programs are not told of it.';
