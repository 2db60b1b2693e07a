import type { Sql } from '../../server/connect.ts'
import type { WaitingEvent } from '../plan/in-order.ts'
import type { News } from '../plan/news.ts'

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

/** Whether anything waits to be put on the bus. */
export async function eventsWait(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ wait: boolean }]>`
    select exists (select from viewkeeper.events)
        or exists (select from viewkeeper.runs r where r.finished_at is not null and r.announced_at is null)
        or exists (select from viewkeeper.batches b where b.finished_at is not null and b.announced_at is null) as wait`
  return row.wait
}

/** Forgets the events that wait for a bus: the environment has none. */
export async function forgetEvents(sql: Sql): Promise<void> {
  await sql`delete from viewkeeper.events where type <> 'Message'`
}
