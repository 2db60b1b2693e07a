-- Tokens that `viewkeeper serve` lets in. The secret part of a token is 256 random bits, which nobody can guess from its digest: so a
-- plain SHA-256 is enough, and a slow hash would only slow down each request. Only the owner of the schema may read the table.
create table viewkeeper.tokens (
  id text primary key check (id ~ '^[0-9a-f]{16}$'),
  name text not null check (name ~ '^[ -~]{1,100}$'),
  may text not null check (may in ('read', 'refresh', 'operate', 'define')),
  digest bytea not null check (octet_length(digest) = 32),
  created_at timestamptz not null default clock_timestamp(),
  created_by text not null,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
-- The record names a token by its name.
create unique index tokens_name on viewkeeper.tokens (name) where revoked_at is null;
revoke all on viewkeeper.tokens from public;

comment on table viewkeeper.tokens is 'Tokens of people and programs that ask viewkeeper serve.';
comment on column viewkeeper.tokens.id is 'The part of the token that is no secret.';
comment on column viewkeeper.tokens.may is 'What the token allows; each word allows what the ones before it allow: read, refresh, operate, define.';
comment on column viewkeeper.tokens.digest is 'The SHA-256 of the whole token.';
comment on column viewkeeper.tokens.expires_at is 'Null: the token has no end.';
comment on column viewkeeper.tokens.last_used_at is 'When the token was last let in, to the minute.';

-- What channels have not taken yet: mails, chat messages, and events for webhooks. Each channel gets its own in order, and a row is removed
-- when its channel has it.
create table viewkeeper.deliveries (
  sequence bigint primary key generated always as identity,
  channel text not null,
  -- The same thing is put here once for each channel.
  key text not null,
  at timestamptz not null default clock_timestamp(),
  message jsonb not null,
  tries integer not null default 0,
  failed_at timestamptz,
  next_try_at timestamptz,
  error text,
  unique (channel, key)
);

comment on table viewkeeper.deliveries is 'Messages that wait for their channel, oldest first.';
comment on column viewkeeper.deliveries.message is 'What is sent. It has no row data and no secret.';
comment on column viewkeeper.deliveries.failed_at is 'When the channel first refused the message. Null: it was not tried yet.';
comment on column viewkeeper.deliveries.error is 'Why the last try failed, without addresses and secrets.';
