-- Schedule none: something else, such as an orchestrator, owns the clock of the view. It has no time zone.
alter table viewkeeper.definitions
  drop constraint definitions_check,
  add constraint definitions_check check ((schedule is null or schedule = 'none') = (time_zone is null));
