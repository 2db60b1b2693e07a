import type { Evidence } from '../../plan/batches/recommend.ts'
import { noUsableIndex } from '../../plan/views/view-facts.ts'
import { isUnneeded } from '../runs/failing.ts'
import type { Sql } from '../server/connect.ts'
import { unusableBecause } from '../views/catalog.ts'

/** So many runs tell how a view is refreshed, however long ago they were. */
const tellingRuns = 100

/** How each view of the database has been refreshed lately. A regular refresh counts only if the definition or the lack of a key is its reason. */
export const readEvidence = (sql: Sql): Promise<Evidence[]> => sql<Evidence[]>`
  select format('%I.%I', d.schema_name, d.name) as view, d.source = 'authored' as authored, d.refresh_strategy as strategy,
         latest.refreshes, latest.regular, latest."regularMs", latest.because, coalesce(latest."latestIs", false) as "latestIs",
         coalesce(well.share, 0) as "leftOutShare",
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
     select count(*) as refreshes, count(*) filter (where r.counts) as regular,
            avg(r.duration_ms) filter (where r.counts)::float8 as "regularMs",
            (array_agg(r.because order by r.id desc) filter (where r.counts))[1] as because,
            (array_agg(r.counts order by r.id desc))[1] as "latestIs"
       from (select r.id, r.duration_ms, r.meta #>> '{response,because}' as because,
                    coalesce(r.meta #>> '{response,strategy}' = 'regular'
                             and starts_with(r.meta #>> '{response,because}',
                                             case d.refresh_strategy when 'regular' then 'requested' else ${noUsableIndex} end), false) as counts
               from viewkeeper.runs r
              where r.definition_id = d.id and r.operation = 'refresh' and r.status = 'success'
              order by r.id desc limit ${tellingRuns}) r) latest
   cross join lateral (
     select avg(r.unneeded::integer)::float8 as share
       from (select r.status <> 'success' as unneeded from viewkeeper.runs r
              where r.definition_id = d.id and r.operation = 'refresh' and (r.status = 'success' or ${sql.unsafe(isUnneeded('r'))})
              order by r.id desc limit ${tellingRuns}) r) well
   where d.removed_at is null
   order by 1`
