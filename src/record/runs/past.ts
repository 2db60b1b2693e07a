import { type Checking, type Checks, checkingOf } from '../../catalog/plan/checks.ts'
import type { Sql } from '../../server/database.ts'
import { regularUpToSetting } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { UsualDurations } from '../../words/run.ts'

/** How long those of the last 20 refreshes of each view that succeeded took which computed all of it; nulls if there was none. In the same order. */
export async function readUsualDurations(sql: Sql, names: QualifiedName[]): Promise<UsualDurations[]> {
  const median = (what: string) =>
    sql.unsafe(`percentile_cont(0.5) within group (order by (response ->> '${what}')::float8)`)
  return sql<UsualDurations[]>`
    select u.* from jsonb_array_elements(${sql.json(names.map(({ schema, name }) => [schema, name]))}) with ordinality x(name, at), lateral (
    select ${median('lockedMs')} filter (where strategy = 'regular' and alike <= 10) as "regularMs",
           ${median('lockedMs')} filter (where strategy = 'swap' and alike <= 10) as "exchangeMs",
           ${median('fillMs')} filter (where latest <= 10) as "fillMs",
           bool_or(strategy = 'regular') filter (where latest = 1) is true as "wasRegular",
           avg(duration_ms) filter (where response ? 'group')::float8 as "groupMs",
           avg(duration_ms) filter (where strategy = 'concurrent')::float8 as "concurrentMs",
           coalesce(nullif(current_setting(${regularUpToSetting}, true), ''), '0')::float8 as "upToMs"
      from (select *, row_number() over (order by id desc) as latest, row_number() over (partition by strategy order by id desc) as alike
              from (select id, duration_ms, meta -> 'response' as response, meta #>> '{response,strategy}' as strategy from viewkeeper.runs
                     where definition_id = (select d.id from viewkeeper.definitions d
                                              where d.schema_name = x.name ->> 0 and d.name = x.name ->> 1 and d.removed_at is null)
                       and operation = 'refresh' and status = 'success' order by id desc limit 20) l
             where response #> '{slices,anew}' is null) l) u
     order by x.at`
}

/** How many rows a view had after its last success, as far as that run counted them. */
async function readLastRows(sql: Sql, definitionId: number): Promise<number | null> {
  const [row] = await sql<{ rows: number | null }[]>`
    select coalesce((select (c ->> 'counted')::int8 from jsonb_array_elements(r.checks) c where c ->> 'name' = 'rows'),
                    r.row_count_after) as rows
      from viewkeeper.runs r
     where r.definition_id = ${definitionId} and r.status = 'success' and r.filled is not null
     order by r.id desc limit 1`
  return row?.rows ?? null
}

/**
 * What is checked of the new data of a view; null without checks. Reads how many rows the last success left, if a check compares
 * with that.
 */
export async function readChecking(
  sql: Sql,
  { id, checks }: { id: number; checks: Checks },
): Promise<Checking | null> {
  const lastRows = checks.rows?.changeAtMost === undefined ? null : await readLastRows(sql, id)
  const checking = checkingOf({ checks }, lastRows)
  return checking && { ...checking, refreshes: true }
}

/** The same for the view of this name; null if it has no definition, too. */
export async function readCheckingOf(sql: Sql, { schema, name }: QualifiedName): Promise<Checking | null> {
  const [row] = await sql<{ id: number; checks: Checks }[]>`
    select id, checks from viewkeeper.definitions where schema_name = ${schema} and name = ${name}`
  return row === undefined ? null : readChecking(sql, row)
}
