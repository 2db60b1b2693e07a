import { isAsMighty } from '../../catalog/db/owner.ts'
import { outsideClock } from '../../catalog/plan/definition.ts'
import { toSetRole } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { withTransaction } from '../../server/transactions.ts'
import { batchPlaces } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import { meetAgain } from './definitions.ts'

const part = String.raw`(?:"[^"]+"|[a-z_]\w*)`
/** A refresh that fills a view; and a whole command of nothing else. */
const refresh = String.raw`refresh\s+materialized\s+view\s+(?:concurrently\s+)?(${part}(?:\s*\.\s*${part})?)(?:\s+with\s+data)?`
const onlyRefreshes = String.raw`^\s*(?:${refresh}\s*(?:;\s*|$))+$`

/** Gives a discovered definition to every view in the catalog that has no definition; whether there was any. What pg_cron refreshes is left to it. */
export async function discoverDefinitions(sql: Sql): Promise<boolean> {
  const { count } = await sql`
    insert into viewkeeper.definitions as d (schema_name, name, source)
    select n.nspname, c.relname, 'discovered'
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'm' and c.relpersistence <> 't' and n.nspname !~ ${batchPlaces}
       and not exists (select from viewkeeper.definitions d
                        where d.schema_name = n.nspname and d.name = c.relname and d.removed_at is null)
    on conflict (schema_name, name) do update set ${sql.unsafe(meetAgain)} where d.removed_at is not null`
  if (count > 0) await leaveToCron(sql)
  return count > 0
}

/**
 * Leaves the discovered views to pg_cron that its jobs in this database refresh, as `schedule: 'none'` does, and takes those back
 * that they refresh no more. The login sees its own jobs, and those of the owners of views as which it may act. Only a command of
 * nothing but refreshes counts: nobody knows what others do.
 */
export async function leaveToCron(sql: Sql): Promise<void> {
  const left = await readLeft(sql)
  await sql`
    with now as (
      select d.id, exists (select from jsonb_to_recordset(${sql.json(left as never)}) as x(schema text, name text)
                            where x.schema = d.schema_name and x.name = d.name) as cron
        from viewkeeper.definitions d where d.source = 'discovered' and d.removed_at is null)
    update viewkeeper.definitions d
       set in_all = not cron, schedule = case when cron then ${outsideClock} end, updated_at = clock_timestamp()
      from now where now.id = d.id and d.in_all = cron`
}

/** The views that jobs of pg_cron refresh, as far as the login may see the jobs. */
export async function readLeft(sql: Sql): Promise<QualifiedName[]> {
  const [job] = await sql<{ oid: number; schema: number; owners: string[] }[]>`
    select c.oid::int8 as oid, n.oid::int8 as schema,
           jsonb_build_array(c.relowner::regrole, n.nspowner::regrole) as owners
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'cron' and c.relname = 'job' and c.relkind = 'r'`
  if (job === undefined) return []
  // The policies of the table are executed as the roles below.
  for (const owner of job.owners) if (!(await isAsMighty(sql, owner))) return []
  const roles = await sql<{ role: string }[]>`
    select r.rolname as role from pg_catalog.pg_roles r
     where has_schema_privilege(r.oid, ${job.schema}::oid, 'usage') and has_table_privilege(r.oid, ${job.oid}::oid, 'select')
       and (r.rolname = current_user or pg_has_role(r.oid, ${sql.unsafe(toSetRole)})
            and exists (select from pg_catalog.pg_class c where c.relkind = 'm' and c.relowner = r.oid))`
  const left = []
  for (const { role } of roles) left.push(...(await readLeftOf(sql, role)))
  return left
}

const readLeftOf = (sql: Sql, role: string): Promise<QualifiedName[]> =>
  withTransaction(sql, async (transaction) => {
    await transaction`select set_config('role', ${role}, true)`
    // Without a schema the path of the job's user decides, which nobody knows here: then the name has to be the only one.
    return transaction<QualifiedName[]>`
      with named as (
        select parse_ident(found[1]) as parts
          from (select * from cron.job j
                 where j.active and j.database = current_database() and j.command ~* ${onlyRefreshes} offset 0) j
         cross join regexp_matches(j.command, ${refresh}, 'gi') as found)
      select min(v.schemaname) as schema, min(v.matviewname) as name from named
        join pg_catalog.pg_matviews v on v.matviewname = parts[array_length(parts, 1)]
                                     and (array_length(parts, 1) = 1 or v.schemaname = parts[1])
       group by parts having count(*) = 1`
  })
