import { unusableBecause } from '../../catalog/db/catalog.ts'
import type { Sql } from '../../server/database.ts'
import { insistOnNoBackup, readBackup } from '../../server/standbys.ts'
import { inTransaction, withTransaction } from '../../server/transactions.ts'
import { batchPlaces, quoteIdentifier } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import { type BatchError, type RunError, unknownDuration } from '../../words/run.ts'
import { type PlannedGroup, passing, type TogetherGroup, type TogetherView } from '../plan/batch.ts'
import { failureOf } from '../runs/failing.ts'
import { endsNow, hasStatus, isOpenBatch, type Transition } from '../runs/life.ts'
import { openBatch } from '../runs/runs.ts'
import { writeNextAttempts } from './attempts.ts'
import type { BatchView } from './batch-views.ts'
import type { Batch, RefreshedEach, WaitsForLock } from './batches.ts'

/** A group of a batch, as its answer shows it. */
export interface BatchGroup extends TogetherGroup {
  inPlace: boolean
  /** The room that the shadows take on disk, by the sizes of the views. */
  shadowBytes: number
  /** Why the shadows were dropped; null if they were not. */
  givenUp: Pick<BatchError, 'class' | 'message'> | null
}

/** How long the views of a group wait for somebody's lock on one of them, before each is refreshed by itself. */
const patienceSeconds = 5

/** What is known of a batch before its groups are decided. */
export interface Grouping {
  /** When all of them were decided. */
  groupedAt: Date | null
  /** The views on which nothing is decided yet because of a lock. */
  locked: WaitsForLock[]
  /** Whether they may wait any longer. */
  isPatient: boolean
  /** The pieces (see `piecesOf`) whose turn has not come, most urgent first; null before the first look. */
  pieces: number[][] | null
  /** The room of the shadows of the groups that are decided. */
  shadowBytes: number
}

/**
 * Locks the groups of an open batch for this transaction, so that they are decided once; and those of open batches that share a
 * view with it, so that each sees what the other builds. The row of its first view stands for a batch, whose own row is stamped meanwhile. `busy`: another call decides. Null if the batch does not go on.
 */
export async function lockGrouping(sql: Sql, { id }: { id: string }): Promise<Grouping | 'busy' | null> {
  const [lock] = await sql<[{ isFree: boolean }]>`
    with sharing as (
      select distinct o.batch_id from viewkeeper.batch_views v
        join viewkeeper.batch_views o on o.definition_id = v.definition_id
        join viewkeeper.batches b on b.id = o.batch_id and ${sql.unsafe(isOpenBatch)}
       where v.batch_id = ${id}),
    locked as (
      select v.batch_id from viewkeeper.batch_views v
        join (select f.batch_id, min(f.position) as position from viewkeeper.batch_views f
               where f.batch_id in (select s.batch_id from sharing s) group by 1) first using (batch_id, position)
         for no key update of v skip locked)
    select (select count(*) from sharing) = (select count(distinct l.batch_id) from locked l) as "isFree"`
  if (!lock.isFree) return 'busy'
  const [batch] = await sql<Grouping[]>`
    select b.grouped_at as "groupedAt", b.locked, b.pieces,
           coalesce((select min((l ->> 'since')::timestamptz) from jsonb_array_elements(b.locked) l)
             > clock_timestamp() - make_interval(secs => ${patienceSeconds}), true) as "isPatient",
           (select coalesce(sum(g.shadow_bytes), 0)::int8 from viewkeeper.batch_groups g where g.batch_id = b.id) as "shadowBytes"
      from viewkeeper.batches b
     where b.id = ${id} and ${sql.unsafe(isOpenBatch)} and b.cancel_requested_at is null`
  return batch ?? null
}

/** Those of these views of a batch that are there and in no group yet. */
export const readThere = (sql: Sql, { id }: { id: string }, ids: number[]) => sql<{ oid: number }[]>`
  select c.oid::int8 as oid from jsonb_array_elements_text(${sql.json(ids)}) x
    join viewkeeper.batch_views v on v.batch_id = ${id} and v.definition_id = x::integer
    join pg_catalog.pg_class c on c.oid = to_regclass(format('%I.%I', v.schema_name, v.view_name)) and c.relkind = 'm'
   where not exists (select from viewkeeper.batch_groups g where g.batch_id = ${id} and v.definition_id = any (g.members))
   order by v.position`

/** A view that a batch may exchange together with others. */
export type GroupCandidate = BatchView & TogetherView

/** These views of a batch, and of what reads them that which has a definition: it may come along. */
export async function readCandidates(
  sql: Sql,
  batch: Batch,
  ids: number[],
  readers: QualifiedName[],
): Promise<GroupCandidate[]> {
  const candidates = await sql<
    (Omit<GroupCandidate, Durations> & { [duration in Durations]: number | null })[]
  >`
  select d.id, d.schema_name as schema, d.name, format('%I.%I', d.schema_name, d.name) as view,
         v.batch_id is not null as asked, v.included_because as "includedBecause", coalesce(to_jsonb(v.parents), '[]') as parents,
         d.paused_at is not null as paused, coalesce(${batch.strategy}, d.refresh_strategy) as strategy,
         exists (select from pg_catalog.pg_index i
                  where i.indrelid = to_regclass(format('%I.%I', d.schema_name, d.name)) and i.indisunique
                    and ${unusableBecause(sql)} is null) as "hasKey",
         exists (${failureOf(sql)}) as failed,
         coalesce(v.retries, ${(batch.request.retries as number | undefined) ?? null}, d.retries) as retries,
         coalesce(v.retry_delay_seconds, d.retry_delay_seconds) as "retryDelaySeconds",
         coalesce(v.estimate_ms, usual.ms)::int8 as "estimateMs", coalesce(v.remaining_ms, usual.ms)::int8 as "remainingMs"
    from viewkeeper.definitions d
    left join viewkeeper.batch_views v on v.definition_id = d.id and v.batch_id = ${batch.id}
   cross join lateral viewkeeper.usual_duration(d.id) usual
   where v.batch_id is not null and d.id in (select value::integer from jsonb_array_elements_text(${sql.json(ids)})) or d.removed_at is null and (d.schema_name, d.name) in (
     select r ->> 'schema', r ->> 'name' from jsonb_array_elements(${sql.json(readers as never)}::jsonb) r)
   order by v.position nulls last, d.id`
  const unknownMs = unknownDuration(candidates.map(({ paused, estimateMs }) => (paused ? null : estimateMs)))
  return candidates.map((each) => ({
    ...each,
    estimateMs: each.estimateMs ?? unknownMs,
    remainingMs: each.remainingMs ?? unknownMs,
  }))
}

type Durations = 'estimateMs' | 'remainingMs'

/** A group that is formed. `inPlace`: as in TogetherGroup. */
export type FormedGroup<G = unknown> = PlannedGroup<G> & { number: number; inPlace: boolean }

/** What is decided: groups of a batch, and what else its answer tells of them. */
export interface Grouped {
  groups: FormedGroup[]
  each: RefreshedEach[]
  /** The views on which it was decided, with those that come along. */
  views: BatchView[]
  locked: RefreshedEach[]
}

/** Records groups of a batch, and the views that are refreshed by themselves, each with the reason. */
export async function recordGroups(
  sql: Sql,
  batchId: string,
  { groups, each }: Pick<Grouped, 'groups' | 'each'>,
): Promise<void> {
  for (const { number, members, shadowBytes, group, inPlace } of groups)
    await sql`
      insert into viewkeeper.batch_groups (batch_id, number, members, shadow_bytes, facts)
      select ${batchId}, ${number}, array(select value::integer from jsonb_array_elements_text(${sql.json(members)})),
             ${shadowBytes}, ${inPlace ? null : sql.json(group as never)}`
  await sql`
    update viewkeeper.batches set refreshed_each = refreshed_each || ${sql.json(each as never)} where id = ${batchId}`
}

/** Records on which views nothing is decided yet: those that wait for a lock, with the reason, and the pieces whose turn has not come. */
export async function recordUndecided(
  sql: Sql,
  batchId: string,
  { locked, pieces }: { locked: RefreshedEach[]; pieces: number[][] },
): Promise<void> {
  await sql`
    update viewkeeper.batches b
       set grouped_at = case when ${locked.length + pieces.length === 0} then clock_timestamp() end, pieces = ${sql.json(pieces)},
           locked = (select coalesce(jsonb_agg(jsonb_build_object('since', coalesce(
                              (select o -> 'since' from jsonb_array_elements(b.locked) o where o -> 'view' = l -> 'view'), to_jsonb(clock_timestamp()))) || l), '[]')
                       from jsonb_array_elements(${sql.json(locked as never)}::jsonb) l)
     where id = ${batchId}`
}

/** The groups of a batch, in their order. */
export const readBatchGroups = (sql: Sql, batchId: string): Promise<BatchGroup[]> => sql<BatchGroup[]>`
  select number, to_jsonb(members) as members, facts is null as "inPlace", shadow_bytes as "shadowBytes", given_up as "givenUp"
    from viewkeeper.batch_groups where batch_id = ${batchId} order by number`

/** The same without those that were given up. */
export const readOpenGroups = async (sql: Sql, batchId: string): Promise<BatchGroup[]> =>
  (await readBatchGroups(sql, batchId)).filter(({ givenUp }) => givenUp === null)

/** A view that a batch would build, and of which another batch is building a shadow, or waits to do so. */
export interface BuiltElsewhere extends RefreshedEach {
  id: number
  oid: number
}

/**
 * Those of these views, by the ids of their definitions, that another batch is building, as long as somebody advances that; or that an older
 * one waits for, so that a batch that comes often does not keep others out. A batch that has groups of its own waits for
 * older ones only, so no two wait for each other. An exchange that readers keep from its locks for longer is waited for only by who insists on a
 * swap.
 */
export const readBuiltElsewhere = (
  sql: Sql,
  { id, serial, strategy }: Batch,
  ids: number[],
): Promise<BuiltElsewhere[]> => sql<BuiltElsewhere[]>`
  select distinct on (d.id) d.id, format('%I.%I', d.schema_name, d.name) as view, c.oid::int8 as oid,
         format('batch %s %s', b.id, case when waits then 'waits for it, and began earlier' else 'is building it' end) as because
    from viewkeeper.definitions d
    join pg_catalog.pg_class c on c.oid = to_regclass(format('%I.%I', d.schema_name, d.name)) and c.relkind = 'm'
    join viewkeeper.batches b on b.id <> ${id} and ${sql.unsafe(isOpenBatch)} and b.cancel_requested_at is null
         and b.advanced_at > clock_timestamp() - interval '1 min'
         and (b.serial < ${serial} or not exists (select from viewkeeper.batch_groups own where own.batch_id = ${id}))
   cross join lateral (
     select false from viewkeeper.batch_groups g
      where g.batch_id = b.id and g.given_up is null
        and (d.id = any (g.members) or exists (select from jsonb_array_elements(g.facts -> 'members') m where (m ->> 'oid')::int8 = c.oid::int8))
        and not exists (select from viewkeeper.runs r where r.batch_id = b.id
               and (r.definition_id = d.id and r.status = 'success' or r.definition_id = any (g.members) and r.built_at is not null and ${strategy !== 'swap'}
                    and (r.status = 'failed' or r.status = 'running' and r.updated_at < clock_timestamp() - make_interval(secs => ${patienceSeconds}))))
      union all
     select true from jsonb_array_elements(b.locked) l where b.serial < ${serial} and l ->> 'view' = format('%I.%I', d.schema_name, d.name)) x(waits)
   where d.id in (select value::integer from jsonb_array_elements_text(${sql.json(ids)}))
   order by d.id, waits, b.serial`

/** Locks the definitions of views that a batch is about to build, until its transaction ends: then others see that. False if another one has. */
export async function lockMembers(sql: Sql, ids: number[]): Promise<boolean> {
  const locked = await sql`
    select from viewkeeper.definitions d
     where d.id in (select value::integer from jsonb_array_elements_text(${sql.json(ids)})) for no key update skip locked`
  return locked.length === new Set(ids).size
}

/**
 * Drops the shadows of a group. Its built runs end as skipped, with the reason, and their views get another attempt, which
 * refreshes each by itself, unless a check holds the group back: then none of it is shown. So do the views whose exchange failed
 * for another reason than a lock. Does nothing if the group was given up already, or the batch does not go on.
 */
export function giveUpGroup(
  sql: Sql,
  { id, serial }: { id: string; serial: number },
  { number }: TogetherGroup,
  why: Pick<BatchError, 'class' | 'message'>,
): Promise<void> {
  return withTransaction(sql, async (transaction) => {
    const [group] = await transaction<{ members: number[]; inPlace: boolean }[]>`
      with place as (${openBatch(transaction, id)})
      update viewkeeper.batch_groups g set given_up = ${transaction.json(why as never)} from place
       where g.batch_id = ${id} and g.number = ${number} and g.given_up is null
      returning to_jsonb(g.members) as members, g.facts is null as "inPlace"`
    if (group === undefined) return
    await transaction`
      with of_group as (
        select value::integer as id from jsonb_array_elements_text(${transaction.json(group.members)})),
      gone as (${endBuilt(transaction, id, group.members, { ...why, class: 'NotExchanged' })}),
      again as (
        select * from gone
        union all
        select r.* from viewkeeper.runs r
         where r.batch_id = ${id} and r.status = 'failed' and (r.built_at is not null or ${group.inPlace})
           and r.definition_id in (select g.id from of_group g)
           and not r.error ->> 'class' in (select value from jsonb_array_elements_text(${transaction.json(passing)})))
      ${writeNextAttempts(transaction, transaction`select * from again where ${why.class !== 'CheckFailed'}`, null)}`
    await dropShadows(transaction, serial)
  })
}

/**
 * Drops the shadows that no open batch needs any more: those of one batch, or of all. Returns the schemas that are gone. A backup
 * that has begun beside them keeps them: the monitor looks again.
 */
export async function dropShadows(sql: Sql, serial: number | null = null): Promise<string[]> {
  const schemas = await sql<{ name: string }[]>`
    select n.nspname as name from pg_catalog.pg_namespace n
     where n.nspname ~ ${serial === null ? batchPlaces : `^viewkeeper_b${serial}_[0-9]+_[0-9]+(_old)?$`}
       and pg_has_role(n.nspowner, 'USAGE')
       and not exists (
         select from viewkeeper.batches b join viewkeeper.batch_groups g on g.batch_id = b.id
          where ${sql.unsafe(isOpenBatch)} and g.given_up is null
            and starts_with(n.nspname, format('viewkeeper_b%s_%s_', b.serial, g.number)))`
  const dropped: string[] = []
  if (schemas.length === 0 || (await readBackup(sql)) !== null) return dropped
  for (const { name } of schemas) {
    const done = await inTransaction(sql, async (part) => {
      await part.unsafe(`drop schema if exists ${quoteIdentifier(name)} cascade`)
      await insistOnNoBackup(part)
      return true
    }).catch(() => false) // somebody holds a lock, or a backup has begun: the monitor looks again
    if (done) dropped.push(name)
  }
  return dropped
}

/** The shadow of a run is dropped, because its group is not exchanged. */
export const givingUp: Transition = {
  from: ['built'],
  to: ['skipped'],
  proof: 'the group of the view is given up in the same transaction, and the batch goes on',
}

/** The statement that ends the built runs of these definitions in a batch. */
const endBuilt = (sql: Sql, batchId: string, definitionIds: number[], error: RunError) => sql`
  update viewkeeper.runs r set status = 'skipped', ${sql.unsafe(endsNow)}, group_run_id = null,
           as_of = null, held_back_by = null, filled = null, inputs = null, touched = null, error = ${sql.json(error as never)}
   where r.batch_id = ${batchId} and ${sql.unsafe(hasStatus(givingUp.from))}
     and r.definition_id in (select value::integer from jsonb_array_elements_text(${sql.json(definitionIds)}))
  returning *`
