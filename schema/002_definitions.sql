-- A row is never deleted, only marked as removed: its runs stay readable.
create table viewkeeper.definitions (
  id integer generated always as identity primary key,
  schema_name text not null,
  name text not null,
  sql text, -- the query as its author wrote it; null: nobody has authored the view
  indexes jsonb not null default '[]',
  depends_on text[] not null default '{}', -- what functions with a text body read, unknown to the catalog
  comment text,
  grants jsonb not null default '[]',
  owner text, -- the role that is to own the view; null: any owner is right, and the default owns a new view
  given_by text, -- who owned the view before create-role gave it to viewkeeper_views; uninstall gives it back
  refresh_strategy text not null default 'auto'
    check (refresh_strategy in ('auto', 'regular', 'concurrent', 'swap')),
  checks jsonb not null default '{}', -- what holds for new data before readers see them: checks by name, and queries that return no row
  schedule text, -- five-field cron; none: something else, such as an orchestrator, refreshes the view
  time_zone text,
  target_lag_seconds integer, -- how old the data may become: refreshes begin in time for it
  settings jsonb not null default '{}', -- of the sessions of its runs
  timeout_seconds integer not null default 3600 check (timeout_seconds between 1 and 86400),
  retries integer not null default 1 check (retries >= 0),
  retry_delay_seconds integer not null default 300 check (retry_delay_seconds >= 0),
  -- After so many scheduled failures in a row, scheduled refreshes are tried at growing distances; 0: at every turn.
  suspend_after_failures integer not null default 5 check (suspend_after_failures >= 0),
  max_staleness_seconds integer check (max_staleness_seconds > 0), -- null: by the schedule or the target lag
  -- What the monitor of this environment last saw: the longest time between two refreshes by schedule (null: no schedule refreshes the view); how old
  -- the data may become by target lags, by that of the view, or by the shortest of the views for which it is refreshed along; and the view whose
  -- target lag that is (null: its own).
  scheduled_interval_seconds integer check (scheduled_interval_seconds >= 0),
  promised_lag_seconds integer check (promised_lag_seconds >= 0),
  promised_for text,
  min_interval_seconds integer not null default 0 check (min_interval_seconds >= 0), -- a refresh that comes earlier is left out
  -- Whether a scheduled refresh is left out if the counters of the tables that are read have not moved; null: as the environment says.
  skip_unchanged boolean,
  in_all boolean not null default true, -- whether a batch of all views includes it
  -- By which column refreshes compute only the slices that changed, and wholeEvery: how often all rows, by default once a day. Null: all rows each
  -- time, unless somebody has made a change log.
  slices jsonb,
  storage text not null default 'materialized view' check (storage in ('materialized view', 'table')), -- table: an incremental table
  paused_at timestamptz,
  source text not null check (source in ('authored', 'discovered')),
  removed_at timestamptz,
  expected_since timestamptz not null default clock_timestamp(), -- the view is not late for the time before
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  unique (schema_name, name),
  check ((schedule is null or schedule = 'none') = (time_zone is null)),
  -- Below a minute, a change log says when something is to be done.
  check (target_lag_seconds >= case when storage = 'table' and slices is not null then 1 else 60 end)
);
comment on table viewkeeper.definitions is 'What Viewkeeper knows about a materialized view: one row for each view, authored or discovered.';

-- If a view is adopted, resumed, scheduled or promised to be fresher now, the time before does not count towards its staleness.
create function viewkeeper.expect_anew() returns trigger language plpgsql set search_path = '' as $$
begin
  new.expected_since := clock_timestamp();
  return new;
end $$;
create trigger expect_anew before update on viewkeeper.definitions for each row
  when ((old.schedule, old.time_zone, old.max_staleness_seconds, old.promised_lag_seconds, old.in_all, old.paused_at is null, old.removed_at is null)
        is distinct from
        (new.schedule, new.time_zone, new.max_staleness_seconds, new.promised_lag_seconds, new.in_all, new.paused_at is null, new.removed_at is null))
  execute function viewkeeper.expect_anew();

-- A view is created from these columns, with the rights of its owner, which a login that performs single operations has not to lend. Checks are
-- executed with the rights of the view's owner, also those of a view that nobody has authored.
create trigger insist_on_author before insert on viewkeeper.definitions for each row
  when (new.sql is not null or new.owner is not null or new.checks <> '{}')
  execute function viewkeeper.insist_on_owner('author views, only perform operations on them');
create trigger insist_on_editor before update on viewkeeper.definitions for each row
  when ((new.sql is not null or new.owner is not null or new.checks <> '{}')
        and (new.schema_name, new.name, new.sql, new.owner, new.indexes, new.comment, new.grants, new.checks)
            is distinct from (old.schema_name, old.name, old.sql, old.owner, old.indexes, old.comment, old.grants, old.checks))
  execute function viewkeeper.insist_on_owner('author views, only perform operations on them');
