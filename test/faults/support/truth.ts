import { expect } from 'vitest'
import type { Sql } from '../../../src/server/database.ts'
import { recordsWith } from '../../support/record/records-with.ts'
import { until } from '../../support/waiting/until.ts'
import type { Scene, Way } from './ways.ts'
import { password } from './world.ts'

/** What every cell ends with, whatever has happened in it. */
export async function expectTruth(sql: Sql, { views }: Way, { schema }: Scene, kept: Looks): Promise<void> {
  const runs = await sql`
    select id, view_name as view, status, error is not null as "hasError", finished_at is not null as ended, plan is not null as planned
      from viewkeeper.runs where schema_name = ${schema} order by id`
  expect(runs.filter(({ ended, planned }) => !ended || planned)).toEqual([])
  for (const { status, hasError } of runs.filter(({ status }) => status !== 'skipped'))
    expect({ status, hasError }).toEqual({ status, hasError: status !== 'success' })
  expect(await openBatches(sql, schema)).toEqual([])
  for (const view of views) await expectTrueView(sql, schema, view)
  expect(await leftovers(sql)).toEqual([])
  expect(await lookOf(sql, schema, views)).toEqual(kept)
  expect(await recordsWith(sql, password)).toEqual([])
}

/** The batches of a scene that have not ended. */
export const openBatches = (sql: Sql, schema: string) => sql`
  select b.id, b.status from viewkeeper.batches b
   where b.finished_at is null and exists (select from viewkeeper.batch_views v where v.batch_id = b.id and v.schema_name = ${schema})`

/**
 * `success` exactly if the view holds new data, no older than from the start of its run; in a batch, of its first attempt, because
 * a later one may show the shadow that an earlier one has built. And `as_of` never newer than what the view shows.
 */
async function expectTrueView(sql: Sql, schema: string, view: string): Promise<void> {
  const rows = await sql.unsafe(`select id, n::int as n from ${schema}.${view}`)
  expect(rows).toHaveLength(1)
  const shown = rows[0]?.n as number
  const [said] = await sql`
    with filled as (
      select id, finished_at, as_of,
             coalesce((select min(o.started_at) from viewkeeper.runs o where o.batch_id = r.batch_id and o.definition_id = r.definition_id),
                      started_at) as started_at
        from viewkeeper.runs r
       where schema_name = ${schema} and view_name = ${view} and status = 'success' and operation in ('refresh', 'create'))
    select (select count(*)::int from filled) as successes,
           (select as_of from viewkeeper.view_status s where s.schema_name = ${schema} and s.name = ${view})
             > (select min(at) from ${sql(schema)}.moments m where m.n > ${shown}) as "tooYoung",
           exists (select from filled where as_of > finished_at) as "ofTheFuture",
           coalesce((select max(m.n) from ${sql(schema)}.moments m where m.at < (select max(started_at) from filled)), 0)::int as least`
  const { successes, tooYoung, ofTheFuture, least } = said ?? {}
  expect({ view, tooYoung: tooYoung ?? false, ofTheFuture }).toEqual({
    view,
    tooYoung: false,
    ofTheFuture: false,
  })
  if (successes === 0) expect({ view, successes, shown }).toEqual({ view, successes, shown: 1 })
  else
    expect({ view, successes, shown }).toEqual({
      view,
      successes,
      shown: expect.toSatisfy((n) => n >= Math.max(2, view === 'base' ? least : 2)),
    })
}

/**
 * What a run makes for a while, and locks that nobody holds for a test. What a session had in its own temporary schema stays when
 * the server ends: PostgreSQL removes it before another session gets that schema.
 */
const leftovers = (sql: Sql) => sql`
  select nspname as name from pg_namespace where nspname like 'viewkeeper\\_%'
  union all select relname from pg_class where relname like 'viewkeeper\\_%' and relnamespace <> 'viewkeeper'::regnamespace
  union all select proname from pg_proc join pg_namespace n on n.oid = pronamespace
             where proname like 'viewkeeper\\_%' and nspname not like 'pg\\_temp\\_%'
  union all select name from viewkeeper.set_aside
  union all select format('advisory lock %s %s', classid, objid) from pg_locks
             where locktype = 'advisory' and classid not in (7001, 7002)
               and database = (select oid from pg_database where datname = current_database())`

/** Waits until no session of ours is left. */
export const untilAlone = (sql: Sql): Promise<unknown> =>
  until('every session of Viewkeeper has ended', async () => {
    const left = await sql`
      select from pg_stat_activity where datname = current_database() and application_name like 'viewkeeper%'`
    return left.length === 0
  })

type Looks = Record<string, unknown>[]

/** How the views look: what a way has to keep. */
export const lookOf = (sql: Sql, schema: string, views: readonly string[]): Promise<Looks> =>
  sql`select c.relname as view, c.relowner::regrole::text as owner, (select array_agg(a::text order by a::text) from unnest(c.relacl) a) as acl, obj_description(c.oid, 'pg_class') as comment,
             (select array_agg(pg_get_indexdef(i.indexrelid) order by i.indexrelid::regclass::text) from pg_index i where i.indrelid = c.oid and i.indisvalid) as indexes
        from pg_class c where c.relnamespace = ${schema}::regnamespace and c.relname = any(${[...views, 'plain']}) order by 1` as never
