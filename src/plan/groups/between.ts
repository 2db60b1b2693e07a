/**
 * A query for one text: the functions with parsed bodies and the policies through which a materialized view of these reads
 * another one, as `function app.f() stands between app.above and app.below`; empty if there are none. A twin would be filled
 * with rows of the old view. A policy counts if it holds for the role as which the table is read. What a function with a
 * string body reads, the catalog does not know.
 */
export const betweenQuery = (oids: number[]): string => `
with recursive members as (
  select c.oid, c.relowner from pg_class c where c.oid = any (array[${oids.join(', ')}]::oid[]) and c.relkind = 'm'),
reach(reader, class, object, role, through) as (
  select m.oid, 'pg_class'::regclass::oid, m.oid, m.relowner, null::text from members m
  union
  select r.reader, x.class, x.object, x.role, coalesce(r.through, x.through) from reach r cross join lateral (
    select d.refclassid, d.refobjid,
           case when c.reloptions::text ~ 'security_invoker=(true|on|1|yes)' then r.role else c.relowner end, null
      from pg_class c join pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
      join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refobjid <> c.oid
     where r.class = 'pg_class'::regclass and c.oid = r.object and (c.relkind = 'v' or c.oid = r.reader)
    union all
    select d.refclassid, d.refobjid, r.role, pg_describe_object('pg_policy'::regclass, l.oid, 0)
      from pg_class c join pg_policy l on l.polrelid = c.oid join pg_roles u on u.oid = r.role
      join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = l.oid and d.refobjid <> c.oid
     where r.class = 'pg_class'::regclass and c.oid = r.object and c.relrowsecurity and not u.rolsuper and not u.rolbypassrls
       and (c.relforcerowsecurity or not pg_has_role(u.oid, c.relowner, 'usage'))
    union all
    select d.refclassid, d.refobjid, case when f.prosecdef then f.proowner else r.role end, pg_describe_object(r.class, f.oid, 0)
      from pg_proc f join pg_depend d on d.classid = r.class and d.objid = f.oid
     where r.class = 'pg_proc'::regclass and f.oid = r.object
    union all
    select d.refclassid, d.refobjid, r.role, null from pg_depend d
     where r.class in ('pg_operator'::regclass, 'pg_cast'::regclass) and d.classid = r.class and d.objid = r.object
  ) as x(class, object, role, through)
   where r.object = r.reader or r.class <> 'pg_class'::regclass or r.object not in (select oid from members))
select coalesce(string_agg(between, '; ' order by between), '') from (
  select distinct format('%s stands between %s and %s', through, reader::regclass, object::regclass) collate "C" as between
    from reach where class = 'pg_class'::regclass and object in (select oid from members) and object <> reader and through is not null
) as found`
