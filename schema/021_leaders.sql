-- A run may outlive the run that has led its group. As a foreign key, group_run_id made each removal of a run look for runs that it
-- has led: 50 microseconds each, and pruning 30 times as slow.
alter table viewkeeper.runs drop constraint runs_group_run_id_fkey;
comment on column viewkeeper.runs.group_run_id is 'The run that does the work of this one, too, because both views belong to one group. They begin and end together. It may have been pruned before this one.';
