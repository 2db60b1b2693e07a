import type { Sql } from '../../server/database.ts'
import { withTransaction } from '../../server/transactions.ts'
import { type CommandTarget, command } from '../../words/commands.ts'
import { mayWaitSeconds } from '../../words/event.ts'
import { waitingSince } from '../events/outbox.ts'
import type { FailingChannel, FailingStep, FoundWrong, Heard, NotedSilence } from '../plan/watch.ts'

/** The advancer of a batch tries again every minute. */
const settledAfterSeconds = 180

/** Ends in the future, as a clock leaves them that is set back, become ends of now. */
export async function mendEnds(sql: Sql): Promise<void> {
  await sql`select viewkeeper.mend_ends()`
}

/**
 * Notes that the monitor looks now, what is planned, whether anybody is told what it finds, since when something waits to be sent, and whether the database lacks the newest migration that was
 * deployed. `heard` is kept for three hours. Not settled in the first minutes after more than `absentSeconds` without a look: perhaps the
 * database was away, and the advancers of batches have not tried again yet.
 */
export async function noteLook(
  sql: Sql,
  absentSeconds: number,
  {
    told = null,
    newestMigration = null,
    typed = null,
    heard = null,
    schedules,
  }: {
    told?: boolean | null
    newestMigration?: number | null
    typed?: CommandTarget
    heard?: Heard | null
    schedules: object
  },
): Promise<{ settled: boolean; heard: Heard | null }> {
  const [noted] = await sql<[{ settled: boolean; heard: Heard | null }]>`
    insert into viewkeeper.switches as s (key, value)
    values ('looked', jsonb_build_object('at', clock_timestamp(), 'told', ${told}::boolean, 'schedules', ${sql.json(schedules as never)}::jsonb, 'waitingSince', ${waitingSince(sql)},
              'heard', ${heard && sql.json(heard as never)}::jsonb || jsonb_build_object('at', clock_timestamp()),
              'migrates', ${command(['migrate', 'up'], typed)}::text, 'lacks', (select ${newestMigration}::integer where ${newestMigration}::integer > (select coalesce(max(number), 0) from viewkeeper.migrations))))
    on conflict (key) do update set updated_at = clock_timestamp(), value = excluded.value || jsonb_build_object(
      'resumed', case when (s.value ->> 'at')::timestamptz < clock_timestamp() - make_interval(secs => ${absentSeconds})
                      then to_jsonb(clock_timestamp()) else s.value -> 'resumed' end,
      'heard', case when excluded.value ->> 'heard' is null and (s.value #>> '{heard,at}')::timestamptz > clock_timestamp() - interval '3 hours'
                    then s.value -> 'heard' else excluded.value -> 'heard' end)
    returning nullif(value -> 'heard', 'null') as heard,
      coalesce((value ->> 'resumed')::timestamptz < clock_timestamp() - make_interval(secs => ${settledAfterSeconds}), true) as settled`
  return noted
}

/** The server's time. */
export async function readClock(sql: Sql): Promise<Date> {
  const [row] = await sql<[{ now: Date }]>`select clock_timestamp() as now`
  return row.now
}

/** What is planned, as the last look has noted it: the same through every door. Null: nobody has looked for hours, or may say so. */
export async function readPlanned<Schedules extends object>(sql: Sql): Promise<Schedules | null> {
  const [row] = await sql<{ schedules: Schedules | null }[]>`
    select value -> 'schedules' as schedules from viewkeeper.switches
     where key = 'looked' and (value ->> 'at')::timestamptz > clock_timestamp() - interval '3 hours'`
  return row?.schedules ?? null
}

/** When the monitor last looked; null: never. */
export async function readLastLook(sql: Sql): Promise<Date | null> {
  const [look] = await sql<{ at: Date }[]>`
    select (value ->> 'at')::timestamptz as at from viewkeeper.switches where key = 'looked'`
  return look?.at ?? null
}

/**
 * Begins to monitor a database, at its first deploy: the ends of runs and batches are published from now on. What somebody tried there
 * before is marked as published, and as nothing that programs have to be told. False if it had begun before: then nothing changes.
 */
export const beginMonitoring = (sql: Sql): Promise<boolean> =>
  withTransaction(sql, async (transaction) => {
    const { count } = await transaction`
      insert into viewkeeper.switches (key, value) values ('monitored', jsonb_build_object('since', clock_timestamp()))
      on conflict do nothing`
    if (count === 0) return false
    await transaction`
      update viewkeeper.runs set published_at = coalesce(published_at, clock_timestamp()),
             announced_at = coalesce(announced_at, '-infinity')
       where finished_at is not null and (published_at is null or announced_at is null)`
    await transaction`
      update viewkeeper.batches set published_at = coalesce(published_at, clock_timestamp()),
             announced_at = coalesce(announced_at, '-infinity')
       where finished_at is not null and (published_at is null or announced_at is null)`
    await transaction`delete from viewkeeper.events`
    return true
  })

/** The longest time that views are aside, paused without an end, or wait for a lock, without a word. */
const longest = { aside: '1 hour', paused: '7 days', waiting: '1 min' }

/** A query for the names of the views that have been paused for long, without an end, in their order. */
const forgottenPauses = (sql: Sql) => sql`
  select format('%I.%I', d.schema_name, d.name) as name from viewkeeper.definitions d
   where d.removed_at is null and d.paused_at < clock_timestamp() - ${longest.paused}::interval and not exists (
           select from viewkeeper.switches s where s.key = 'pause ends' and s.value ? d.id::text)
   order by d.schema_name, d.name`

interface Lasting {
  aside: string[]
  paused: string[]
  wrong: FoundWrong[]
  waits: string[]
}

/** What has been set aside for long, views and functions, longest first; the forgotten pauses; whose rows a strategy has left wrong; and whose runs have waited for a lock for a minute. */
export async function readLasting(sql: Sql, waiting: string = longest.waiting): Promise<Lasting> {
  const { tellWrong, wrongOnes } = await import('../plan/wrong-slices.ts')
  type Wrong = Parameters<typeof tellWrong>[0]
  const [{ wrong, ...lasting }] = await sql<[Omit<Lasting, 'wrong'> & { wrong: Wrong[] }]>`
    select to_jsonb(array(select name from viewkeeper.set_aside
                  where set_aside_at < clock_timestamp() - ${longest.aside}::interval order by set_aside_at, act, position)) as aside,
           to_jsonb(array(${forgottenPauses(sql)})) as paused,
           to_jsonb(array(
             select distinct format('%I.%I', r.schema_name, r.view_name) from viewkeeper.runs r
              where r.status = 'running' and viewkeeper.has_waited(r.backend_pid, r.backend_start, ${waiting}::interval))) as waits,
           to_jsonb(array(${sql.unsafe(wrongOnes)})) as wrong`
  return { ...lasting, wrong: wrong.map(tellWrong) }
}

/**
 * Whether the views as they were at `readAt` may be written down: not if another monitor has written what it read later, by a clock that was
 * not set back since. The outbox is locked.
 */
export async function mayNote(sql: Sql, readAt: Date): Promise<boolean> {
  const { count } = await sql`
    insert into viewkeeper.switches as s (key, value) values ('noted', jsonb_build_object('at', ${readAt}::timestamptz))
    on conflict (key) do update set updated_at = clock_timestamp(), value = excluded.value
     where (s.value ->> 'at')::timestamptz < ${readAt}::timestamptz or (s.value ->> 'at')::timestamptz > clock_timestamp()`
  return count > 0
}

/** After so many looks without it, a step is told to fail. */
const toldAfter = 2

/** Notes how the steps of a look have ended; returns those that fail, by name. */
export async function noteSteps(
  sql: Sql,
  { done, failed }: { done: string[]; failed: Record<string, string> },
): Promise<FailingStep[]> {
  return sql<FailingStep[]>`
    with noted as (
      insert into viewkeeper.switches as s (key, value)
      select 'steps', (select coalesce(jsonb_object_agg(name, jsonb_build_object('at', clock_timestamp())), '{}') from jsonb_array_elements_text(${sql.json(done)}) name)
                      || (select coalesce(jsonb_object_agg(name, jsonb_build_object('failures', 1, 'since', clock_timestamp(), 'error', error)), '{}')
                            from jsonb_each_text(${sql.json(failed)}) f(name, error))
      on conflict (key) do update set updated_at = clock_timestamp(), value = (
        select coalesce(jsonb_object_agg(name, of), '{}') from jsonb_each(s.value) o(name, of)
         where excluded.value ? name or (of ->> 'at')::timestamptz > clock_timestamp() - interval '1 hour') || (
        select coalesce(jsonb_object_agg(name, coalesce(s.value -> name, '{}') || of || case when of ? 'error'
                 then jsonb_build_object('failures', coalesce((s.value #>> array[name, 'failures'])::integer, 0) + 1, 'since', coalesce(s.value #> array[name, 'since'], of -> 'since'))
                 else '{"failures": 0, "since": null}' end), '{}')
          from jsonb_each(excluded.value) n(name, of))
      returning value)
    select name as step, (of ->> 'since')::timestamptz as since, of ->> 'error' as error
      from noted cross join jsonb_each(noted.value) s(name, of) where (of ->> 'failures')::integer >= ${toldAfter} order by 1`
}

/** When each step of a look was last done, by name. */
export const readSteps = (sql: Sql): Promise<{ step: string; at: Date }[]> => sql<
  { step: string; at: Date }[]
>`
  select name as step, (of ->> 'at')::timestamptz as at from viewkeeper.switches s cross join jsonb_each(s.value) e(name, of)
   where s.key = 'steps' and of ? 'at' order by 1`

/** The channels that fail, by name. */
export const readFailingChannels = async (sql: Sql): Promise<FailingChannel[]> => [
  ...(await sql<FailingChannel[]>`
    select channel, min(failed_at) as since, max(error) as error
      from viewkeeper.deliveries where failed_at is not null group by channel order by channel`),
]

/** What the last look of the monitor says of it, perhaps only of one view; nothing before the first. */
export async function readSilence(sql: Sql, view?: string): Promise<NotedSilence> {
  const [found] = await sql<NotedSilence[]>`
    select (looked.value ->> 'told')::boolean as told, (select w.since from (select (looked.value ->> 'waitingSince')::timestamptz) w(since)
             where w.since < (looked.value ->> 'at')::timestamptz - make_interval(secs => ${mayWaitSeconds})) as "waitingSince", (looked.value ->> 'lacks')::integer as lacks, looked.value ->> 'migrates' as migrates, nullif(looked.value -> 'heard', 'null') as heard,
           (select coalesce(jsonb_agg(jsonb_build_object('step', name, 'since', of ->> 'since', 'error', of ->> 'error') order by name), '[]')
              from viewkeeper.switches s cross join jsonb_each(s.value) e(name, of) where s.key = 'steps' and (of ->> 'failures')::integer >= ${toldAfter}) as steps, coalesce((
             select jsonb_agg(format('%I.%I', d.schema_name, d.name) order by d.schema_name, d.name) from viewkeeper.definitions d
              where d.removed_at is null and d.paused_at is null and d.schedule is distinct from 'none'
                -- What the next look will expect counts already.
                and (d.in_all and looked.value #>> '{schedules,nightly}' is not null
                     or num_nulls(d.schedule, d.target_lag_seconds) < 2 and (looked.value #>> '{schedules,views}')::boolean) is not true
                and d.scheduled_interval_seconds is null and d.promised_lag_seconds is null
                and exists (select from viewkeeper.live() v where v.schema_name = d.schema_name and v.name = d.name)), '[]') as unrefreshed,
           to_jsonb(array(${forgottenPauses(sql)})) as forgotten
      from viewkeeper.switches looked where looked.key = 'looked'`
  const ofView = (views: string[] = []) => views.filter((each) => view === undefined || each === view)
  return {
    unrefreshed: ofView(found?.unrefreshed),
    told: found?.told ?? null,
    forgotten: ofView(found?.forgotten),
    waitingSince: found?.waitingSince ?? null,
    lacks: found?.lacks ?? null,
    migrates: found?.migrates ?? null,
    heard: found?.heard ?? null,
    steps: (found?.steps ?? []).map((each) => ({ ...each, since: new Date(each.since) })),
  }
}
