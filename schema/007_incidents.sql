-- What is not well, with its cause, since when, and what people were told of it. Whoever tells it reads it here.
create table viewkeeper.incidents (
  subject text primary key,
  kinds text[] not null,
  opened_at timestamptz not null,
  changed_at timestamptz not null,
  resolved_at timestamptz,
  culprit text not null,
  cause jsonb not null,
  told_at timestamptz,
  told_cause text
);
comment on table viewkeeper.incidents is 'What the monitor finds not well, one row a view, batch or channel, and the last incident of what is well again.';
comment on column viewkeeper.incidents.subject is 'A view as people write it: app.sales; a function that was set aside with its arguments; batch and its id; a channel: mail ops@example.com.';
comment on column viewkeeper.incidents.kinds is 'What is wrong: failing, stale, missing, lag, suspended, aside, paused, slow, wrong, lost, batch, channel.';
comment on column viewkeeper.incidents.opened_at is 'When the monitor first saw it, since it was last well.';
comment on column viewkeeper.incidents.changed_at is 'When its kinds or its cause last changed.';
comment on column viewkeeper.incidents.resolved_at is 'When the monitor found it well again. Null: the incident is open.';
comment on column viewkeeper.incidents.culprit is 'What has to be mended: this view, one that it reads, a batch, a session.';
comment on column viewkeeper.incidents.cause is 'Why, as viewkeeper why says it: code, text, next, view, runId, batchId, error. No row data.';
comment on column viewkeeper.incidents.told_at is 'When a message last told of it.';
comment on column viewkeeper.incidents.told_cause is 'Which cause people know. Null: they know nothing of it, or know that it is resolved.';

-- What hangs on views, on what reads them, and the indexes of the tables below: so that one knows what is gone with a view that somebody else drops and makes again.
create table viewkeeper.parts (
  name text primary key,
  oid oid not null,
  kind "char" not null,
  items jsonb not null,
  reads text[] not null,
  gone_at timestamptz,
  lost jsonb not null default '[]',
  lost_at timestamptz
);
comment on table viewkeeper.parts is 'Views, what reads them, and the tables below, each with the SQL of what hangs on it, as it was when it was last looked.';
comment on column viewkeeper.parts.items is 'What and SQL of each thing: view, index, comment, grant; of a table its indexes.';
comment on column viewkeeper.parts.gone_at is 'Since when it is not there.';
comment on column viewkeeper.parts.lost is 'What is missing since it was made again, or of a table since then.';

-- A view is concerned if somebody has made it again, with what was above it. What migrations make they make again.
create function viewkeeper.lost() returns table (view text, since timestamptz, what text, sql text)
language sql stable
begin atomic
  with recursive above as (
    select s.name as view, s.name, s.lost_at as since, 0 as depth
      from viewkeeper.parts s join viewkeeper.definitions d on format('%I.%I', d.schema_name, d.name) = s.name
     where s.kind = 'm' and s.lost_at is not null and s.gone_at is null and d.source = 'discovered' and d.removed_at is null
     union
    select a.view, s.name, a.since, a.depth + 1 from above a join viewkeeper.parts s on a.name = any (s.reads) where a.depth < 50)
  select a.view, a.since, i.item ->> 'what', i.item ->> 'sql'
    from (select above.view, name, since, max(depth) as depth from above group by 1, 2, 3) a join viewkeeper.parts s on s.name = a.name
   cross join lateral jsonb_array_elements(case when s.gone_at >= a.since then s.items when s.gone_at is null and s.lost_at >= a.since then s.lost end)
         with ordinality as i(item, at)
   where not exists (select from viewkeeper.definitions d where format('%I.%I', d.schema_name, d.name) = s.name and d.source = 'authored' and d.removed_at is null)
   order by a.view, a.depth, s.name, i.at;
end;
comment on function viewkeeper.lost is 'What is missing since somebody else dropped a view and made it again, and the SQL that brings it back, in the order to execute it in.';

-- The events and messages that their sender has not taken yet. The number of an event is given once, and its row is removed when the bus has it.
create table viewkeeper.events (
  sequence bigint primary key generated always as identity,
  id uuid not null default gen_random_uuid(),
  type text not null
    check (type in ('ViewRefreshed', 'ViewFailed', 'BatchEnded', 'IncidentOpened', 'IncidentChanged', 'IncidentResolved', 'Message')),
  subject text not null,
  at timestamptz not null,
  detail jsonb not null
);

-- Who locks this row writes and hands out events.
insert into viewkeeper.switches (key, value) values ('events', '{}');

comment on table viewkeeper.events is 'Events for programs and messages for people that wait for their sender, oldest first.';
comment on column viewkeeper.events.subject is 'The view or the batch that the event is about. Events of one subject go to the bus in order.';
