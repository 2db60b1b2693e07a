-- Which of the frozen migrations of `migrations/` this database has. A row comes in the same transaction as the change.
create table viewkeeper.migrations (
  number integer primary key check (number > 0),
  name text not null,
  checksum text not null,
  run_id bigint,
  applied_at timestamptz not null default clock_timestamp()
);

comment on table viewkeeper.migrations is 'The frozen migrations of views that this database has.';
comment on column viewkeeper.migrations.checksum is 'SHA-256 of both files, up and down: one that was edited since is refused.';
comment on column viewkeeper.migrations.run_id is 'The run that made the change; null where there was nothing to do. Runs are pruned, so it may be gone.';
