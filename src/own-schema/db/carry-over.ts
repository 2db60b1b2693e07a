import { wrongSlices } from '../../record/plan/wrong-slices.ts'
import type { Sql } from '../../server/database.ts'
import { literal } from '../../sql/names.ts'

/** Where the schema of a version before the first release stays. */
export const olderSchema = 'viewkeeper_before'

/** What is carried over, in the order of its foreign keys. Everything else the monitor finds again, or was meant for others by then. */
const tables = [
  'definitions',
  'migrations',
  'batches',
  'batch_views',
  'batch_groups',
  'runs',
  'actions',
  'tokens',
  'incidents',
  'switches',
]
const switches = ['paused', 'pause ends', 'quiet', wrongSlices].map(literal).join(', ')

const message = 'It had not ended when its record was carried over to a later version.'
const ended = {
  status: `case when finished_at is null then 'canceled' else status end`,
  finished_at: 'coalesce(finished_at, clock_timestamp())',
  error: `case when finished_at is null then ${literal(JSON.stringify({ class: 'Canceled', message }))} else error end`,
}

/**
 * What a column becomes if it is not what it was. The grants in `filled` are gone. Without `slices` and `inputs`, no change log and no counter is
 * believed before a refresh has computed all rows.
 */
const changed: Record<string, Record<string, string>> = {
  runs: {
    ...ended,
    plan: 'null',
    inputs: 'null',
    filled: `array_to_string((string_to_array(filled, ' '))[1:4], ' ')`,
    meta: `meta #- '{response,slices}'`,
  },
  batches: ended,
}

/** Copies into schema `viewkeeper` what it has in common with the older one: rows and grants. Returns how many rows, by table. */
export async function carryOver(sql: Sql): Promise<Record<string, number>> {
  const common = await sql<{ name: string; columns: string[]; counter: string | null }[]>`
    select c.relname as name, to_jsonb(array_agg(a.attname order by a.attnum)) as columns,
           min(quote_ident(a.attname)) filter (where a.attidentity <> '') as counter
      from pg_catalog.pg_class c
      join pg_catalog.pg_class o on o.relnamespace = ${olderSchema}::regnamespace and o.relname = c.relname
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0
      join pg_catalog.pg_attribute b on b.attrelid = o.oid and b.attnum > 0 and b.attname = a.attname
     where c.relnamespace = 'viewkeeper'::regnamespace and c.relkind = 'r' group by c.relname`
  const counts: Record<string, number> = {}
  for (const table of tables) {
    const found = common.find(({ name }) => name === table)
    if (found === undefined) continue
    const values = found.columns.map((column) => changed[table]?.[column] ?? column)
    // The triggers tell of what happens now, and look at all runs of a view for each of them.
    await sql.unsafe(`alter table viewkeeper.${table} disable trigger user`)
    const { count } = await sql.unsafe(`
      insert into viewkeeper.${table} (${found.columns.join(', ')}) overriding system value
      select ${values.join(', ')} from ${olderSchema}.${table}${table === 'switches' ? ` where key in (${switches})` : ''}`)
    await sql.unsafe(`alter table viewkeeper.${table} enable trigger user`)
    if (found.counter !== null)
      await sql.unsafe(`
        select setval(pg_get_serial_sequence('viewkeeper.${table}', '${found.counter}'), coalesce(max(${found.counter}), 0) + 1, false) from viewkeeper.${table}`)
    counts[table] = count
  }
  await sql`select viewkeeper.find_last_ends(array(select id from viewkeeper.definitions))`
  const grants = await sql<{ statement: string }[]>`
    select format('grant %s on %s to %s%s', lower(a.privilege_type), o.object, coalesce(quote_ident(g.rolname), 'public'),
                  case when a.is_grantable then ' with grant option' else '' end) as statement
      from (select 'schema viewkeeper' as object, nspowner as owner, nspacl as acl from pg_catalog.pg_namespace where nspname = ${olderSchema}
            union all
            select format('viewkeeper.%I', c.relname), b.relowner, b.relacl from pg_catalog.pg_class c
              join pg_catalog.pg_class b on b.relnamespace = ${olderSchema}::regnamespace and b.relname = c.relname and b.relkind = c.relkind
             where c.relnamespace = 'viewkeeper'::regnamespace and c.relkind in ('r', 'v')) o
     cross join pg_catalog.aclexplode(o.acl) a
      left join pg_catalog.pg_roles g on g.oid = a.grantee
     where a.grantee <> o.owner and (a.grantee = 0 or g.rolname is not null)`
  for (const { statement } of grants) await sql.unsafe(statement)
  return counts
}
