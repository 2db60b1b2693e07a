import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/rights.ts'
import { withTransaction } from '../../server/transactions.ts'
import { type CommandTarget, command } from '../../words/commands.ts'
import { mayWaitSeconds } from '../../words/event.ts'
import { waitingSince } from '../events/outbox.ts'
import { isSlow } from '../plan/batch.ts'
import type {
  FailedBatch,
  FailingChannel,
  FoundWrong,
  Incident,
  ListedIncident,
  NotedSilence,
  SlowRun,
} from '../plan/watch.ts'
import { errorOf, mostCharacters } from '../runs/history.ts'

/** The advancer of a batch tries again every minute. */
const settledAfterSeconds = 180

/** Ends in the future, as a clock leaves them that is set back, become ends of now. */
export async function mendEnds(sql: Sql): Promise<void> {
  await sql`select viewkeeper.mend_ends()`
}

/**
 * Notes that the monitor looks now, what is planned, whether anybody is told what it finds, since when something waits to be sent, and whether the database lacks the newest migration that was
 * deployed. False in the first minutes after more than `absentSeconds` without a look: perhaps the database was away, and the advancers
 * of batches have not tried again yet.
 */
export async function noteLook(
  sql: Sql,
  absentSeconds: number,
  {
    told = null,
    newestMigration = null,
    typed = null,
    schedules,
  }: { told?: boolean | null; newestMigration?: number | null; typed?: CommandTarget; schedules: object },
): Promise<boolean> {
  const [{ settled }] = await sql<[{ settled: boolean }]>`
    insert into viewkeeper.switches as s (key, value)
    values ('looked', jsonb_build_object('at', clock_timestamp(), 'told', ${told}::boolean, 'schedules', ${sql.json(schedules as never)}::jsonb, 'waitingSince', ${waitingSince(sql)},
              'migrates', ${command(['migrate', 'up'], typed)}::text, 'lacks', (select ${newestMigration}::integer where ${newestMigration}::integer > (select coalesce(max(number), 0) from viewkeeper.migrations))))
    on conflict (key) do update set updated_at = clock_timestamp(), value = excluded.value || jsonb_build_object(
      'resumed', case when (s.value ->> 'at')::timestamptz < clock_timestamp() - make_interval(secs => ${absentSeconds})
                      then to_jsonb(clock_timestamp()) else s.value -> 'resumed' end)
    returning
      coalesce((value ->> 'resumed')::timestamptz < clock_timestamp() - make_interval(secs => ${settledAfterSeconds}), true) as settled`
  return settled
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

/** The batches of the last day that failed by themselves, and not all of whose views have succeeded since, oldest first. */
export const readFailedBatches = async (sql: Sql): Promise<FailedBatch[]> => [
  ...(await sql<FailedBatch[]>`
    select b.id, b.finished_at as "finishedAt", ${sql.unsafe(errorOf('b', ['class', 'message', 'sqlstate'], mostCharacters))} as error
      from viewkeeper.batches b
     where b.status = 'failed' and b.error ->> 'class' <> 'ViewsFailed' and b.finished_at > clock_timestamp() - interval '1 day'
       and (exists (select from viewkeeper.batch_views v left join viewkeeper.latest_runs k on k.definition_id = v.definition_id
                     where v.batch_id = b.id and (k.last_success_at > b.finished_at) is not true)
            or not exists (select from viewkeeper.batch_views v where v.batch_id = b.id)
               and not exists (select from viewkeeper.batches later where later.serial > b.serial and later.status = 'success'))
     order by b.serial limit 20`),
]

/**
 * What the refresh of run `r` usually takes: the average of the 20 successes before, `usual`; where a log of changes tells which slices to compute, of a
 * refresh of all of them what the last one took to fill, and what this one did besides.
 */
export const usualMs = (sql: Sql) => sql`
  case when r.meta #> '{response,slices}' ? 'world' and not r.meta #> '{response,slices}' ? 'anew'
       then (r.meta #>> '{response,slices,wholeMs}')::float8 + coalesce(r.duration_ms - (r.meta #>> '{response,fillMs}')::float8, 0) else usual.ms end`

/** The last successful refreshes of these views, and of those that were slow when it was last looked, if they took much longer than usual. */
export async function readSlowRuns(sql: Sql, views: string[]): Promise<SlowRun[]> {
  const before = await sql<{ subject: string }[]>`
    select subject from viewkeeper.incidents where resolved_at is null and 'slow' = any (kinds)`
  return slowAmong(sql, [...new Set([...views, ...before.map(({ subject }) => subject)])])
}

/** The same of these views only. */
export async function slowAmong(sql: Sql, suspects: string[]): Promise<SlowRun[]> {
  if (suspects.length === 0) return []
  const runs = await sql<SlowRun[]>`
    select s.view, r.id, r.duration_ms as "durationMs", ${usualMs(sql)} as "usualMs", (
             select coalesce(jsonb_agg(jsonb_build_array(c.what, c.before, c.now)) filter (where c.before <> c.now), '[]')
               from (select b.* from viewkeeper.runs b
                      where b.definition_id = d.id and b.id < r.id and b.status = 'success' and b.operation = 'refresh' order by b.id desc limit 1) b
               left join lateral (
                 select t.oid::regclass::text as name, t.reltuples::int8 as before, s.n_live_tup as now
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_rewrite w on w.ev_class = c.oid
                   join pg_depend p on p.classid = 'pg_rewrite'::regclass and p.objid = w.oid and p.refclassid = 'pg_class'::regclass and p.refobjid <> c.oid
                   join pg_class t on t.oid = p.refobjid and t.reltuples >= 0 join pg_stat_all_tables s on s.relid = t.oid
                  where n.nspname = d.schema_name and c.relname = d.name and abs(s.n_live_tup - t.reltuples) > 1000 + t.reltuples / 5
                  order by abs(s.n_live_tup - t.reltuples) desc limit 1) grown on true
              cross join lateral (
                with recursive below(name) as (select s.view union select unnest(t.reads) from below join viewkeeper.parts t on t.name = below.name)
                select string_agg(i ->> 'sql', '; ') as index from below join viewkeeper.parts t on t.name = below.name cross join jsonb_array_elements(t.lost) i
                 where t.kind in ('r', 'p') and t.lost_at > b.finished_at - interval '1 hour') missing
              cross join lateral (values
                ('strategy', b.meta #>> '{response,strategy}', r.meta #>> '{response,strategy}'),
                ('rows', b.row_count_after::text, r.row_count_after::text),
                ('since the last analyze, rows of ' || grown.name, grown.before::text, grown.now::text),
                ('an index', missing.index, 'gone'),
                ('tries for its locks', b.meta #>> '{response,attempts}', r.meta #>> '{response,attempts}'),
                ('settings', b.meta #>> '{request,settings}', r.meta #>> '{request,settings}')) c(what, before, now)) as changed
      from (select value as view from jsonb_array_elements_text(${sql.json(suspects)})) s
      join viewkeeper.definitions d on d.removed_at is null and format('%I.%I', d.schema_name, d.name) = s.view
      join viewkeeper.latest_runs l on l.definition_id = d.id
      join viewkeeper.runs r on r.id = l.last_success_id and r.operation = 'refresh'
     cross join lateral viewkeeper.usual_duration(d.id, r.id) usual order by s.view`
  return runs.filter(({ durationMs, usualMs }) => isSlow(durationMs, usualMs))
}

/** The incidents that are open, of whose end people have to be told yet, or of these subjects. */
export const readIncidents = async (sql: Sql, subjects: string[]): Promise<Incident[]> => [
  ...(await sql<Incident[]>`
    select ${columns(sql)} from viewkeeper.incidents i
     where i.resolved_at is null or i.told_cause is not null or i.subject in (select value from jsonb_array_elements_text(${sql.json(subjects)}))
     order by i.subject`),
]

const columns = (sql: Sql) => sql`
  i.subject, to_jsonb(i.kinds) as kinds, i.opened_at as "openedAt", i.changed_at as "changedAt", i.resolved_at as "resolvedAt",
  i.culprit, i.cause, i.told_at as "toldAt", i.told_cause as "toldCause"`

/** The open incidents of views, as lists show them, by the names of the views. A login that may not read them sees none. */
export async function readOpenIncidents(sql: Sql): Promise<Map<string, ListedIncident>> {
  if (!(await mayUse(sql, 'select', 'incidents'))) return new Map()
  const rows = await sql<(ListedIncident & { subject: string })[]>`
    select subject, to_jsonb(kinds) as kinds, opened_at as "openedAt", culprit, cause ->> 'code' as code, cause ->> 'text' as text, cause ->> 'next' as next
      from viewkeeper.incidents where resolved_at is null`
  return new Map(rows.map(({ subject, ...incident }) => [subject, incident]))
}

/** Whether anything is open, or is over and people have to be told so. */
export async function isAnyUntold(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ any: boolean }]>`
    select exists (select from viewkeeper.incidents where resolved_at is null or told_cause is not null) as any`
  return row.any
}

/** Writes incidents as they are now. */
export async function writeIncidents(sql: Sql, incidents: Incident[]): Promise<void> {
  if (incidents.length === 0) return
  await sql`
    insert into viewkeeper.incidents as i (subject, kinds, opened_at, changed_at, resolved_at, culprit, cause, told_at, told_cause)
    select n.subject, n.kinds, n."openedAt", n."changedAt", n."resolvedAt", n.culprit, n.cause, n."toldAt", n."toldCause"
      from jsonb_to_recordset(${sql.json(incidents as never)}) as n(
             subject text, kinds text[], "openedAt" timestamptz, "changedAt" timestamptz, "resolvedAt" timestamptz, culprit text,
             cause jsonb, "toldAt" timestamptz, "toldCause" text)
    on conflict (subject) do update set kinds = excluded.kinds, opened_at = excluded.opened_at, changed_at = excluded.changed_at,
      resolved_at = excluded.resolved_at, culprit = excluded.culprit, cause = excluded.cause, told_at = excluded.told_at,
      told_cause = excluded.told_cause`
}

/** Removes what has been over for so many days. */
export async function pruneIncidents(sql: Sql, days: number): Promise<void> {
  await sql`
    delete from viewkeeper.incidents
     where resolved_at < clock_timestamp() - make_interval(days => ${days}) and told_cause is null`
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
             where w.since < (looked.value ->> 'at')::timestamptz - make_interval(secs => ${mayWaitSeconds})) as "waitingSince", (looked.value ->> 'lacks')::integer as lacks, looked.value ->> 'migrates' as migrates, coalesce((
             select jsonb_agg(format('%I.%I', d.schema_name, d.name) order by d.schema_name, d.name) from viewkeeper.definitions d
              where d.removed_at is null and d.paused_at is null and d.schedule is distinct from 'none'
                -- What the next look will expect counts already.
                and (d.in_all and looked.value #>> '{schedules,nightly}' is not null
                     or num_nulls(d.schedule, d.target_lag_seconds) < 2 and (looked.value #>> '{schedules,views}')::boolean) is not true
                and d.scheduled_interval_seconds is null and d.promised_lag_seconds is null
                and exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                             where n.nspname = d.schema_name and c.relname = d.name and c.relkind = 'm')), '[]') as unrefreshed,
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
  }
}
