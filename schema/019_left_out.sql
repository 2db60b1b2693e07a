-- The refreshes of a time that were left out, of all views, without a look at the other runs.
create index runs_left_out on viewkeeper.runs (id) include (definition_id)
  where status = 'skipped' and as_of is not null and error is null and built_at is null;

-- The last successes of a view that is left out nearly always, without a look at what was left out between them.
create index runs_successful on viewkeeper.runs (definition_id, id desc) include (operation, fills, finished_at, duration_ms)
  where status = 'success';
