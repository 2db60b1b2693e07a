import type { Telling } from '../../events/plan/reminders.ts'
import type { FoundTrouble, Trouble, TroubleChange } from '../../events/plan/troubles.ts'
import type { Sql } from '../../server/connect.ts'

/** The longest time that views are aside, or paused without an end, without a word. */
const longest = { aside: '1 hour', paused: '7 days' }

/** Nobody wants to hear of a pause more often. */
const pausesApartSeconds = 7 * 24 * 3600

/** A query for the names of the views that have been paused for long, without an end, in their order. */
export const forgottenPauses = (sql: Sql) => sql`
  select format('%I.%I', d.schema_name, d.name) as name from viewkeeper.definitions d
   where d.removed_at is null and d.paused_at < clock_timestamp() - ${longest.paused}::interval and not exists (
           select from viewkeeper.switches s where s.key = 'pause ends' and s.value ? d.id::text)
   order by d.schema_name, d.name`

/** What has been set aside for long, views and functions, longest first; and the forgotten pauses. */
export async function readLasting(sql: Sql): Promise<{ aside: string[]; paused: string[] }> {
  const [lasting] = await sql<[{ aside: string[]; paused: string[] }]>`
    select to_jsonb(array(select name from viewkeeper.set_aside
                  where set_aside_at < clock_timestamp() - ${longest.aside}::interval order by set_aside_at, act, position)) as aside,
           to_jsonb(array(${forgottenPauses(sql)})) as paused`
  return lasting
}

/**
 * Notes the troubles that there were at `readAt`, and returns those that have begun or ended since they were noted last. Of two monitors
 * at once, the second waits for the rows of the first; what one has noted since the other read is not noted back.
 */
export async function noteTroubles(sql: Sql, found: FoundTrouble[], readAt: Date): Promise<TroubleChange[]> {
  const changes = await sql<TroubleChange[]>`
    with found as materialized (select * from jsonb_to_recordset(${sql.json(found as never)}) as f(trouble text, name text)),
    ended as (
      update viewkeeper.troubles set over_at = clock_timestamp()
       where (trouble, name) in (
         select trouble, name from viewkeeper.troubles
          where over_at is null and began_at < ${readAt} and (trouble, name) not in (select trouble, name from found)
          order by trouble, name for no key update)
      returning trouble, name, began_at, over_at),
    begun as (
      insert into viewkeeper.troubles as t (trouble, name)
      select distinct trouble, name from found left join viewkeeper.troubles known using (trouble, name)
       where known.name is null or known.over_at < ${readAt} order by trouble, name
      on conflict (trouble, name) do update set began_at = excluded.began_at, over_at = null where t.over_at < ${readAt}
      returning trouble, name, began_at)
    select trouble, name, began_at as "beganAt", over_at as "endedAt" from ended
    union all
    select trouble, name, began_at, null from begun
     order by 1, 2`
  return [...changes]
}

/**
 * Notes that people are told now of what they have not been told, and of everything with the same trouble if a reminder is due, so that
 * one mail reminds of all; returns what they are told of. Of two monitors at once, one tells.
 */
export async function noteTold(
  sql: Sql,
  { remindSeconds, apartSeconds }: Telling,
): Promise<{ trouble: Trouble; name: string }[]> {
  const before = (seconds: number | null) => sql`(clock_timestamp() - make_interval(secs => ${seconds}))`
  const rarely = remindSeconds === null ? null : Math.max(remindSeconds, pausesApartSeconds)
  const told = await sql<{ trouble: Trouble; name: string }[]>`
    with due as (
      select trouble, bool_or(over_at is null and told_at >= began_at and told_at <= case trouble when 'paused' then ${before(rarely)} else ${before(remindSeconds)} end) as reminds
        from viewkeeper.troubles group by trouble having (max(told_at) > ${before(apartSeconds)}) is not true)
    update viewkeeper.troubles set told_at = clock_timestamp()
     where (trouble, name) in (
       select t.trouble, t.name from viewkeeper.troubles t join due using (trouble)
        where t.over_at is null and ((t.told_at >= t.began_at) is not true or due.reminds and t.told_at <= ${before(apartSeconds)})
        order by t.trouble, t.name for no key update of t)
    returning trouble, name`
  return [...told]
}
