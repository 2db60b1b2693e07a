-- A plan is SQL, executed with the rights of whoever claims the run: so each run says which role has written its plan, and is
-- claimed by that role only. Whoever else may write this table can say what they like, but not whose plan it is.
alter table viewkeeper.runs add column planned_by name;
comment on column viewkeeper.runs.planned_by is 'The role that has written the plan. Only it executes that.';

create function viewkeeper.note_planner() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.planned_by := current_user;
  return new;
end $$;
create trigger note_planner before insert or update of plan, planned_by on viewkeeper.runs for each row
  execute function viewkeeper.note_planner();

comment on column viewkeeper.batches.serial is 'Counts the batches, oldest first.';
