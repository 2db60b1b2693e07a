import type { Sql } from '../../src/server/database.ts'
import type { EventType } from '../../src/words/event.ts'

/** What a channel takes: what people are told, or events for programs. */
type WhatIsTaken = 'notices' | { events: readonly EventType[] }

/** Somebody who is told: an address of mail, a chat, or a program. */
export interface Channel {
  /** As the metrics, the log and `viewkeeper.deliveries` call it: `mail ops@example.com`, `webhook cache`, `chat team`. */
  name: string
  takes: WhatIsTaken
  /** Hears only what its filter lets through. */
  isFiltered?: boolean
  /** Delivers a message, whose key is the same at each try. Throws Undelivered. */
  send(message: unknown, key: string): Promise<void>
}

/** Why a channel has not taken a message: in words without addresses, secrets and what the other side has written. */
export class Undelivered extends Error {
  override readonly name = 'Undelivered'
}

/** So long a channel has for one message. */
export const sendMs = 15_000

/** Posts to an address. Everything but 2xx is a refusal: a redirect could lead a signed message anywhere. */
export async function post(url: string, body: string, headers: Record<string, string>): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'user-agent': 'viewkeeper', ...headers },
    redirect: 'manual',
    signal: AbortSignal.timeout(sendMs),
  }).catch((error: Error) => {
    throw new Undelivered(`no answer (${codeOf(error)})`)
  })
  await response.body?.cancel().catch(() => {})
  if (!response.ok) throw new Undelivered(`it answered ${response.status}`)
}

/** `ECONNREFUSED`, `TimeoutError` */
function codeOf({ name, cause }: Error): string {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException
  return code ?? name
}

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
