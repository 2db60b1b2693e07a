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

-- Views that `viewkeeper set-aside` has dropped, so that another tool can alter a table below them, with all that
-- `viewkeeper put-back` needs to make them again. A row commits together with the drop of its view.
create table viewkeeper.set_aside (
  act bigint not null,
  position integer not null,
  kind text not null check (kind in ('view', 'function')),
  name text not null,
  item jsonb not null,
  reading text[] not null,
  set_aside_by name not null default session_user,
  set_aside_at timestamptz not null default clock_timestamp(),
  primary key (act, position),
  unique (kind, name)
);

-- put-back executes what these rows say, with the rights of its login. So only who may act as the owner of this table, and thus
-- as every owner of views, writes them.
create function viewkeeper.insist_on_setter() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not pg_has_role(current_user, (select relowner from pg_class where oid = tg_relid), 'MEMBER') then
    raise insufficient_privilege using message = format('%I may not set views aside, only put them back: it may not act as the owner of schema viewkeeper', current_user);
  end if;
  return new;
end $$;
create trigger insist_on_setter before insert or update on viewkeeper.set_aside for each row
  execute function viewkeeper.insist_on_setter();

comment on table viewkeeper.set_aside is 'Views and functions that were set aside, and that put-back makes again.';
comment on column viewkeeper.set_aside.act is 'Counts the calls of set-aside. What a later call has set aside is made again first: nothing of it reads what was gone already.';
comment on column viewkeeper.set_aside.position is 'What is read comes before what reads it.';
comment on column viewkeeper.set_aside.name is 'As people write it: app.sales; for a function with its arguments.';
comment on column viewkeeper.set_aside.item is 'What the catalog said: the query, the columns, the indexes, the grants and all else. No rows of the view.';
comment on column viewkeeper.set_aside.reading is 'The relations whose readers were set aside.';
