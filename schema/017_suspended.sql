-- After how many scheduled refreshes that failed in a row a view is suspended: schedules and target lags try it at growing
-- distances. The monitor also tells of suspended views, and of target lags that cannot be kept.
alter table viewkeeper.definitions
  add column suspend_after_failures integer not null default 5 check (suspend_after_failures >= 0);
comment on column viewkeeper.definitions.suspend_after_failures is 'After so many scheduled failures in a row, scheduled refreshes are tried at growing distances. 0: at every turn.';

alter table viewkeeper.told
  drop constraint told_trouble_check,
  add constraint told_trouble_check check (trouble in ('stale', 'missing', 'lag', 'suspended', 'aside'));
alter table viewkeeper.troubles
  drop constraint troubles_trouble_check,
  add constraint troubles_trouble_check check (trouble in ('stale', 'missing', 'lag', 'suspended', 'aside'));
