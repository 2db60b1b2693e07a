import { type Sql, withTransaction } from '../../server/connect.ts'
import type { NewsKind } from '../plan/alarms.ts'
import type { Covered } from '../plan/notice-plan.ts'

// The switch `notice` holds the notice that is being sent, and up to when notices have told of each kind of news:
// { holder, token, until, covers: <Covered>, covered: { <kind>: <time> } }.

/**
 * Takes the right to send a notice, for so many seconds, and gives a token for it. Null: somebody else is sending
 * one. The same holder may take it again, which ends the earlier token: that is a retry of a sender that died.
 */
export async function takeNotice(sql: Sql, holder: string, seconds: number): Promise<string | null> {
  const lease = sql`
    jsonb_build_object('holder', ${holder}::text, 'token', gen_random_uuid(),
                       'until', clock_timestamp() + make_interval(secs => ${seconds}))`
  const [row] = await sql<{ token: string }[]>`
    insert into viewkeeper.switches as s (key, value) values ('notice', ${lease})
    on conflict (key) do update
      set value = (s.value - 'covers') || excluded.value, updated_at = clock_timestamp()
     where s.value ->> 'holder' is null or s.value ->> 'holder' = ${holder}
        or (s.value ->> 'until')::timestamptz < clock_timestamp()
    returning value ->> 'token' as token`
  return row?.token ?? null
}

/** Remembers what the notice tells of. The sender says later that the notice is sent. False if the token has ended. */
export async function noteCovered(sql: Sql, token: string, covers: Covered): Promise<boolean> {
  const { count } = await sql`
    update viewkeeper.switches set value = value || jsonb_build_object('covers', ${sql.json(covers as never)}::jsonb)
     where key = 'notice' and value ->> 'token' = ${token}`
  return count > 0
}

/**
 * Marks as told what the notice with this token has told of, and lets the next sender in. False if another sender has
 * taken over: then nothing is marked, and the other sender tells the same again.
 */
export const confirmNotice = (sql: Sql, token: string): Promise<boolean> =>
  withTransaction(sql, async (transaction) => {
    const [row] = await transaction<{ covers: Covered }[]>`
      select value -> 'covers' as covers from viewkeeper.switches
       where key = 'notice' and value ->> 'token' = ${token} and value ? 'covers' for update`
    if (row === undefined) return false
    const { batches, told, kinds, spent } = row.covers
    // Rows are locked in the order in which the monitor locks them: otherwise the two may wait for each other.
    await transaction`
      select from viewkeeper.batches
       where id in (select value from jsonb_array_elements_text(${transaction.json(batches)}))
       order by serial for no key update`
    await transaction`
      update viewkeeper.batches set noticed_at = clock_timestamp()
       where id in (select value from jsonb_array_elements_text(${transaction.json(batches)}))`
    await transaction`
      select from viewkeeper.troubles
       where (trouble, name) in (
         select trouble, name from jsonb_to_recordset(${transaction.json(told)}) as n(trouble text, name text))
       order by trouble, name for no key update`
    await transaction`
      update viewkeeper.troubles t set noticed_at = n.stamp
        from jsonb_to_recordset(${transaction.json(told)}) as n(trouble text, name text, stamp timestamptz)
       where t.trouble = n.trouble and t.name = n.name`
    await transaction`
      update viewkeeper.switches set updated_at = clock_timestamp(), value = jsonb_build_object('covered',
               coalesce(value -> 'covered', '{}')
               - array(select jsonb_array_elements_text(${transaction.json(spent)})) || (
                 select coalesce(jsonb_object_agg(kind, switches.value -> 'covers' -> 'at'), '{}')
                   from jsonb_array_elements_text(${transaction.json(kinds)}) as kind))
       where key = 'notice'`
    return true
  })

/** Up to which moment notices have told of each kind of news. */
export async function readCovered(sql: Sql): Promise<Partial<Record<NewsKind, Date>>> {
  const rows = await sql<{ kind: NewsKind; at: Date }[]>`
    select c.key as kind, c.value::timestamptz as at
      from viewkeeper.switches s cross join lateral jsonb_each_text(s.value -> 'covered') c where s.key = 'notice'`
  return Object.fromEntries(rows.map(({ kind, at }) => [kind, at]))
}
