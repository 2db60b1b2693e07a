-- What the monitor finds wrong with views, since when, and what people were told of it: CloudWatch mails only when the state of an alarm
-- changes. A row is never deleted: when a trouble is over, its row still says when it was last told.
create table viewkeeper.troubles (
  trouble text not null check (trouble in ('failing', 'stale', 'missing', 'lag', 'suspended', 'aside')),
  name text not null,
  began_at timestamptz not null default clock_timestamp(),
  over_at timestamptz,
  told_at timestamptz,
  noticed_at timestamptz,
  primary key (trouble, name)
);
comment on table viewkeeper.troubles is 'The troubles of views that the monitor has found, those that are over among them.';
comment on column viewkeeper.troubles.name is 'As people write it: app.sales; for a function that was set aside with its arguments.';
comment on column viewkeeper.troubles.began_at is 'When the monitor first saw the trouble, since the view was last well.';
comment on column viewkeeper.troubles.over_at is 'When the monitor found the view well again. If the trouble comes back, it is new. Null: the trouble lasts.';
comment on column viewkeeper.troubles.told_at is 'When the monitor last told of this trouble of this view, newly or as a reminder. Before began_at, or null: not yet.';
comment on column viewkeeper.troubles.noticed_at is 'Up to which moment a notice has told people: what told_at or over_at says after this moment is news.';

-- Notes which views were read since their last run. Since 16 the server keeps when a relation was last scanned; it counts the scans of
-- refreshes and index builds, too, and reports them up to some seconds after the run. So only a scan well after the last run,
-- and after its batch, whose sessions report late, is a reader's.
create function viewkeeper.note_reads() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('server_version_num')::integer < 160000 then
    return;
  end if;
  if current_setting('track_counts') <> 'on' then
    update viewkeeper.definitions set reads_noted_since = null where reads_noted_since is not null;
    return;
  end if;
  -- Once a day is enough to know of a reader: so the views that are read cost nothing here.
  with scanned as materialized (
    select d.id, d.reads_noted_since, greatest(pg_stat_get_lastscan(c.oid), (
             select max(pg_stat_get_lastscan(i.indexrelid)) from pg_index i where i.indrelid = c.oid)) as at
      from viewkeeper.definitions d
      join pg_namespace n on n.nspname = d.schema_name
      join pg_class c on c.relnamespace = n.oid and c.relname = d.name and c.relkind = 'm'
     where d.removed_at is null and (d.last_read_at > clock_timestamp() - interval '1 day') is not true),
  found as materialized (
    select s.id, case when s.at > last.at + interval '10 s' then s.at end as read_at
      from scanned s
     cross join lateral (
       select coalesce(max(case when r.finished_at is null or r.batch_id is not null and b.finished_at is null then 'infinity'
                                else greatest(r.finished_at, b.finished_at) end), '-infinity') as at
         from (select r.finished_at, r.batch_id from viewkeeper.runs r where r.definition_id = s.id and r.status <> 'skipped' order by r.id desc limit 5) r
         left join viewkeeper.batches b on b.id = r.batch_id) last
     where s.reads_noted_since is null or s.at > last.at + interval '10 s'),
  locked as (
    select d.id from viewkeeper.definitions d where d.id in (select f.id from found f) order by d.id for no key update skip locked)
  update viewkeeper.definitions d
     set last_read_at = greatest(f.read_at, d.last_read_at), reads_noted_since = coalesce(d.reads_noted_since, clock_timestamp())
    from found f join locked using (id)
   where d.id = f.id;
end $$;
comment on function viewkeeper.note_reads is 'Notes which views somebody has read since their last run.';

-- The events that the bus has not taken yet. The number of an event is given once, and its row is removed when the bus has it.
create table viewkeeper.events (
  sequence bigint primary key generated always as identity,
  id uuid not null default gen_random_uuid(),
  type text not null
    check (type in ('ViewRefreshed', 'ViewFailed', 'BatchEnded', 'TroubleBegan', 'TroubleEnded')),
  subject text not null,
  at timestamptz not null,
  detail jsonb not null
);

-- Who locks this row writes and hands out events.
insert into viewkeeper.switches (key, value) values ('events', '{}');

comment on table viewkeeper.events is 'Events for programs that wait for the bus, oldest first.';
comment on column viewkeeper.events.subject is 'The view or the batch that the event is about. Events of one subject go to the bus in order.';
