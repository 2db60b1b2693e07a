import type { Sql } from '../../../src/server/database.ts'

/** Columns of pg_class that a rebuild has to change: place and size of the data, internal ids and names. */
const ofTheData = [
  'oid',
  'relname',
  'relfilenode',
  'reltype',
  'relpages',
  'reltuples',
  'relallvisible',
  'relallfrozen',
  'reltoastrelid',
  'relfrozenxid',
  'relminmxid',
  'relacl',
]

/** Options of a column without those that the server keeps for itself: pg_attver, another number for each relation. */
export const ofTheOwner = (options: string): string =>
  `(select coalesce(jsonb_agg(o), '[]') from unnest(${options}) o where o !~ '^pg_')`

/**
 * Everything that the catalog says about a view and about what reads it, without OIDs, as text to compare.
 * Independent of the query in src, and wider: whole catalog rows except what a rebuild must change. The name is looked up by
 * the statement itself: a cast to regclass may still give the old OID for a moment after an exchange was committed.
 */
export async function describeInCatalog(sql: Sql, view: string): Promise<Record<string, unknown>> {
  const row = (alias: string) => `to_jsonb(${alias}) - '{${ofTheData.join(',')}}'::text[]`
  const acl = (column: string, owner: string) => `
    (select coalesce(jsonb_agg(jsonb_build_array(e.grantor::regrole, e.grantee::regrole, e.privilege_type, e.is_grantable)
       order by e.grantor::regrole::text, e.grantee::regrole::text, e.privilege_type), '[]')
       from aclexplode(coalesce(${column}, acldefault('r', ${owner}))) e)`
  const [found] = await sql.unsafe(`
    with p as (select parse_ident('${view.replaceAll("'", "''")}') as parts),
    v as (select c.* from p, pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.relname = parts[array_upper(parts, 1)]
             and n.nspname = case when array_upper(parts, 1) > 1 then parts[1] else current_schema() end)
    select
      (select jsonb_build_object('row', ${row('v')}, 'name', v.relname, 'acl', ${acl('v.relacl', 'v.relowner')},
         'definition', pg_get_viewdef(v.oid), 'comment', obj_description(v.oid, 'pg_class'),
         'types', (select jsonb_agg(t.typname order by t.typname) from pg_type r join pg_type t on t.oid in (r.oid, r.typarray) where r.typrelid = v.oid),
         'toast', (select t.reloptions from pg_class t where t.oid = v.reltoastrelid)) from v) as view,
      (select jsonb_agg((to_jsonb(a) - '{attrelid,attacl,attcacheoff}'::text[]) || jsonb_build_object('comment', col_description(a.attrelid, a.attnum),
         'attoptions', ${ofTheOwner('a.attoptions')},
         'acl', (select jsonb_agg(jsonb_build_array(e.grantor::regrole, e.grantee::regrole, e.privilege_type, e.is_grantable)
                   order by e.grantor::regrole::text, e.grantee::regrole::text, e.privilege_type) from aclexplode(a.attacl) e)) order by a.attnum)
         from v join pg_attribute a on a.attrelid = v.oid and a.attnum > 0) as columns,
      (select jsonb_agg(jsonb_build_object('row', ${row('c')}, 'name', c.relname, 'definition', pg_get_indexdef(c.oid),
         'flags', to_jsonb(i) - '{indexrelid,indrelid,indcheckxmin,indexprs,indpred}'::text[], 'comment', obj_description(c.oid, 'pg_class'),
         'targets', (select jsonb_agg(a.attstattarget order by a.attnum) from pg_attribute a where a.attrelid = c.oid)) order by c.relname)
         from v join pg_index i on i.indrelid = v.oid join pg_class c on c.oid = i.indexrelid) as indexes,
      (select jsonb_agg(jsonb_build_object('row', to_jsonb(s) - '{oid,stxrelid,stxexprs}'::text[], 'definition', pg_get_statisticsobjdef(s.oid),
         'comment', obj_description(s.oid, 'pg_statistic_ext')) order by s.stxname)
         from v join pg_statistic_ext s on s.stxrelid = v.oid) as statistics,
      (select jsonb_agg(distinct jsonb_build_object('oid', c.oid, 'name', c.relname, 'row', to_jsonb(c) - '{relacl}'::text[], 'acl', ${acl('c.relacl', 'c.relowner')},
         'definition', pg_get_viewdef(c.oid), 'comment', obj_description(c.oid, 'pg_class'),
         'rules', (select jsonb_agg(pg_get_ruledef(r.oid) order by r.rulename) from pg_rewrite r where r.ev_class = c.oid),
         'triggers', (select jsonb_agg(pg_get_triggerdef(t.oid) order by t.tgname) from pg_trigger t where t.tgrelid = c.oid)))
         from v join pg_depend d on d.refobjid = v.oid and d.classid = 'pg_rewrite'::regclass
         join pg_rewrite w on w.oid = d.objid join pg_class c on c.oid = w.ev_class and c.oid <> v.oid) as dependents,
      (select jsonb_agg(c.relname order by c.relname) from v join pg_class c on c.relnamespace = v.relnamespace) as neighbours`)
  return found as Record<string, unknown>
}
