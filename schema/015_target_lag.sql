-- How old the data of a view may become: its refreshes are planned by this instead of a schedule.
alter table viewkeeper.definitions
  add column target_lag_seconds integer check (target_lag_seconds >= 60);
comment on column viewkeeper.definitions.target_lag_seconds is 'How old the data may become: refreshes begin in time for it. Null: no target lag says when the view is refreshed.';
