import type { Sql } from '../../server/connect.ts'
import { type QualifiedName, quoteName } from '../../sql/names.ts'

/** A function of a user, and a query that calls it. */
interface Call {
  /** The function as SQL writes it. */
  of: string
  query: string
}

/**
 * Calls of the functions of users that the query of a relation names, also behind operators, with a value for each argument:
 * a strict function is not called with nulls. A value that does not fit makes the call fail.
 */
export const callsOf = (sql: Sql, relation: QualifiedName): Promise<Call[]> => sql<Call[]>`
  select p.oid::pg_catalog.regprocedure::text as of,
         pg_catalog.format('select from %I.%I(%s)', n.nspname, p.proname, (
           select pg_catalog.string_agg(pg_catalog.format('%s%L::%s',
                    case when p.provariadic <> 0 and a.at = p.pronargs then 'variadic ' end,
                    case when t.typtype = 'e' then (select min(e.enumlabel) from pg_catalog.pg_enum e where e.enumtypid = t.oid)
                         when t.typname in ('json', 'jsonb', 'hstore') then '{}'
                         else pg_catalog.jsonb '{"N": "0", "S": "", "B": "true", "D": "2000-01-01", "T": "1 day", "A": "{}"}' ->> t.typcategory::text end,
                    pg_catalog.format_type(t.oid, null)), ', ' order by a.at)
             from pg_catalog.unnest(p.proargtypes) with ordinality a(type, at) join pg_catalog.pg_type t on t.oid = a.type)) as query
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
   where p.oid >= 16384 and p.prokind = 'f' and p.oid in (
     select case when d.refclassid = 'pg_catalog.pg_proc'::regclass then d.refobjid else o.oprcode end
       from pg_catalog.pg_rewrite w
       join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
       left join pg_catalog.pg_operator o on d.refclassid = 'pg_catalog.pg_operator'::regclass and o.oid = d.refobjid
      where w.ev_class = to_regclass(${quoteName(relation)}) and d.refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass))
   order by 1`
