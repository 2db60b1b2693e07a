import { flushLeft, queryOfKept } from '../../sql/names.ts'

// Planning such a statement costs more than executing it, and grows with each relation that it names. So each catalog is read once,
// by its index, and kept as a small relation of the statement, of which the parts of the document are made.

/** What belongs to view `m`, and what these parts need and are called. `parts` has the view itself, too. */
const ownParts = `own_indexes as (
  select c.oid, c.relname, c.reltablespace, i.indisunique, i.indkey, i.indisclustered, i.indexprs is not null or i.indpred is not null as computes
    from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = (select oid from m)),
own_statistics as (
  select s.oid, (select nspname from pg_namespace where oid = s.stxnamespace) as nspname, s.stxname, s.stxowner, s.stxstattarget, s.stxexprs is not null as computes
    from pg_statistic_ext s where s.stxrelid = (select oid from m)),
own_rules as (select oid, rulename, ev_enabled from pg_rewrite where ev_class = (select oid from m)),
own_triggers as (select oid, tgname, tgenabled, tgisinternal from pg_trigger where tgrelid = (select oid from m)),
own_defaults as (select oid, adnum, pg_get_expr(adbin, adrelid) as written from pg_attrdef where adrelid = (select oid from m)),
own_columns as (
  select a.attnum, a.attname, a.atttypid, a.atttypmod, a.attstattarget, a.attoptions, a.attstorage, a.attcompression, a.attisdropped, a.attacl
    from pg_attribute a where a.attrelid = (select oid from m) and a.attnum > 0),
parts (class, oid) as (
  select 'pg_class'::regclass, oid from m union all select 'pg_class'::regclass, oid from own_indexes
  union all select 'pg_statistic_ext'::regclass, oid from own_statistics union all select 'pg_rewrite'::regclass, oid from own_rules
  union all select 'pg_trigger'::regclass, oid from own_triggers union all select 'pg_attrdef'::regclass, oid from own_defaults),
comments as (
  select p.class, p.oid, d.objsubid as at, d.description from parts p join pg_description d on d.classoid = p.class and d.objoid = p.oid),
extensions as (
  select p.oid, d.deptype, (select extname from pg_extension where oid = d.refobjid) as extname
    from parts p join pg_depend d on d.classid = p.class and d.objid = p.oid and d.refclassid = 'pg_extension'::regclass
   where p.class = 'pg_class'::regclass),
grants as materialized (
  select x.col, e.* from (select null::text as col, coalesce(relacl, acldefault('r', relowner)) as acl from m
                          union all select attname, attacl from own_columns) x, aclexplode(x.acl) e)`

/**
 * What needs view `m`, its row type or the array of that. The catalog is read for one of the three after the other: with OR all of
 * pg_depend would be read, for every view, under its lock.
 */
const dependentsOfView = `needed_by as materialized (
  select d.classid, d.objid, d.objsubid, d.refclassid = 'pg_class'::regclass and d.refobjsubid >= 0 as is_relation
    from (values ('pg_class'::regclass, (select oid from m)), ('pg_type'::regclass, (select reltype from m)),
                 ('pg_type'::regclass, (select typarray from pg_type where oid = (select reltype from m)))) k(class, oid)
    join pg_depend d on d.refclassid = k.class and d.refobjid = k.oid
   where d.deptype in ('n', 'a')),
by_rules as materialized (
  select d.*, w.rulename, w.ev_class from needed_by d left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
   where (d.classid, d.objid) not in (select class, oid from parts)),
dependents as (
  select distinct regexp_replace(pg_describe_object(d.classid, d.objid, d.objsubid), '^rule "_RETURN" on |^rule _RETURN on ', '') as description,
         case when c.relkind = 'v' and d.rulename = '_RETURN' and d.is_relation then c.oid end as view_oid,
         case when c.relkind in ('m', 'v') and d.rulename = '_RETURN' then c.oid end as reader,
         case when d.rulename <> '_RETURN' then c.oid end as rule_of, c.relnamespace, c.relname, c.relowner, c.reloptions
    from by_rules d left join pg_class c on c.oid = d.ev_class)`

/**
 * The search path on which the server reads its own text of a view as it was meant: of `m`, and of each plain view that depends on it.
 * Operators that words of the grammar look up (`is distinct from`, `using (…)`, `case x when`) are not written, so the path has the
 * schemas of the operators that the view, its indexes and statistics need; but only those in which nobody but the schema's owner, the
 * view's owner and superusers may create.
 */
const pathsOf = (more: string): string => `computing (view, owner, class, oid) as materialized (
  select (select oid from m), (select relowner from m), class, oid from parts
   where class in ('pg_rewrite'::regclass, 'pg_class'::regclass, 'pg_statistic_ext'::regclass)${more}
  union all select x.view_oid, x.relowner, 'pg_rewrite'::regclass, w.oid from dependents x join pg_rewrite w on w.ev_class = x.view_oid),
operators as materialized (
  select distinct x.view, x.owner, (select o.oprnamespace from pg_operator o where o.oid = d.refobjid) as schema
    from computing x join pg_depend d on d.classid = x.class and d.objid = x.oid and d.refclassid = 'pg_operator'::regclass),
paths as (
  select o.view, string_agg(quote_ident(n.nspname), ', ' order by n.nspname) as schemas
    from operators o join pg_namespace n on n.oid = o.schema
   where coalesce((select bool_and(coalesce((select r.rolsuper from pg_roles r where r.oid = e.grantee), false)) from aclexplode(n.nspacl) e
                    where e.privilege_type = 'CREATE' and e.grantee not in (n.nspowner, o.owner)), true)
   group by o.view)`

const pathWith = (schemas: string): string => `concat_ws(', ', 'pg_catalog', ${schemas}, 'pg_temp')`

const commentOn = (catalog: string, oid: string): string =>
  `(select description from comments k where k.class = '${catalog}'::regclass and k.oid = ${oid} and k.at = 0)`

/** View `m` itself, of this kind, with this query. */
const viewItself = (kind: string, query: string): string => `jsonb_build_object(
     'kind', ${kind}, 'schema', nspname, 'name', relname, 'owner', relowner::regrole::text,
     'accessMethod', (select amname from pg_am where oid = relam),
     'tablespace', (select spcname from pg_tablespace where oid = reltablespace),
     'options', coalesce(to_jsonb(reloptions), '[]'),
     'toastOptions', coalesce((select to_jsonb(t.reloptions) from pg_class t where t.oid = m.reltoastrelid), '[]'),
     'replicaIdentity', case relreplident when 'd' then 'default' when 'f' then 'full' when 'n' then 'nothing' else 'index' end,
     'definition', ${query}, 'path', ${pathWith('(select schemas from paths where view = m.oid)')},
     'comment', ${commentOn('pg_class', 'm.oid')},
     'extensions', (select coalesce(jsonb_agg(x.extname order by x.extname), '[]') from extensions x where x.oid = m.oid and x.deptype = 'x'),
     'memberOf', (select x.extname from extensions x where x.oid = m.oid and x.deptype = 'e'),
     'hasSecurityLabel', exists (select from pg_seclabel where classoid = 'pg_class'::regclass and objoid = m.oid),
     'isTemporary', relpersistence = 't')`

/**
 * The columns of `m`. DDL can set only these two options. Minor releases since 15.20 and 17.12 keep one of their own beside them,
 * pg_attver, with another number for each relation, which nobody can set and no dump has.
 */
const columns = `(select coalesce(jsonb_agg(jsonb_build_object(
     'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'statistics', case when a.attstattarget >= 0 then a.attstattarget end,
     'options', to_jsonb(array(select o from unnest(a.attoptions) as x(o) where split_part(o, '=', 1) in ('n_distinct', 'n_distinct_inherited'))),
     'storage', case when a.attstorage <> (select typstorage from pg_type where oid = a.atttypid)
                then case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end,
     'compression', case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end,
     'default', (select f.written from own_defaults f where f.adnum = a.attnum),
     'comment', k.description) order by a.attnum), '[]')
     from own_columns a left join comments k on k.class = 'pg_class'::regclass and k.oid = m.oid and k.at = a.attnum where not a.attisdropped)`

/** A name as the server writes it. What it writes has the names of the moment; the catalog is read as of the statement's beginning. */
const written = '("([^"]|"")+"|[^" .]+)'

/** The indexes of `m`. The server writes CREATE [UNIQUE] INDEX name ON schema.view USING ... */
const indexes = `(select coalesce(jsonb_agg(jsonb_build_object(
     'name', i.relname, 'unique', i.indisunique,
     'rest', regexp_replace(pg_get_indexdef(i.oid), '^CREATE (UNIQUE )?INDEX ${written} ON ${written}[.]${written} ', ''),
     'hasExpressions', i.computes,
     'tablespace', (select spcname from pg_tablespace where oid = i.reltablespace),
     'compressed', x.compressed, 'clustered', i.indisclustered, 'comment', ${commentOn('pg_class', 'i.oid')}, 'statistics', x.targets,
     'extensions', (select coalesce(jsonb_agg(x.extname order by x.extname), '[]') from extensions x where x.oid = i.oid and x.deptype = 'x'))
       order by i.relname collate "C"), '[]')
     from own_indexes i, lateral (
       select jsonb_agg(v.attname order by x.attnum) filter (where x.attcompression <> '' and v.atttypid <> x.atttypid) as compressed,
              coalesce(jsonb_agg(jsonb_build_object('column', x.attnum, 'target', x.attstattarget) order by x.attnum) filter (where x.attstattarget >= 0), '[]') as targets
         from pg_attribute x left join own_columns v on v.attnum = i.indkey[x.attnum - 1] where x.attrelid = i.oid) x)`

/** The extended statistics on `m`. The server writes CREATE STATISTICS schema.name middle FROM schema.view */
const statistics = `(select coalesce(jsonb_agg(jsonb_build_object(
     'schema', s.nspname, 'name', s.stxname, 'owner', s.stxowner::regrole::text,
     'middle', regexp_replace(regexp_replace(pg_get_statisticsobjdef(s.oid), '^CREATE STATISTICS ${written}[.]${written} ', ''), ' FROM ${written}[.]${written}$', ''),
     'hasExpressions', s.computes,
     'target', case when s.stxstattarget >= 0 then s.stxstattarget end,
     'comment', ${commentOn('pg_statistic_ext', 's.oid')}) order by s.nspname collate "C", s.stxname collate "C"), '[]')
     from own_statistics s)`

/** What depends on `m`, with what makes it again. */
const dependents = `(select coalesce(jsonb_agg(jsonb_build_object(
     'description', x.description, 'reader', x.reader::int8, 'ruleOf', x.rule_of::int8,
     'view', case when x.view_oid is not null then jsonb_build_object(
        'oid', x.view_oid::int8, 'schema', (select nspname from pg_namespace where oid = x.relnamespace), 'name', x.relname, 'owner', x.relowner::regrole::text,
        'options', coalesce(to_jsonb(x.reloptions), '[]'), 'definition', rtrim(pg_get_viewdef(x.view_oid), ';'),
        'path', ${pathWith('(select schemas from paths where view = x.view_oid)')}) end)
       order by x.description collate "C", x.reader, x.view_oid), '[]')
     from dependents x)`

/**
 * A query for one jsonb value, the LiveView of a materialized or plain view, or for what is `chosen` of it. `relation` is the view's OID, or
 * an expression for it. There is no row if the view is gone. The query is a text, because it is executed twice: to plan, and again
 * under the exclusive lock (hashed), to prove that nothing has changed in between. Execute it with `safePath`: then the server
 * writes every name outside the catalog with its schema.
 */
export const liveViewQuery = (relation: string, chosen = 'live', isTable = false): string => `
with m as (select c.oid, n.nspname, c.relname, c.relnamespace, c.relkind, c.reltype, c.relowner, c.relam, c.reltablespace, c.reloptions, c.reltoastrelid,
         c.relreplident, c.relpersistence, c.relacl${isTable ? `, ${queryOfKept('c.oid')} as query` : ''}
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = ${relation} and c.relkind in ${isTable ? "('r')" : "('m', 'v')"}),
${isTable ? documentOf("'table'", "coalesce(rtrim(pg_get_viewdef(query), ';'), '')", ofQuery) : document}
select ${chosen} from doc`

/** What the query of an incremental table computes with. */
const ofQuery = `\n  union all select m.oid, relowner, 'pg_rewrite'::regclass, w.oid from m join pg_rewrite w on w.ev_class = query`

/** Without indentation, because it is sent several times for each exchange. */
const documentOf = (kind: string, query: string, more = ''): string =>
  flushLeft(`${ownParts},
${dependentsOfView},
${pathsOf(more)},
doc(live) as materialized (select jsonb_build_object(
  'view', ${viewItself(kind, query)},
  'columns', ${columns},
  'indexes', ${indexes},
  'statistics', ${statistics},
  'triggers', (select coalesce(jsonb_agg(jsonb_build_object(
     'name', t.tgname, 'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled, 'comment', ${commentOn('pg_trigger', 't.oid')})
       order by t.tgname collate "C"), '[]')
     from own_triggers t where not t.tgisinternal),
  'rules', (select coalesce(jsonb_agg(jsonb_build_object(
     'name', w.rulename, 'definition', rtrim(pg_get_ruledef(w.oid), ';'), 'enabled', w.ev_enabled,
     'comment', ${commentOn('pg_rewrite', 'w.oid')}) order by w.rulename collate "C"), '[]')
     from own_rules w where w.rulename <> '_RETURN'),
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
  from m)`)

const document = documentOf(
  "case relkind when 'm' then 'materialized view' else 'view' end",
  "rtrim(pg_get_viewdef(oid), ';')",
)

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
  isTable = false,
): string => liveViewQuery(relation, hash('live'), isTable)

/**
 * A query for one text: the parts in which a view and its shadow differ, each with the names of what the shadow has in another
 * way or not at all: `indexes (sales_key), columns (day)`; empty if there are none. The names of the two views and
 * of their indexes and statistics may differ. All three arguments are expressions of SQL. Dependents are not compared,
 * because the shadow has none, nor triggers and rules, which are made at the exchange. The text is also empty if the live view
 * has another hash without its privileges by now: the comparison by hash reports that. Without indentation, as `document`.
 */
export const differenceQuery = (relation: string, hash: string, shadow: string): string =>
  flushLeft(`
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
          from (values (${relation}, 'live'), (${shadow}, 'shadow')) as r(relation, side), lateral (${liveViewQuery('r.relation')}) as doc(f)) as x`)

/** A live view in parts. Indexes and statistics are without their names, and sorted by the rest. The trees tell whether the queries mean the same. */
const comparable = (live: string): string => `
select p.part, case when p.part in ('indexes', 'statistics')
                    then (select jsonb_agg(e - 'name' order by e - 'name') from jsonb_array_elements(p.value) e)
                    else p.value - '{schema,name,definition,path}'::text[] end as value
  from jsonb_each(${live}) as p(part, value)
 where p.part in ('view', 'columns', 'indexes', 'statistics')`
