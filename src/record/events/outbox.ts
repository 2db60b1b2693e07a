import type { Sql } from '../../server/database.ts'
import type { News, UntoldBatch, UntoldRun, WaitingEvent } from '../plan/watch.ts'
import { isUnneeded } from '../runs/failing.ts'
import { errorOf, mostCharacters } from '../runs/history.ts'
import { isWorkedOn } from '../runs/life.ts'

// The switch `events` says who is putting events on the bus: { token, until }.

/** Nothing here takes long. A process that takes longer hangs, and must not keep its locks from others. */
const longestWork = '5s'

/**
 * Locks the events for this transaction: writers and takers of events come one after the other, so an event that is
 * visible has a larger number than all that were visible before. Returns the token of the sender that is putting events on the bus.
 */
export async function lockEvents(sql: Sql): Promise<string | null> {
  await sql`select set_config('idle_in_transaction_session_timeout', ${longestWork}, true)`
  const [row] = await sql<[{ holder: string | null }]>`
    insert into viewkeeper.switches as s (key, value) values ('events', '{}')
    on conflict (key) do update set value = s.value
    returning case when (value ->> 'until')::timestamptz > clock_timestamp() then value ->> 'token' end as holder`
  return row.holder
}

/** Gives the right to put events on the bus, for so many seconds, and a token for it. */
export async function giveTurn(sql: Sql, token: string | null, seconds: number): Promise<string> {
  const [row] = await sql<[{ token: string }]>`
    update viewkeeper.switches set updated_at = clock_timestamp(), value = jsonb_build_object(
             'token', coalesce(${token}::text, gen_random_uuid()::text),
             'until', clock_timestamp() + make_interval(secs => ${seconds}))
     where key = 'events' returning value ->> 'token' as token`
  return row.token
}

/** Takes the right back: the next one may put events on the bus. */
export async function endTurn(sql: Sql): Promise<void> {
  await sql`update viewkeeper.switches set updated_at = clock_timestamp(), value = '{}' where key = 'events'`
}

/** Writes events down, in this order. The events are locked. */
export async function writeEvents(sql: Sql, news: News[]): Promise<void> {
  if (news.length === 0) return
  await sql`
    insert into viewkeeper.events (type, subject, at, detail)
    select n.value ->> 'type', n.value ->> 'subject', (n.value ->> 'at')::timestamptz, n.value -> 'detail'
      from jsonb_array_elements(${sql.json(news as never)}) with ordinality as n(value, position) order by n.position`
}

/** The first messages that wait for people, so many at most, and as many events for programs: who refuses these delays not those. */
export async function readWaiting(sql: Sql, limit: number): Promise<WaitingEvent[]> {
  const events = await sql<WaitingEvent[]>`
    select sequence, id, type, subject, detail,
           to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at
      from ((select * from viewkeeper.events where type = 'Message' order by sequence limit ${limit}) union all
            (select * from viewkeeper.events where type <> 'Message' order by sequence limit ${limit})) as e
     order by type <> 'Message', sequence`
  return [...events]
}

/** Removes events that the bus has taken. */
export async function removeEvents(sql: Sql, sequences: number[]): Promise<void> {
  await sql`
    delete from viewkeeper.events
     where sequence in (select value::int8 from jsonb_array_elements_text(${sql.json(sequences)}))`
}

/** When the oldest began to wait of the messages, the events, and the ends that are no events yet; null: nothing waits to be sent. */
export const waitingSince = (sql: Sql) => sql`
  least((select min(at) from viewkeeper.events),
        (select min(r.finished_at) from viewkeeper.runs r where r.finished_at is not null and r.announced_at is null),
        (select min(b.finished_at) from viewkeeper.batches b where b.finished_at is not null and b.announced_at is null))`

/** For how long the oldest has waited, in seconds; null: nothing waits to be sent. */
export async function readWaitingSeconds(sql: Sql): Promise<number | null> {
  const [row] = await sql<[{ seconds: number | null }]>`
    select extract(epoch from clock_timestamp() - ${waitingSince(sql)})::float8 as seconds`
  // A clock may have been set back.
  return row.seconds === null ? null : Math.max(row.seconds, 0)
}

/** Whether something waits to be sent, or to be taken by a channel. */
export const isAnythingToSend = async (sql: Sql): Promise<boolean> =>
  (await sql`select where ${waitingSince(sql)} is not null or exists (select from viewkeeper.deliveries)`)
    .length > 0

/** Forgets the events that wait for a bus: the environment has none. */
export async function forgetEvents(sql: Sql): Promise<void> {
  await sql`delete from viewkeeper.events where type <> 'Message'`
}

/** More than this becomes events at the next call. */
const atOnce = 1000

/**
 * The ended runs that are no events yet, in the order of their ends, locked until they are. A run whose server process still
 * counts its rows comes later, and so do the runs of its view after it. A run may end its count after this statement has begun:
 * so all that is told comes from the locked row, which is the newest, and not from the row as it was when the statement began.
 * The rows are locked in the order in which the monitor locks them; so nobody waits in a circle.
 */
export async function readUntoldRuns(sql: Sql): Promise<UntoldRun[]> {
  const runs = await sql<UntoldRun[]>`
    with busy as materialized (
      select r.id, r.schema_name, r.view_name from viewkeeper.runs r
       where r.finished_at is not null and r.announced_at is null and r.plan is not null and ${sql.unsafe(isWorkedOn)}),
    untold as materialized (
      select r.id, r.definition_id, r.schema_name, r.view_name, r.batch_id, r.operation, r.status, r.trigger, r.attempt, r.fills,
             r.meta #>> '{response,strategy}' as strategy, r.finished_at, r.duration_ms, r.row_count_after, r.error
        from viewkeeper.runs r
       where r.finished_at is not null and r.announced_at is null
         and not exists (select from busy b where b.schema_name = r.schema_name and b.view_name = r.view_name and b.id <= r.id)
       order by r.id limit ${atOnce} for no key update of r)
    select r.id, format('%I.%I', r.schema_name, r.view_name) as view, r.batch_id as "batchId", r.operation, r.status, r.trigger,
           r.attempt, r.fills, r.strategy, r.finished_at as "finishedAt",
           r.duration_ms as "durationMs", r.row_count_after as rows, coalesce(proof.as_of, before.as_of) as "freshBefore",
           ${sql.unsafe(errorOf('r', ['class', 'sqlstate', 'message'], mostCharacters))} as error
      from untold r
      left join lateral (
        select b.id, coalesce(b.as_of, b.finished_at) as as_of from viewkeeper.runs b
         where b.definition_id = r.definition_id and b.id < r.id and b.status = 'success' and b.fills
         order by b.id desc limit 1) before on true
      left join lateral (
        select b.as_of from viewkeeper.runs b
         where b.definition_id = r.definition_id and b.id between before.id and r.id - 1
           and ${sql.unsafe(isUnneeded('b'))}
         order by b.id desc limit 1) proof on true
     order by r.finished_at, r.id`
  return [...runs]
}

/** The ended batches that are no events yet, oldest first, locked until they are. */
export async function readUntoldBatches(sql: Sql): Promise<UntoldBatch[]> {
  const batches = await sql<UntoldBatch[]>`
    with untold as materialized (
      select b.id, b.serial from viewkeeper.batches b
       where b.finished_at is not null and b.announced_at is null
       order by b.serial limit ${atOnce} for no key update of b)
    select b.id, b.status, b.trigger, b.finished_at as "finishedAt",
           (extract(epoch from b.finished_at - b.started_at) * 1000)::int8 as "durationMs",
           ${sql.unsafe(errorOf('b', ['class', 'message'], mostCharacters))} as error,
           (select jsonb_build_object('success', count(*) filter (where l.status = 'success'),
                                      'failed', count(*) filter (where l.status = 'failed'),
                                      'canceled', count(*) filter (where l.status = 'canceled'),
                                      'skipped', count(*) filter (where l.status = 'skipped'))
              from (select distinct on (r.definition_id) r.status from viewkeeper.runs r where r.batch_id = b.id
                     order by r.definition_id, r.attempt desc) l) as views
      from untold join viewkeeper.batches b on b.id = untold.id
     order by untold.serial`
  return [...batches]
}

/** Notes that these runs and batches have become events, or need not become one. */
export async function markTold(sql: Sql, runs: UntoldRun[], batches: UntoldBatch[]): Promise<void> {
  if (runs.length > 0)
    await sql`
      update viewkeeper.runs set announced_at = clock_timestamp()
       where id in (select value::int8 from jsonb_array_elements_text(${sql.json(runs.map(({ id }) => id))}))`
  if (batches.length > 0)
    await sql`
      update viewkeeper.batches set announced_at = clock_timestamp()
       where id in (select value from jsonb_array_elements_text(${sql.json(batches.map(({ id }) => id))}))`
}

// What `viewkeeper serve` has written down for each of its channels.

/** A message that waits for its channel. */
interface Delivery {
  sequence: number
  key: string
  message: unknown
}

/** How a channel is. */
export interface ChannelState {
  channel: string
  /** How many messages wait for it. */
  waiting: number
  /** Whether it has refused one. */
  failing: boolean
}

/** What a channel has refused for so long is dropped, as EventBridge does. */
const longestTrying = '24 hours'
/** The longest time between two tries, in seconds. */
const longestPause = 300

/** Writes messages down, in this order. What its channel has already got written down is left as it is. */
export async function writeDeliveries(
  sql: Sql,
  messages: { channel: string; key: string; message: unknown }[],
): Promise<void> {
  if (messages.length === 0) return
  await sql`
    insert into viewkeeper.deliveries (channel, key, message)
    select m.value ->> 'channel', m.value ->> 'key', m.value -> 'message'
      from jsonb_array_elements(${sql.json(messages as never)}) with ordinality as m(value, position) order by m.position
    on conflict (channel, key) do nothing`
}

/** The channels for which something waits, and whose pause is over. */
export async function readDueChannels(sql: Sql): Promise<string[]> {
  const rows = await sql<{ channel: string }[]>`
    select channel from viewkeeper.deliveries
     group by channel having (max(next_try_at) > clock_timestamp()) is not true`
  return rows.map(({ channel }) => channel)
}

/** The next messages of a channel. */
export const readDue = async (sql: Sql, channel: string, limit: number): Promise<Delivery[]> => [
  ...(await sql<Delivery[]>`
    select sequence, key, message from viewkeeper.deliveries
     where channel = ${channel} order by sequence limit ${limit}`),
]

/** Removes a message that its channel has taken. */
export async function removeDelivery(sql: Sql, sequence: number): Promise<void> {
  await sql`delete from viewkeeper.deliveries where sequence = ${sequence}`
}

/** Notes that a channel has refused a message, and drops what has waited for it too long; returns how many. */
export async function noteRefusal(
  sql: Sql,
  channel: string,
  sequence: number,
  error: string,
): Promise<number> {
  await sql`
    update viewkeeper.deliveries
       set tries = tries + 1, failed_at = coalesce(failed_at, clock_timestamp()), error = ${error},
           next_try_at = clock_timestamp() + make_interval(secs => least(${longestPause}, power(2, least(tries, 20))))
     where sequence = ${sequence}`
  const { count } = await sql`
    delete from viewkeeper.deliveries
     where channel = ${channel} and at < clock_timestamp() - ${longestTrying}::interval`
  return count
}

/** Removes what waits for channels that there are no more. */
export async function forgetOthers(sql: Sql, channels: string[]): Promise<void> {
  await sql`
    delete from viewkeeper.deliveries
     where channel not in (select value from jsonb_array_elements_text(${sql.json(channels)}))`
}

/** How these channels are. Any copy can tell, also one that does not lead. */
export const readChannels = async (sql: Sql, channels: string[]): Promise<ChannelState[]> => [
  ...(await sql<ChannelState[]>`
    select c.value as channel, count(d.sequence)::integer as waiting, count(d.failed_at) > 0 as failing
      from jsonb_array_elements_text(${sql.json(channels)}) with ordinality as c(value, position)
      left join viewkeeper.deliveries d on d.channel = c.value
     group by c.value, c.position order by c.position`),
]
