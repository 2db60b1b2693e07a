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
