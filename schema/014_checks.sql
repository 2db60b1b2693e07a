-- Checks of new data, before readers see them.
alter table viewkeeper.definitions add column checks jsonb not null default '{}';
comment on column viewkeeper.definitions.checks is 'What has to hold for new data before readers see them: common checks by name, and queries that must return no row.';
alter table viewkeeper.runs add column checks jsonb;
comment on column viewkeeper.runs.checks is 'The checks that the new data passed: name, how many rows each found, how long each took. Null: none was made, or the run did not succeed.';

-- As in 001. Checks are executed with the rights of the view's owner, also those of a view that nobody has authored.
create or replace function viewkeeper.insist_on_author() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.sql is not null or new.owner is not null or new.checks <> '{}')
     and not pg_has_role(current_user, (select relowner from pg_class where oid = tg_relid), 'MEMBER')
     and (tg_op = 'INSERT'
          or (new.schema_name, new.name, new.sql, new.owner, new.indexes, new.comment, new.grants, new.checks)
             is distinct from (old.schema_name, old.name, old.sql, old.owner, old.indexes, old.comment, old.grants, old.checks)) then
    raise insufficient_privilege using message = format('%I may not author views, only perform operations on them', current_user);
  end if;
  return new;
end $$;
