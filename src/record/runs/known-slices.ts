import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import type { Sql } from '../../server/database.ts'
import { literal } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { Known } from '../plan/slice-marks.ts'
import { wrongSlices } from '../plan/wrong-slices.ts'

/** The query of an incremental table, by its OID, the parts of its log, as SQL writes them, and SQL for what else is asked of it. */
interface Logged {
  query: number
  logs: string[]
  /** What the proof of the log reads that its catalog does not tell. If both are the same, it need not be made again. */
  proof: string
  /** How the slices of joined rows are found by the `last.mark`. */
  finds: string
}

const oidsOf = (logs: string[]): string =>
  `array[${logs.map((each) => `to_regclass(${literal(each)})::oid`)}]`

/** SQL for the world of an incremental table: all that its rows depend on but rows of tables, as a JSON object. */
const worldOf = ({ query, logs }: Pick<Logged, 'query' | 'logs'>): string =>
  `select viewkeeper.world(${query}, ${oidsOf(logs)}, true) || jsonb_build_object('query', md5(pg_get_viewdef(${query})))`

/** What rows of a view that stay stand on: its world, that nobody has written its row of the catalog, and that schemas have the names that they had. */
export const holdsOf = (
  view: ViewFacts,
  log: Pick<Logged, 'query' | 'logs'>,
  { text, toucher }: Known,
  schemas: string[],
) => ({
  sql: `select concat_ws(' ', (${worldOf(log)}), (select c.xmin from pg_class c where c.oid = ${view.oid}), (select count(*) from pg_namespace n where concat(n.oid, ' ', n.xmin) in (${[...schemas, ''].map(literal).join()})))`,
  is: `${text} ${toucher} ${schemas.length}`,
})

/** The statement that fails the run if that does not hold any more. */
export const insistOnHolds = ({ view }: ViewFacts, { sql, is }: ReturnType<typeof holdsOf>): Statement => ({
  kind: 'check',
  phase: 'building',
  sql,
  check: {
    is,
    else: 'CatalogChanged',
    message: `What ${view} is computed from was changed while its slices were computed. Nothing was written: refresh again.`,
  },
  hidden: true,
})

/** The last success of a view, `c` in the catalog: what its record says of slices, and whether the data are still those of that run. */
const lastSuccess = (sql: Sql, { schema, name }: QualifiedName) => sql`
  select d.id, d.slices ->> 'wholeEvery' as every, r.meta #> '{response,slices}' as mark, (r.meta #>> '{response,fillMs}')::float8 as fill_ms,
         coalesce(r.filled = viewkeeper.filling(c.oid) and r.touched = c.xmin::text, false) as is_ours,
         exists (select from viewkeeper.runs f where f.definition_id = d.id and f.id > r.id and f.status in ('failed', 'canceled')) as has_failed,
         exists (select from viewkeeper.runs f where f.definition_id = d.id and f.id > r.id and f.status = 'failed' and f.error ->> 'sqlstate' = '22008'
            and f.meta #>> '{response,computes,mode}' in ('range', 'touched')) as has_overflown
    from viewkeeper.definitions d cross join viewkeeper.last_success(d.id) f(id) join viewkeeper.runs r on r.id = f.id
   where d.schema_name = ${schema} and d.name = ${name}`

/** How many slices each of the last 20 refreshes has computed, and how long it took. */
const lately = (sql: Sql) => sql`
  select coalesce(jsonb_agg(jsonb_build_object('anew', r.response #> '{slices,anew}', 'ms', r.response -> 'fillMs')), '[]')
    from (select meta -> 'response' as response from viewkeeper.runs
           where definition_id = last.id and status = 'success' order by id desc limit 20) r`

/** What is known of a view and of its log when a refresh is planned, all of one moment; undefined: one of them is gone. */
export async function readKnown(sql: Sql, view: ViewFacts, log: Logged): Promise<Known | undefined> {
  const [known] = await sql<Known[]>`
    select now.world, now.world::text as text, ${sql.unsafe(`${log.proof} || ' ' || viewkeeper.log_proof(c.oid, ${log.query}, ${oidsOf(log.logs)})`)} as proof, c.xmin::text as toucher, to_jsonb(clock_timestamp()) #>> '{}' as now, l.oid::int8 as "logOid",
           last.mark, ${sql.unsafe(log.finds)} as finds, last.fill_ms as "fillMs", last.every, coalesce(last.is_ours, false) as "isOurs", last.has_overflown is true as "hasOverflown", last.has_failed is true as "hasFailed",
           ((last.mark ->> 'wholeAt')::timestamptz not between clock_timestamp() - coalesce(last.every, '1 day')::interval and clock_timestamp()) is true as "isDue",
           case when last.mark ? 'world' then viewkeeper.changed(last.mark -> 'world', now.world) end as changed,
           (select s.value -> last.id::text from viewkeeper.switches s where s.key = ${wrongSlices}) as wrong,
           (${lately(sql)}) as lately
      from pg_class c join pg_class l on l.oid = to_regclass(${log.logs[0]!})
     -- Asked once: without an offset, the server asks wherever the answer is used.
     cross join lateral (${sql.unsafe(worldOf(log))} offset 0) now(world)
     -- Waits for who truncates what is read, as the refresh will: the world that he leaves is another one.
     cross join lateral viewkeeper.lock_read(${log.query}) waited
      left join lateral (${lastSuccess(sql, view)}) last on true
     where c.oid = ${view.oid}::int8::oid`
  return known
}
