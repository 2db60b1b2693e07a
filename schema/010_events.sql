-- What programs are told. An ended run or batch waits until it has become an event; the history until now has been told.
-- A default that is taken back at once writes no row anew.
alter table viewkeeper.runs add column announced_at timestamptz default '-infinity';
alter table viewkeeper.runs alter column announced_at drop default;
alter table viewkeeper.batches add column announced_at timestamptz default '-infinity';
alter table viewkeeper.batches alter column announced_at drop default;
-- What is in flight will end, and is told then.
update viewkeeper.runs set announced_at = null where finished_at is null;
update viewkeeper.batches set announced_at = null where finished_at is null;
create index runs_unannounced on viewkeeper.runs (id) where finished_at is not null and announced_at is null;
create index batches_unannounced on viewkeeper.batches (serial) where finished_at is not null and announced_at is null;

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

-- The troubles of which programs know that they began and not that they ended.
create table viewkeeper.troubles (
  trouble text not null check (trouble in ('stale', 'missing', 'aside')),
  name text not null,
  began_at timestamptz not null default clock_timestamp(),
  primary key (trouble, name)
);

-- Who locks this row writes and hands out events.
insert into viewkeeper.switches (key, value) values ('events', '{}') on conflict do nothing;

comment on column viewkeeper.runs.announced_at is 'When the run became an event for programs; -infinity: programs are not told of it.';
comment on column viewkeeper.batches.announced_at is 'When the batch became an event for programs; -infinity: programs are not told of it.';
comment on table viewkeeper.events is 'Events for programs that wait for the bus, oldest first.';
comment on column viewkeeper.events.subject is 'The view or the batch that the event is about. Events of one subject go to the bus in order.';
comment on table viewkeeper.troubles is 'The troubles that the monitor saw at its last look, each since it was first seen.';
comment on table viewkeeper.switches is 'What changes without a deploy. Key paused: since when nothing scheduled starts, and who paused it. Key monitored: since when the ends of runs and batches are published. Key looked: when the monitor last looked, and since when after an absence. Key notice: which notice is being sent to people, and when notices last told of each kind of news. Key events: who is putting events on the bus, and until when.';
