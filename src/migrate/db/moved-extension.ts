import type { Sql } from '../../server/connect.ts'

/** An extension whose functions, operators or types a query names in a schema where the extension is not. */
interface MovedExtension {
  extension: string
  /** The schema that the query names, and the one that the extension is in, as SQL writes them. */
  named: string
  schema: string
}

/** The extension that a query does not find because it was moved to another schema (`alter extension … set schema`); null: none. */
export async function findMovedExtension(sql: Sql, query: string): Promise<MovedExtension | null> {
  const [moved] = await sql<MovedExtension[]>`
    select x.extname as extension, quote_ident(named.schema) as named, x.extnamespace::regnamespace::text as schema
      from pg_catalog.pg_extension x
      join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_extension'::regclass and d.refobjid = x.oid and d.deptype = 'e'
      left join pg_catalog.pg_proc p on d.classid = 'pg_catalog.pg_proc'::regclass and p.oid = d.objid
      left join pg_catalog.pg_type t on d.classid = 'pg_catalog.pg_type'::regclass and t.oid = d.objid
     cross join lateral regexp_matches(${query}, '(\\w+)"?\\."?' || coalesce(p.proname, t.typname) || '\\M', 'gi') as found
     cross join lateral (select found[1] as schema) named
     where coalesce(p.proname, t.typname) ~ '^\\w+$' and named.schema <> x.extnamespace::regnamespace::text
       and case when t.typname is null then to_regproc(quote_ident(named.schema) || '.' || quote_ident(p.proname)) is null
                else to_regtype(quote_ident(named.schema) || '.' || quote_ident(t.typname)) is null end
     limit 1`
  return moved ?? null
}
