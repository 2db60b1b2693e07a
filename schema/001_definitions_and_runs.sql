-- What Viewkeeper knows about a view. Never deleted, only marked removed: its runs stay readable.
create table viewkeeper.definitions (
  id integer generated always as identity primary key,
  schema_name text not null,
  name text not null,
  sql text,
  indexes jsonb not null default '[]',
  unique_index_columns text[],
  depends_on text[] not null default '{}',
  comment text,
  grants jsonb not null default '[]',
  refresh_strategy text not null default 'auto'
    check (refresh_strategy in ('auto', 'regular', 'concurrent', 'swap')),
  row_count_strategy text not null default 'none'
    check (row_count_strategy in ('none', 'estimated', 'exact')),
  schedule text,
  time_zone text,
  settings jsonb not null default '{}',
  timeout_seconds integer not null default 3600 check (timeout_seconds between 1 and 86400),
  retries integer not null default 1 check (retries >= 0),
  retry_delay_seconds integer not null default 300 check (retry_delay_seconds >= 0),
  max_staleness_seconds integer check (max_staleness_seconds > 0),
  min_interval_seconds integer not null default 0 check (min_interval_seconds >= 0),
  in_all boolean not null default true,
  paused_at timestamptz,
  source text not null check (source in ('authored', 'discovered')),
  checksum text,
  removed_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  unique (schema_name, name),
  check ((schedule is null) = (time_zone is null))
);

-- One attempt at one operation on one view. Every attempt is a new row; a row is never used twice.
-- Run ids are advisory lock keys, and those are four bytes long: hence the check on id.
create table viewkeeper.runs (
  id bigint generated always as identity primary key check (id < 2147483648),
  definition_id integer references viewkeeper.definitions on delete set null,
  schema_name text not null,
  view_name text not null,
  batch_id text,
  operation text not null check (operation in ('create', 'refresh', 'drop')),
  status text not null default 'pending'
    check (status in ('pending', 'running', 'success', 'failed', 'canceled', 'skipped')),
  trigger text not null check (trigger in ('schedule', 'http', 'cli', 'deploy', 'batch')),
  requested_by text not null default '',
  caller text not null default '',
  attempt integer not null default 1 check (attempt > 0),
  idempotency_key text,
  plan jsonb,
  not_before timestamptz,
  claim_by timestamptz,
  backend_pid integer,
  backend_start timestamptz,
  requested_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  finished_at timestamptz,
  duration_ms bigint,
  cancel_requested_at timestamptz,
  row_count_before bigint,
  row_count_after bigint,
  result text,
  error jsonb,
  meta jsonb not null default '{"request": {}, "response": {}}',
  published_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  check ((status in ('pending', 'running')) = (finished_at is null)),
  check ((status = 'running') <= (started_at is not null and backend_pid is not null and backend_start is not null)),
  check ((status in ('failed', 'canceled')) <= (error is not null))
);

-- At most one running run per view, whoever asked for it: the database decides, not the code.
create unique index runs_one_running_per_view on viewkeeper.runs (schema_name, view_name) where status = 'running';

-- The same key from the same caller for the same operation is the same request. A run that failed in a way that trying
-- again may help gives its key back.
create unique index runs_idempotency_key on viewkeeper.runs (trigger, caller, operation, idempotency_key)
  where idempotency_key is not null;

-- A view's history, newest first; the last status of a thousand views takes a few milliseconds with it.
create index runs_by_definition on viewkeeper.runs (definition_id, id desc) include (status, started_at, duration_ms);
create index runs_open on viewkeeper.runs (id) where status in ('pending', 'running');
create index runs_unpublished on viewkeeper.runs (id) where finished_at is not null and published_at is null;

comment on table viewkeeper.definitions is 'What Viewkeeper knows about a materialized view, authored or discovered.';
comment on table viewkeeper.runs is 'One attempt at one operation on one materialized view.';
comment on column viewkeeper.runs.plan is 'What the server is to do, until it has done it; afterwards meta.response.sql tells.';
comment on column viewkeeper.runs.caller is 'Whose idempotency keys these are: requested_by without what differs between sessions of one role.';
comment on column viewkeeper.runs.backend_start is 'With backend_pid: which server process owns the run. A pid alone is reused.';
comment on column viewkeeper.runs.error is '{class, message, sqlstate, detail, hint, context}; row data is kept out.';
