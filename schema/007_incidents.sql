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
comment on column viewkeeper.incidents.kinds is 'What is wrong: failing, stale, missing, lag, suspended, aside, paused, batch, channel.';
comment on column viewkeeper.incidents.opened_at is 'When the monitor first saw it, since it was last well.';
comment on column viewkeeper.incidents.changed_at is 'When its kinds or its cause last changed.';
comment on column viewkeeper.incidents.resolved_at is 'When the monitor found it well again. Null: the incident is open.';
comment on column viewkeeper.incidents.culprit is 'What has to be mended: this view, one that it reads, a batch, a session.';
comment on column viewkeeper.incidents.cause is 'Why, as viewkeeper why says it: code, text, next, view, runId, batchId, error. No row data.';
comment on column viewkeeper.incidents.told_at is 'When a message last told of it.';
comment on column viewkeeper.incidents.told_cause is 'Which cause people know. Null: they know nothing of it, or know that it is resolved.';

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
