/**
 * The search path on which the server reads its own text of a view as it was meant. Operators that words of the grammar look up
 * (`is distinct from`, `using (…)`, `case x when`) are not written, so the path has the schemas of the operators that the view, its
 * indexes and statistics need; but only those in which nobody but the schema's owner, the view's owner and superusers may create.
 */
const pathOf = (view: string): string => `
  (select concat_ws(', ', 'pg_catalog', string_agg(distinct quote_ident(n.nspname), ', '), 'pg_temp')
     from (select 'pg_rewrite'::regclass as class, w.oid from pg_rewrite w where w.ev_class = ${view}.oid
           union all select 'pg_class'::regclass, i.indexrelid from pg_index i where i.indrelid = ${view}.oid
           union all select 'pg_statistic_ext'::regclass, s.oid from pg_statistic_ext s where s.stxrelid = ${view}.oid) x
     join pg_depend d on d.classid = x.class and d.objid = x.oid and d.refclassid = 'pg_operator'::regclass
     join pg_operator o on o.oid = d.refobjid join pg_namespace n on n.oid = o.oprnamespace
    where not exists (select from aclexplode(n.nspacl) e left join pg_roles r on r.oid = e.grantee
                       where e.privilege_type = 'CREATE' and e.grantee not in (n.nspowner, ${view}.relowner) and r.rolsuper is not true))`

/** What belongs to view `m`: what depends on it, with extensions and grants, as parts of a `with` clause. */
const related = `needed_by as (
  select d.* from m join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = m.oid
  union all
  select d.* from own_types t join pg_depend d on d.refclassid = 'pg_type'::regclass and d.refobjid = t.oid),
needs_extension as (
  select d.objid, e.extname from pg_depend d join pg_extension e on e.oid = d.refobjid
   where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_extension'::regclass and d.deptype = 'x'),
grants as (
  select null::text as col, e.* from m, aclexplode(coalesce(m.relacl, acldefault('r', m.relowner))) e
  union all
  select a.attname::text, e.* from m join pg_attribute a on a.attrelid = m.oid and a.attnum > 0, aclexplode(a.attacl) e),
dependents as (
  select distinct regexp_replace(pg_describe_object(d.classid, d.objid, d.objsubid), '^rule "_RETURN" on |^rule _RETURN on ', '') as description,
         case when c.relkind = 'v' and w.rulename = '_RETURN' and d.refclassid = 'pg_class'::regclass and d.refobjsubid >= 0
              then c.oid end as view_oid,
         case when c.relkind in ('m', 'v') and w.rulename = '_RETURN' then c.oid end as reader,
         case when w.rulename <> '_RETURN' then c.oid end as rule_of
    from m cross join needed_by d
    left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
    left join pg_class c on c.oid = w.ev_class
   where d.deptype in ('n', 'a') and c.oid is distinct from m.oid
     and not (d.classid = 'pg_class'::regclass and d.objid in (select indexrelid from pg_index where indrelid = m.oid))
     and not (d.classid = 'pg_statistic_ext'::regclass and d.objid in (select oid from pg_statistic_ext where stxrelid = m.oid))
     and not (d.classid = 'pg_type'::regclass and d.objid in (select oid from own_types))
     and not (d.classid = 'pg_attrdef'::regclass and d.objid in (select oid from pg_attrdef where adrelid = m.oid))
     and not (d.classid = 'pg_trigger'::regclass and d.objid in (select oid from pg_trigger where tgrelid = m.oid)))`

/** View `m` itself. */
const viewItself = `(select jsonb_build_object(
     'kind', case relkind when 'm' then 'materialized view' else 'view' end, 'schema', nspname, 'name', relname, 'owner', relowner::regrole::text,
     'accessMethod', (select amname from pg_am where oid = relam),
     'tablespace', (select spcname from pg_tablespace where oid = reltablespace),
     'options', coalesce(to_jsonb(reloptions), '[]'),
     'toastOptions', coalesce((select to_jsonb(t.reloptions) from pg_class t where t.oid = m.reltoastrelid), '[]'),
     'replicaIdentity', case relreplident when 'd' then 'default' when 'f' then 'full' when 'n' then 'nothing' else 'index' end,
     'definition', rtrim(pg_get_viewdef(oid), ';'), 'path', ${pathOf('m')},
     'comment', obj_description(oid, 'pg_class'),
     'extensions', coalesce((select jsonb_agg(extname order by extname) from needs_extension where objid = m.oid), '[]'),
     'memberOf', (select e.extname from pg_depend d join pg_extension e on e.oid = d.refobjid
                   where d.classid = 'pg_class'::regclass and d.objid = m.oid and d.deptype = 'e'),
     'hasSecurityLabel', exists (select from pg_seclabel where classoid = 'pg_class'::regclass and objoid = m.oid),
     'isTemporary', relpersistence = 't'))`

/** The columns of `m`. */
const columns = `(select coalesce(jsonb_agg(jsonb_build_object(
     'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'statistics', case when a.attstattarget >= 0 then a.attstattarget end,
     -- DDL can set only these two. Minor releases since 15.20 and 17.12 keep an option of their own beside them, pg_attver, with
     -- another number for each relation, which nobody can set and no dump has.
     'options', to_jsonb(array(select o from unnest(a.attoptions) as x(o) where split_part(o, '=', 1) in ('n_distinct', 'n_distinct_inherited'))),
     'storage', case when a.attstorage <> t.typstorage
                then case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end,
     'compression', case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end,
     'default', pg_get_expr(f.adbin, f.adrelid),
     'comment', col_description(a.attrelid, a.attnum)) order by a.attnum), '[]')
     from pg_attribute a join pg_type t on t.oid = a.atttypid
     left join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
    where a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped)`

/** The indexes of `m`. */
const indexes = `(select coalesce(jsonb_agg(jsonb_build_object(
     'name', c.relname, 'unique', i.indisunique,
     -- the server writes CREATE [UNIQUE] INDEX name ON schema.view USING ...
     'rest', substr(pg_get_indexdef(c.oid), length(format('CREATE %sINDEX %I ON %I.%I ',
              case when i.indisunique then 'UNIQUE ' else '' end, c.relname, m.nspname, m.relname)) + 1),
     'hasExpressions', i.indexprs is not null or i.indpred is not null,
     'tablespace', (select spcname from pg_tablespace where oid = c.reltablespace),
     'compressed', (select jsonb_agg(v.attname) from pg_attribute x join pg_attribute v on v.attrelid = m.oid and v.attnum = i.indkey[x.attnum - 1]
                     and v.atttypid <> x.atttypid where x.attrelid = c.oid and x.attcompression <> ''),
     'clustered', i.indisclustered, 'comment', obj_description(c.oid, 'pg_class'),
     'statistics', (select coalesce(jsonb_agg(jsonb_build_object('column', a.attnum, 'target', a.attstattarget) order by a.attnum), '[]')
                      from pg_attribute a where a.attrelid = c.oid and a.attstattarget >= 0),
     'extensions', coalesce((select jsonb_agg(extname order by extname) from needs_extension where objid = c.oid), '[]'))
       order by c.relname collate "C"), '[]')
     from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = m.oid)`

/** The extended statistics on `m`. */
const statistics = `(select coalesce(jsonb_agg(jsonb_build_object(
     'schema', n.nspname, 'name', s.stxname, 'owner', s.stxowner::regrole::text,
     -- CREATE STATISTICS schema.name middle FROM schema.view
     'middle', substr(left(pg_get_statisticsobjdef(s.oid), -length(format(' FROM %I.%I', m.nspname, m.relname))),
                      length(format('CREATE STATISTICS %I.%I ', n.nspname, s.stxname)) + 1),
     'hasExpressions', s.stxexprs is not null,
     'target', case when s.stxstattarget >= 0 then s.stxstattarget end,
     'comment', obj_description(s.oid, 'pg_statistic_ext')) order by n.nspname collate "C", s.stxname collate "C"), '[]')
     from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where s.stxrelid = m.oid)`

/** What depends on `m`, with what makes it again. */
const dependents = `(select coalesce(jsonb_agg(jsonb_build_object(
     'description', x.description, 'reader', x.reader::int8, 'ruleOf', x.rule_of::int8,
     'view', case when v.oid is not null then jsonb_build_object(
        'oid', v.oid::int8, 'schema', vn.nspname, 'name', v.relname, 'owner', v.relowner::regrole::text,
        'options', coalesce(to_jsonb(v.reloptions), '[]'), 'definition', rtrim(pg_get_viewdef(v.oid), ';'), 'path', ${pathOf('v')}) end)
       order by x.description collate "C", x.reader, v.oid), '[]')
     from dependents x left join pg_class v on v.oid = x.view_oid left join pg_namespace vn on vn.oid = v.relnamespace)`

/**
 * A query for one jsonb value: the LiveView of a materialized or plain view. `relation` is the view's OID, or an expression
 * for it. There is no row if the view is gone. The query is a text, because it is executed twice: to plan, and again under
 * the exclusive lock (hashed), to prove that nothing has changed in between. Execute it with `safePath`: then the server
 * writes every name outside the catalog with its schema.
 */
export const liveViewQuery = (relation: string): string => `
with m as (
  select c.*, n.nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = ${relation} and c.relkind in ('m', 'v')),
own_types as (select m.reltype as oid from m union all select t.typarray from m join pg_type t on t.oid = m.reltype),
-- Two joins, each by the index of pg_depend: one join with OR would read all of pg_depend, for every view, under its lock.
${related}
select jsonb_build_object(
  'view', ${viewItself},
  'columns', ${columns},
  'indexes', ${indexes},
  'statistics', ${statistics},
  'triggers', (select coalesce(jsonb_agg(jsonb_build_object(
     'name', tgname, 'definition', pg_get_triggerdef(oid), 'enabled', tgenabled, 'comment', obj_description(oid, 'pg_trigger'))
       order by tgname collate "C"), '[]')
     from pg_trigger where tgrelid = m.oid and not tgisinternal),
  'rules', (select coalesce(jsonb_agg(jsonb_build_object(
     'name', rulename, 'definition', rtrim(pg_get_ruledef(oid), ';'), 'enabled', ev_enabled,
     'comment', obj_description(oid, 'pg_rewrite')) order by rulename collate "C"), '[]')
     from pg_rewrite where ev_class = m.oid and rulename <> '_RETURN'),
  'grants', (select coalesce(jsonb_agg(jsonb_build_object(
     'column', col, 'grantor', grantor::regrole::text,
     'grantee', case grantee when 0 then 'public' else grantee::regrole::text end,
     'privilege', privilege_type, 'grantable', is_grantable)
       order by col collate "C" nulls first, grantor::regrole::text collate "C", grantee, privilege_type), '[]') from grants),
  'untouchedGrants', m.relacl is null,
  'defaultGrants', (select coalesce(jsonb_agg(distinct jsonb_build_object(
     'column', null, 'grantor', d.defaclrole::regrole::text,
     'grantee', case e.grantee when 0 then 'public' else e.grantee::regrole::text end,
     'privilege', e.privilege_type, 'grantable', e.is_grantable, 'everywhere', d.defaclnamespace = 0)), '[]')
     from pg_default_acl d, aclexplode(d.defaclacl) e
    where d.defaclobjtype = 'r' and d.defaclnamespace in (0, m.relnamespace)
      and d.defaclrole = m.relowner),
  'dependents', ${dependents})
  from m`

/** The hash of a live view without its privileges, as an expression: they are copied at the exchange. */
export const hashWithoutGrants = (live: string): string =>
  `md5((${live} - '{grants,untouchedGrants}'::text[])::text)`

/** The columns of a ViewSnapshot that tell whether the view has changed. `live` is an expression for the live view. */
export const hashesOf = (live: string): string =>
  `md5(${live}::text) as hash, ${hashWithoutGrants(live)} as "hashWithoutGrants"`

/** A query for one text: the hash of the live view, which is the same as long as nothing has changed. */
export const liveViewHashQuery = (
  relation: string,
  hash: (live: string) => string = (live) => `md5(${live}::text)`,
): string => `select ${hash('f')} from (${liveViewQuery(relation)}) as x(f)`

/**
 * A query for one text: the parts in which a view and its shadow differ, each with the names of what the shadow has in another
 * way or not at all: `indexes (sales_key), columns (day)`; empty if there are none. The names of the two views and
 * of their indexes and statistics may differ. All three arguments are expressions of SQL. Dependents are not compared,
 * because the shadow has none, nor triggers and rules, which are made at the exchange. The text is also empty if the live view
 * has another hash without its privileges by now: the comparison by hash reports that.
 */
export const differenceQuery = (relation: string, hash: string, shadow: string): string => `
select case when ${hashWithoutGrants("(x.f -> 'live')")} = ${hash} then (
         select coalesce(string_agg(part || coalesce(' (' || case part
             when 'view' then (select string_agg(k.key, ', ') from jsonb_each(a.value) k where k.value is distinct from b.value -> k.key)
             else (select string_agg(e ->> 'name', ', ')
                     from jsonb_array_elements(x.f -> 'live' -> part) e
                    where not coalesce(b.value, '[]') @> jsonb_build_array(case part when 'columns' then e else e - 'name' end))
             end || ')', ''), ', '), '')
           from (${comparable("x.f -> 'live'")}) a full join (${comparable("x.f -> 'shadow'")}) b using (part)
          where a.value is distinct from b.value)
       else '' end
  from (select jsonb_object_agg(r.side, doc.f) as f
          from (values (${relation}, 'live'), (${shadow}, 'shadow')) as r(relation, side), lateral (${liveViewQuery('r.relation')}) as doc(f)) as x`

/** A live view in parts. Indexes and statistics are without their names, and sorted by the rest. */
const comparable = (live: string): string => `
select p.part, case when p.part in ('indexes', 'statistics')
                    then (select jsonb_agg(e - 'name' order by e - 'name') from jsonb_array_elements(p.value) e)
                    -- The trees tell whether the queries mean the same.
                    else p.value - '{schema,name,definition,path}'::text[] end as value
  from jsonb_each(${live}) as p(part, value)
 where p.part in ('view', 'columns', 'indexes', 'statistics')`
