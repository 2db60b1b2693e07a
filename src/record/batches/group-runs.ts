import type { Sql } from '../../server/database.ts'
import { withTransaction } from '../../server/transactions.ts'
import type { RunPlan } from '../../sql/run-plan.ts'
import type { TogetherGroup } from '../plan/batch.ts'
import { openBatch, sentOnce } from '../runs/runs.ts'

/** The numbers of the groups that the batch has, and of those whose places somebody else has taken. */
export async function readTakenNumbers(
  sql: Sql,
  { id, serial }: { id: string; serial: number },
): Promise<Set<string>> {
  const rows = await sql<{ number: string }[]>`
    select substring(nspname from ${`^viewkeeper_b${serial}_([0-9]+)_`}) as number from pg_catalog.pg_namespace
     where nspname ~ ${`^viewkeeper_b${serial}_[0-9]+_`}
    union
    select number::text from viewkeeper.batch_groups where batch_id = ${id}`
  return new Set(rows.map(({ number }) => number))
}

/** The facts from which the shadows of a group were made. */
export async function readGroupFacts<Facts>(
  sql: Sql,
  batchId: string,
  number: number,
): Promise<Facts | undefined> {
  const [row] = await sql<{ facts: Facts | null }[]>`
    select facts from viewkeeper.batch_groups where batch_id = ${batchId} and number = ${number}`
  return row?.facts ?? undefined
}

/** The views of a group that somebody has filled since their shadows began to be filled, in words; null: none. */
export async function readNewer(
  sql: Sql,
  batchId: string,
  { members }: TogetherGroup,
): Promise<string | null> {
  const [{ newer }] = await sql<[{ newer: string | null }]>`
    select nullif(viewkeeper.newer('{}', array(
      select r.id from viewkeeper.runs r
       where r.batch_id = ${batchId} and r.status = 'built'
         and r.definition_id in (select value::integer from jsonb_array_elements_text(${sql.json(members)})))), '') as newer`
  return newer
}

/** What `recordTogether` writes: the plan of a group, and its members, the first of which has the run that does the work. */
export interface RecordedTogether {
  group: TogetherGroup
  members: { id: number; meta?: object }[]
  plan: RunPlan
}

/**
 * Writes the plans of groups, each into the run of its first member; all members have the status `from`, and the runs of the others follow. Makes
 * pending runs that are not there yet. Returns the first run's id of each group, or null if not all of its members have that status, it was given up, or
 * the batch does not go on. Holds the groups, as `giveUpGroup` does: of several calls at once, one waits for the other.
 */
export const recordTogether = (
  sql: Sql,
  batchId: string,
  from: 'pending' | 'built',
  groups: RecordedTogether[],
): Promise<(number | null)[]> =>
  withTransaction(
    sql,
    (transaction) => Promise.all(groups.map((each) => recordOne(transaction, batchId, from, each))), // their statements travel together
  )

async function recordOne(
  transaction: Sql,
  batchId: string,
  from: 'pending' | 'built',
  { group: { number }, members, plan }: RecordedTogether,
): Promise<number | null> {
  const held = await transaction`
    with place as (${openBatch(transaction, batchId)})
    select from place, viewkeeper.batch_groups g
     where g.batch_id = ${batchId} and g.number = ${number} and g.given_up is null for no key update of g`
  if (held.length === 0) return null
  const all = transaction`jsonb_to_recordset(${transaction.json(members as never)}) m(id integer, meta jsonb)`
  if (from === 'pending')
    await transaction`
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, batch_id, meta)
      select v.definition_id, v.schema_name, v.view_name, 'refresh', 'batch', b.requested_by, b.id, m.meta
        from ${all}
        join viewkeeper.batch_views v on v.batch_id = ${batchId} and v.definition_id = m.id
        join viewkeeper.batches b on b.id = v.batch_id
       where not exists (select from viewkeeper.runs r where r.batch_id = b.id and r.definition_id = m.id)
      on conflict do nothing`
  const runs = await transaction<{ id: number; first: boolean }[]>`
    with ready as (
      select r.id, m.id = ${members[0]?.id ?? 0} as first, m.meta from ${all}
        join viewkeeper.runs r on r.batch_id = ${batchId} and r.definition_id = m.id and r.status = ${from}
       order by first desc, r.id for no key update of r),
    made as (
      update viewkeeper.runs r
         set plan = case when n.first then ${sentOnce(transaction, plan)} end, meta = coalesce(n.meta, r.meta),
             group_run_id = case when not n.first then (select f.id from ready f where f.first) end, updated_at = clock_timestamp()
        from ready n where r.id = n.id
      returning r.id, n.first)
    select id, first from made`
  return runs.length === members.length ? (runs.find(({ first }) => first)?.id ?? null) : null
}
