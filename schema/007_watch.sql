-- What the monitor finds, and what waits to be told.

-- What is not well, with its cause, since when, and what people were told of it. Whoever tells it reads it here.
create table viewkeeper.incidents (
  -- A view as people write it: app.sales; a function that was set aside with its arguments; batch and its id; a channel: mail ops@example.com.
  subject text primary key,
  kinds text[] not null, -- failing, stale, missing, lag, suspended, aside, paused, slow, wrong, lost, step, batch, channel
  opened_at timestamptz not null, -- when the monitor first saw it, since it was last well
  changed_at timestamptz not null, -- when its kinds or its cause last changed
  resolved_at timestamptz, -- when the monitor found it well again; null: the incident is open
  culprit text not null, -- what has to be mended: this view, one that it reads, a batch, a session
  cause jsonb not null, -- as viewkeeper why says it: code, text, next, view, runId, batchId, error; no row data
  told_at timestamptz, -- when a message last told of it
  told_cause text -- which cause people know; null: they know nothing of it, or know that it is resolved
);
comment on table viewkeeper.incidents is 'What the monitor finds not well, one row a view, batch or channel, and the last incident of what is well again.';

-- So one knows what is gone with a view that somebody else drops and makes again.
create table viewkeeper.parts (
  name text primary key,
  oid oid not null,
  kind "char" not null, -- as pg_class has it
  items jsonb not null, -- what, SQL and the owner's OID of each thing: view, index, comment, grant; of a table its indexes
  reads text[] not null,
  gone_at timestamptz, -- since when it is not there
  lost jsonb not null default '[]', -- the items that are missing since it was made again, or of a table since lost_at
  lost_at timestamptz
);
comment on table viewkeeper.parts is 'Views, what reads them, and the tables below, each with the SQL of what hangs on it, as it was when it was last looked.';

-- A view is concerned if somebody has made it again, with what was above it. What migrations make they make again.
create function viewkeeper.lost() returns table (view text, since timestamptz, name text, item jsonb)
language sql stable
begin atomic
  with recursive above as (
    select s.name as view, s.name, s.lost_at as since, 0 as depth
      from viewkeeper.parts s join viewkeeper.definitions d on format('%I.%I', d.schema_name, d.name) = s.name
     where s.kind = 'm' and s.lost_at is not null and s.gone_at is null and d.source = 'discovered' and d.removed_at is null
     union
    select a.view, s.name, a.since, a.depth + 1 from above a join viewkeeper.parts s on a.name = any (s.reads) where a.depth < 50)
  select a.view, a.since, s.name, i.item
    from (select above.view, name, since, max(depth) as depth from above group by 1, 2, 3) a join viewkeeper.parts s on s.name = a.name
   cross join lateral jsonb_array_elements(case when s.gone_at >= a.since then s.items when s.gone_at is null and s.lost_at >= a.since then s.lost end)
         with ordinality as i(item, at)
   where not exists (select from viewkeeper.definitions d where format('%I.%I', d.schema_name, d.name) = s.name and d.source = 'authored' and d.removed_at is null)
   order by a.view, a.depth, s.name, i.at;
end;
comment on function viewkeeper.lost is 'What is missing since somebody else dropped a view and made it again: viewkeeper restore brings it back. The SQL in an item is its owner''s, and executes his code as whoever types it.';

-- An event gets its number once, and its row is removed when the bus has it.
create table viewkeeper.events (
  sequence bigint primary key generated always as identity,
  id uuid not null default gen_random_uuid(),
  type text not null
    check (type in ('ViewRefreshed', 'ViewFailed', 'BatchEnded', 'IncidentOpened', 'IncidentChanged', 'IncidentResolved', 'Message')),
  subject text not null, -- the view or the batch; events of one subject go to the bus in order
  at timestamptz not null,
  detail jsonb not null
);
comment on table viewkeeper.events is 'Events for programs and messages for people that wait for their sender, oldest first.';
-- Who locks this row writes and hands out events.
insert into viewkeeper.switches (key, value) values ('events', '{}');

-- Mails, chat messages, and events for webhooks. Each channel gets its own in order, and a row is removed when its channel has it.
create table viewkeeper.deliveries (
  sequence bigint primary key generated always as identity,
  channel text not null,
  key text not null, -- the same thing is put here once for each channel
  at timestamptz not null default clock_timestamp(),
  message jsonb not null, -- without row data and secrets
  tries integer not null default 0,
  failed_at timestamptz, -- when the channel first refused the message; null: it was not tried yet
  next_try_at timestamptz,
  error text, -- why the last try failed, without addresses and secrets
  unique (channel, key)
);
comment on table viewkeeper.deliveries is 'Messages that wait for their channel, oldest first.';
