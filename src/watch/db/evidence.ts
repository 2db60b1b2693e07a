import { unusableBecause } from '../../catalog/db/catalog.ts'
import { noUsableIndex } from '../../catalog/plan/view-facts.ts'
import type { Sql } from '../../server/connect.ts'
import type { Evidence } from '../diagnosis/advice.ts'

/** So many runs tell how a view is refreshed, however long ago they were. */
const tellingRuns = 100

/**
 * How the view of a definition has been refreshed and read lately; undefined if it is not in the database. A regular refresh counts only
 * if the definition or the lack of a key is its reason.
 */
export async function readEvidence(
  sql: Sql,
  definitionId: number,
): Promise<Omit<Evidence, 'isRead'> | undefined> {
  const [row] = await sql<[Omit<Evidence, 'isRead'>?]>`
  select d.source = 'authored' as authored, d.refresh_strategy as strategy, latest.refreshes, latest.regular, latest."regularMs",
         coalesce(latest."latestIs", false) as "latestIs", latest."refreshesADay",
         case when looked.at > clock_timestamp() - interval '1 hour' then
           extract(epoch from clock_timestamp() - greatest(d.reads_noted_since, d.last_read_at + interval '1 day', looked.resumed))::float8 * 1000
         end as "unreadMs",
         exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisunique and ${unusableBecause(sql)} is null) as "hasKey"
    from viewkeeper.definitions d
    join pg_catalog.pg_namespace n on n.nspname = d.schema_name
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = d.name and c.relkind = 'm'
    left join (
      select (value ->> 'at')::timestamptz as at, (value ->> 'resumed')::timestamptz as resumed
        from viewkeeper.switches where key = 'looked'
    ) looked on d.reads_noted_since is not null
   cross join lateral (
     select count(*)::integer as refreshes, count(*) filter (where r.counts)::integer as regular,
            avg(r.duration_ms) filter (where r.counts)::float8 as "regularMs", (array_agg(r.counts order by r.id desc))[1] as "latestIs",
            count(*) filter (where r.finished_at > clock_timestamp() - interval '1 day')::integer as "refreshesADay"
       from (select r.id, r.duration_ms, r.finished_at,
                    coalesce(r.meta #>> '{response,strategy}' = 'regular'
                             and starts_with(r.meta #>> '{response,because}',
                                             case d.refresh_strategy when 'regular' then 'requested' else ${noUsableIndex} end), false) as counts
               from viewkeeper.runs r
              where r.definition_id = d.id and r.operation = 'refresh' and r.status = 'success'
              order by r.id desc limit ${tellingRuns}) r) latest
   where d.id = ${definitionId}`
  return row
}
