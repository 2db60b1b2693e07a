-- The frozen migrations of `migrations/` that this database has. A row is written in the transaction of its change.
create table viewkeeper.migrations (
  number integer primary key check (number > 0),
  name text not null,
  checksum text not null,
  run_id bigint,
  applied_at timestamptz not null default clock_timestamp()
);

comment on table viewkeeper.migrations is 'The frozen migrations that this database has.';
comment on column viewkeeper.migrations.checksum is 'SHA-256 of both files, up and down. A migration that was edited afterwards is refused.';
comment on column viewkeeper.migrations.run_id is 'The run that made the change; null if no run was needed. Runs are pruned, so the run may be gone.';
