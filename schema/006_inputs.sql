-- What the queries of views read, and what that proves of their data.

-- The names by which a definition in `of_schema` may say in depends_on that it reads a relation.
create function viewkeeper.names_of(at_schema name, relation name, of_schema text) returns text[]
language sql stable
begin atomic
  select array[pg_catalog.format('%I.%I', at_schema, relation), at_schema || '.' || relation]
         || case when at_schema = of_schema then array[pg_catalog.quote_ident(relation), relation::text] end;
end;

-- Whether a stored query calls a function of the server that executes the SQL, or reads the relation, which its arguments name:
-- query_to_xml and its like, ts_stat, ts_rewrite.
create function viewkeeper.reads_by_text(tree pg_catalog.pg_node_tree) returns boolean
language sql stable
begin atomic
  select tree::text ~ ':funcid (292[3-9]|293[03-8]|3685|3689|3690) ';
end;

-- The relations that the query of a view reads, through plain views and with the heirs of tables, and those that its definition declares.
create function viewkeeper.relations_of(relation oid, declared text[], of_schema text) returns setof oid
language sql stable
begin atomic
  with recursive read(id) as (
    select relation
    union
    select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where declared <> '{}' and declared || lower(declared::text)::text[] && viewkeeper.names_of(n.nspname, c.relname, of_schema)
    union
    select e.id
      from read r
     cross join lateral (
       select d.refobjid as id from pg_catalog.pg_class c join pg_catalog.pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
         join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_catalog.pg_class'::regclass
        where c.oid = r.id and (c.relkind = 'v' or c.oid = relation)
       union all
       select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = r.id) e)
  select read.id from read where read.id <> relation;
end;

-- What else these relations and the query of a view reach, as far as the server has noted it: through row security, parsed bodies, operators,
-- and what types consist of, with the checks of domains and the casts by which documents are made. The defaults of columns are no
-- part of a query: they have been computed when a row was written.
create function viewkeeper.reached(relation oid, relations oid[]) returns table (class oid, id oid)
language sql stable
begin atomic
  with recursive reads(class, id) as (
    select 'pg_catalog.pg_class'::regclass::oid, r.id from unnest(relations || relation) r(id)
    union
    select e.class, e.id
      from reads r
     cross join lateral (
       select d.refclassid as class, d.refobjid as id
         from (select r.class, r.id where r.class = 'pg_catalog.pg_proc'::regclass
               union all
               select 'pg_catalog.pg_rewrite'::regclass, w.oid from pg_catalog.pg_rewrite w join pg_catalog.pg_class c on c.oid = w.ev_class
                where r.class = 'pg_catalog.pg_class'::regclass and c.oid = r.id and w.rulename = '_RETURN' and (c.relkind = 'v' or c.oid = relation)
               union all
               select 'pg_catalog.pg_policy'::regclass, p.oid from pg_catalog.pg_policy p where r.class = 'pg_catalog.pg_class'::regclass and p.polrelid = r.id
               union all
               select 'pg_catalog.pg_constraint'::regclass, k.oid from pg_catalog.pg_constraint k where r.class = 'pg_catalog.pg_type'::regclass and k.contypid = r.id
               union all
               select 'pg_catalog.pg_class'::regclass, t.typrelid from pg_catalog.pg_type t where r.class = 'pg_catalog.pg_type'::regclass and t.oid = r.id) noted(class, id)
         join pg_catalog.pg_depend d on d.classid = noted.class and d.objid = noted.id
       union all
       select 'pg_catalog.pg_class'::regclass, i.inhrelid from pg_catalog.pg_inherits i where r.class = 'pg_catalog.pg_class'::regclass and i.inhparent = r.id
       union all
       select 'pg_catalog.pg_proc'::regclass, o.oprcode from pg_catalog.pg_operator o where r.class = 'pg_catalog.pg_operator'::regclass and o.oid = r.id
       union all
       select 'pg_catalog.pg_type'::regclass, part.id from pg_catalog.pg_type t cross join lateral (values (t.typbasetype), (t.typelem)) part(id)
        where r.class = 'pg_catalog.pg_type'::regclass and t.oid = r.id and part.id >= 16384
       union all
       select 'pg_catalog.pg_proc'::regclass, k.castfunc from pg_catalog.pg_cast k
        where r.class = 'pg_catalog.pg_type'::regclass and k.castsource = r.id and k.casttarget in (114, 3802)) e
     where e.class in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass, 'pg_catalog.pg_type'::regclass))
  select reads.class, reads.id from reads;
end;

-- How old the data will be with which a materialized view, or its shadow, is about to be filled: {asOf, heldBackBy}. Called
-- before the query's snapshot is taken, so the query sees nothing older. Nobody knows how old they will be if the query may read a
-- materialized view where nobody can look, and its definition does not declare what it reads: then {inputs} says why. A function in C
-- that is immutable is believed to read none. `known` says the same of what this transaction has filled, by OID; `of_batch` is
-- the batch whose built shadows the query may read.
create function viewkeeper.seen(relation oid, of_schema text, of_name text, known jsonb default '{}', of_batch text default null)
returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  declared constant text[] := coalesce((
    select d.depends_on from viewkeeper.definitions d where d.schema_name = of_schema and d.name = of_name and d.removed_at is null), '{}');
  ids oid[] := array(select viewkeeper.relations_of(relation, declared, of_schema));
  functions oid[];
  because text;
  own timestamptz;
  oldest record;
begin
  -- Most views read nothing but relations.
  if exists (select from pg_class c where c.oid = any (ids) and (c.relrowsecurity or c.relkind = 'f'))
     or exists (
       select from pg_class c join pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
         left join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
                               and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
        where (c.oid = relation or c.oid = any (ids) and c.relkind = 'v') and (d.objid is not null or viewkeeper.reads_by_text(w.ev_action))) then
    select array_agg(r.id) filter (where r.class = 'pg_class'::regclass), array_agg(r.id) filter (where r.class = 'pg_proc'::regclass)
      into ids, functions from viewkeeper.reached(relation, ids) r;
    if declared = '{}' then
      select coalesce(
        (select format('it calls %s, whose text nobody can follow', p.oid::regprocedure)
           from pg_proc p join pg_language l on l.oid = p.prolang
          where p.oid = any (functions) and p.oid >= 16384 and p.prokind <> 'a' and p.prosqlbody is null
            and not (l.lanname in ('c', 'internal') and p.provolatile = 'i') limit 1),
        (select format('it reads the foreign table %s', c.oid::regclass) from pg_class c where c.oid = any (ids) and c.relkind = 'f' limit 1),
        (select 'it calls a function of the server that executes the SQL of a text'
           where exists (select from pg_rewrite w join pg_class c on c.oid = w.ev_class
                          where c.oid = any (ids) and w.rulename = '_RETURN' and (c.relkind = 'v' or c.oid = relation) and viewkeeper.reads_by_text(w.ev_action))
              or exists (select from pg_proc p where p.oid = any (functions) and viewkeeper.reads_by_text(p.prosqlbody)))) into because;
      if because is not null then
        return jsonb_build_object('asOf', null, 'heldBackBy', null, 'inputs', jsonb_build_object('because', because));
      end if;
    end if;
  end if;
  select p.as_of, coalesce(p.held_back_by, p.view) as view into oldest
    from (
      select coalesce(found.view, format('%I.%I', n.nspname, c.relname)) as view, found.as_of, found.held_back_by
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        left join lateral (
          select (known #>> array[c.oid::text, 'asOf'])::timestamptz as as_of, known #>> array[c.oid::text, 'heldBackBy'] as held_back_by,
                 format('%I.%I', known #>> array[c.oid::text, 'view', '0'], known #>> array[c.oid::text, 'view', '1']) as view
           where known ? c.oid::text
          union all
          select r.as_of, r.held_back_by, format('%I.%I', r.schema_name, r.view_name) from viewkeeper.runs r
           where r.batch_id = of_batch and r.status = 'built' and r.filled = viewkeeper.filling(c.oid)
          union all
          select last.as_of, last.held_back_by, null from viewkeeper.definitions d
           cross join viewkeeper.last_success(d.id) filler(id)
            join viewkeeper.runs success on success.id = filler.id
           cross join lateral (
             select r.as_of, r.held_back_by from viewkeeper.runs r
              where r.definition_id = d.id and r.id >= success.id
                and (r.id = success.id or r.finished_at > success.finished_at and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at))
              order by r.id desc limit 1) last
           where d.schema_name = n.nspname and d.name = c.relname and success.filled = viewkeeper.filling(c.oid)
           limit 1) found on true
       where c.oid = any (ids) and c.relkind = 'm' and c.oid <> relation) p
   order by p.as_of nulls first limit 1;
  own := clock_timestamp();
  return jsonb_build_object(
    'asOf', case when oldest.view is null or oldest.as_of > own then own else oldest.as_of end,
    'heldBackBy', case when oldest.as_of < own or oldest.as_of is null then oldest.view end);
end $$;

-- A refresh is left out if it is proved that it would change nothing: by what the views that it reads were filled with, and by the
-- server's counters of the tables.

-- The sessions and prepared transactions that may hide what was committed in them since then. A session reports to the counters
-- before it shows itself as idle outside of a transaction, and nowhere else: "commit and chain", "commit; begin" in one message,
-- a pipeline and a procedure commit without end before that. Nothing tells when it was idle last, so its start counts.
create function viewkeeper.hiding() returns table (pid integer, since timestamptz)
language sql volatile
begin atomic
  select a.pid, coalesce(a.backend_start, '-infinity'::timestamptz)
    from pg_catalog.pg_stat_activity a
   where a.datid = (select d.oid from pg_catalog.pg_database d where d.datname = current_database()) and a.pid <> pg_catalog.pg_backend_pid()
     -- These write no table of a user that they would count.
     and a.backend_type not in ('autovacuum worker', 'parallel worker')
     and (a.backend_type not in ('client backend', 'walsender') or a.xact_start is not null or a.state is distinct from 'idle')
  union all
  select null, p.prepared from pg_catalog.pg_prepared_xacts p where p.database = current_database();
end;

-- What was committed before this moment is in the counters by now. Null: our role may not see when the transactions of others
-- began, or not everything is counted.
create function viewkeeper.horizon() returns timestamptz
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  now constant timestamptz := clock_timestamp();
  held timestamptz[];
begin
  if not pg_has_role('pg_read_all_stats', 'usage') or current_setting('track_counts') <> 'on'
     or exists (select from pg_db_role_setting s, unnest(s.setconfig) c where lower(c) like 'track_counts=%')
     or exists (select from pg_proc p, unnest(p.proconfig) c where lower(c) like 'track_counts=%')
     or exists (select from pg_parameter_acl a where lower(a.parname) = 'track_counts') then
    return null;
  end if;
  -- A session of a pool is busy for moments. If one of a few looks finds it idle, it has reported since `now`; if it has ended, too.
  for look in 1..5 loop
    perform pg_stat_clear_snapshot();
    held := array(select h.since from viewkeeper.hiding() h where held is null or h.since = any (held));
    exit when held = '{}';
    perform pg_sleep(0.01);
  end loop;
  -- A session that has reported less than a second ago waits: until it is idle again, or idle for 10 s.
  return least(now, (select min(h.since) from unnest(held) h(since))) - interval '60 s';
end $$;

-- What in the query of a view, or in the types of what it reads, is not known to depend on nothing but relations and the settings in the
-- fingerprint; null: everything is known. Whatever is in none of these lists is not known. `types` are those that values of the
-- query have, `functions` and `operators` those that it calls, by OID. OIDs below 10000 are the same on every server, and stand in
-- no pg_depend. `vouched`: the author of the definition says what the code of users reads.
create function viewkeeper.not_known(tags text[], types oid[], functions oid[], operators oid[], vouched boolean) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce(
    -- Not among these: SQLVALUEFUNCTION (current_date, current_user), NEXTVALUEEXPR, TABLESAMPLECLAUSE, TABLEFUNC, XMLEXPR, JSONEXPR.
    (select format('its query has a %s, which is not known to depend only on what it reads', tag) from unnest(tags) tag
      where tag <> all (string_to_array('AGGREF ALIAS ARRAYCOERCEEXPR ARRAYEXPR BOOLEANTEST BOOLEXPR CASEEXPR CASETESTEXPR CASEWHEN COALESCEEXPR '
        'COERCETODOMAIN COERCEVIAIO COLLATEEXPR COMMONTABLEEXPR CONST CONVERTROWTYPEEXPR CTECYCLECLAUSE CTESEARCHCLAUSE DISTINCTEXPR FIELDSELECT '
        'FROMEXPR FUNCEXPR GROUPINGFUNC GROUPINGSET JOINEXPR MINMAXEXPR NAMEDARGEXPR NULLIFEXPR NULLTEST OPEXPR PARAM QUERY RANGETBLENTRY '
        'RANGETBLFUNCTION RANGETBLREF RELABELTYPE ROWCOMPAREEXPR ROWEXPR RTEPERMISSIONINFO SCALARARRAYOPEXPR SETOPERATIONSTMT SORTGROUPCLAUSE '
        'SUBLINK SUBSCRIPTINGREF TARGETENTRY VAR WINDOWCLAUSE WINDOWFUNC', ' ')) limit 1),
    (select format('it uses %s, which is not known to depend only on what it reads', format_type(u.id, null))
       from unnest(types) u(id) left join pg_type t on t.oid = u.id
      where case
              -- Not among these, and no array of theirs: names (regclass), privileges, the place and the writer of a row, xml.
              when u.id < 16384 then coalesce(nullif(t.typelem, 0), t.oid, 0) <> all ('{16,17,18,19,20,21,22,23,25,26,30,114,600,601,602,603,604,628,650,'
                   '700,701,705,718,774,790,829,869,1042,1043,1082,1083,1114,1184,1186,1266,1560,1562,1700,2249,2275,2278,2281,2950,3220,3614,3615,'
                   '3802,4072,5069,3904,3906,3908,3910,3912,3926,4451,4532,4533,4534,4535,4536}')
              when vouched then false
              -- A type of a user is what it consists of. Documents are made by a cast to json, if somebody has made one.
              else t.oid is null or exists (select from pg_cast k where k.castsource = t.oid and k.casttarget in (114, 3802)) or case t.typtype
                   when 'b' then t.typsubscript <> 'array_subscript_handler'::regproc or t.typelem = 0
                   when 'd' then exists (select from pg_constraint k where k.contypid = t.oid and k.contype = 'c')
                   when 'r' then exists (select from pg_range r where r.rngtypid = t.oid and (r.rngcanonical <> 0 or r.rngsubopc >= 16384))
                   else t.typtype not in ('c', 'e', 'm') end end
         -- By this its values are compared where the query names no operator: in rows, in arrays, by greatest().
         or not vouched and exists (select from pg_opclass o where o.opcintype = u.id and o.oid >= 16384 and o.opcdefault and o.opcmethod in (403, 405))
      limit 1),
    (select format('it uses the operator %s, and only the author knows what that reads: dependsOn vouches for it', o.oid::regoperator)
       from pg_operator o where o.oid = any (operators) and o.oid >= 16384 and not vouched limit 1),
    (select case when p.oid >= 16384 then format('it calls %s, and only the author knows what that reads: dependsOn vouches for it', p.oid::regprocedure)
                 else format('it calls %s, whose result may change although no table does', p.oid::regprocedure) end
       from pg_proc p
      where p.oid = any (functions || array(select o.oprcode from pg_operator o where o.oid = any (operators))) and case
              when p.oid >= 16384 then p.provolatile = 'v' or not vouched
              when p.oid >= 10000 then true
              -- These read a text search parser, a partitioned table, the timeline, an access method.
              when p.provolatile = 'i' then p.oid = any ('{3713,3715,5028,2850,2851,676}')
              -- These are stable only because of the settings in the fingerprint, or of the types of their arguments:
              else p.oid <> all (
                   -- date_part, date_trunc, extract, generate_series, in_range, date_add, date_subtract, make_timestamptz, at local
                   '{1171,1217,6203,939,4135,6221,6223,3462,3463,6334,6335,'
                   -- timestamptz as date, time, timetz, timestamp and back; with an interval: +, -, overlaps
                   '1178,2019,1388,2027,1174,1176,2028,1189,1190,2549,1305,1306,1307,'
                   -- timestamptz compared with date and timestamp
                   '2351,2352,2353,2354,2355,2356,2357,2377,2378,2379,2380,2381,2382,2383,2520,2521,2522,2523,2524,2525,2526,2527,2528,2529,2530,2531,2532,2533,'
                   -- to_char, to_date, to_number, to_timestamp; money and numbers
                   '1768,1770,1772,1773,1774,1775,1776,2049,1780,1777,1778,3811,3812,3824,3823,'
                   -- concat, concat_ws, format, array_to_string, quote_literal, quote_nullable, ||; enum_first, enum_last, enum_range
                   '3058,3059,3539,3540,384,395,1285,1290,2003,2004,3528,3529,3530,3531,'
                   -- to_json, to_jsonb, row_to_json, array_to_json, json_build_* and jsonb_build_*, json_agg, jsonb_agg, json_object_agg
                   '3176,3787,3155,3156,3153,3154,3198,3199,3200,3201,3271,3272,3273,3274,3175,3267,3197,6276,6284,6280,6281,6282}') end
      limit 1));
end $$;

-- What the query of a materialized view reads, if that proves what has changed: the id of the run that filled each materialized
-- view, by OID, and the state of everything else that its rows depend on. If it reads tables, and the definition's name is given, with
-- the counters of the tables, as they were when it "began". Two equal answers (but for "began") prove that a refresh in between
-- changes nothing, as far as the horizon goes. {because} says why nothing can be proved.
-- `known` and `of_batch` as in viewkeeper.seen: a shadow that is read is filled by the run that is going on, or by a built one.
create function viewkeeper.inputs(relation oid, of_schema text, of_name text, known jsonb default '{}', of_batch text default null) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  counts constant boolean := of_name is not null;
  began constant timestamptz := clock_timestamp();
  declared constant text[] := coalesce((
    select d.depends_on from viewkeeper.definitions d where counts and d.schema_name = of_schema and d.name = of_name and d.removed_at is null), '{}');
  vouched constant boolean := declared <> '{}';
  ids constant oid[] := array(select viewkeeper.relations_of(relation, declared, of_schema));
  tree text;
  named record;
  types oid[];
  because text;
  runs jsonb;
  state text;
begin
  -- A name that fits nothing may be a mistake for what a function reads. Row security may depend on the session; only the server's own
  -- tables are known to count.
  select coalesce(
    (select 'its dependsOn has a name that fits nothing in the database' from unnest(declared) said(name)
      where not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                         where array[said.name, lower(said.name)] && viewkeeper.names_of(n.nspname, c.relname, of_schema)) limit 1),
    (select format(case when c.relkind in ('r', 'p') and not counts then 'it reads the table %s, and skipUnchanged is off'
                        else 'it reads %s, which is no view and no plain table of the server without row security' end, c.oid::regclass) from pg_class c
      where c.oid = any (ids) and c.relkind not in ('m', 'v', 'c') and not (counts and c.relkind in ('r', 'p') and not c.relrowsecurity and (c.relkind = 'p' or c.relam = 2))
      limit 1),
    case when not exists (select from pg_class c where c.oid = any (ids) and c.relkind in ('m', 'r', 'p')) then 'it reads no table and no view' end) into because;
  if because is not null then
    return jsonb_build_object('because', because);
  end if;
  -- The stored queries, and columns that are computed when they are read. The server writes a backslash before whatever in a name
  -- could be taken for a field.
  tree := regexp_replace(concat_ws(' ',
    (select string_agg(w.ev_action::text, ' ') from pg_rewrite w join pg_class c on c.oid = w.ev_class
      where w.rulename = '_RETURN' and (c.oid = relation or c.oid = any (ids) and c.relkind = 'v')),
    (select string_agg(a.adbin::text, ' ') from pg_attrdef a join pg_attribute c on c.attrelid = a.adrelid and c.attnum = a.adnum
      where a.adrelid = any (ids) and c.attgenerated = 'v')), '\\.', '_', 'g');
  select array_agg(f.value) filter (where f.field = 'relid') as relations,
         array_agg(f.value) filter (where f.field ~* 'type(s|id)?$' and f.value >= 16) as types,
         array_agg(f.value) filter (where f.field = 'resulttype') as results,
         array_agg(f.value) filter (where f.field ~ '(funcid|fnoid|RangeFunc)$') as functions,
         array_agg(f.value) filter (where f.field ~ '(opno|opnos|eqop|sortop|neop)$') as operators
    into named
    from (
      select distinct m.found[1] as field, one.value::oid as value
        from regexp_matches(tree, ':(\w+) (?:\(o )?(\d{1,10}(?: \d{1,10})*)(?=[ )}])', 'g') m(found) cross join lateral string_to_table(m.found[2], ' ') one(value)
       where m.found[1] ~* '(relid|type|types|typeid|funcid|fnoid|RangeFunc|opno|opnos|eqop|sortop|neop)$') f;
  -- With what they consist of: elements, base types, bounds, attributes.
  with recursive used(id) as (
    select unnest(named.types)
    union
    select part.id
      from used u join pg_type t on t.oid = u.id and t.oid >= 16384
     cross join lateral (
       values (t.typelem), (t.typbasetype)
       union all
       select unnest(array[r.rngsubtype, r.rngtypid]) from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
       union all
       select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) part(id)
     where part.id <> 0)
  select array_agg(id) into types from used;
  because := coalesce(
    -- The server notes no dependency on what is its own.
    (select format('it reads %s, which is the server''s own', id::regclass) from unnest(named.relations) id where id <> 0 and id <> all (ids || relation) limit 1),
    viewkeeper.not_known(array(select distinct m.found[1] from regexp_matches(tree, '\{(\w+)', 'g') m(found)), types,
      -- A text that becomes a value is read by the type: 'today' becomes a date. The label of an enum is known by its type.
      named.functions || array(select t.typinput::oid from pg_type t where tree ~ '\{COERCEVIAIO' and t.oid = any (named.results) and t.typtype <> 'e'),
      named.operators, vouched));
  if because is not null then
    return jsonb_build_object('because', because);
  end if;
  select coalesce(jsonb_object_agg(c.oid, last.id), '{}') into runs
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join lateral (
      select r.id, r.filled, r.touched
        from viewkeeper.definitions d cross join viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id
       where d.schema_name = n.nspname and d.name = c.relname) recorded on true
    left join lateral (
      select r.id from viewkeeper.runs r
       where r.status = 'running' and r.schema_name = known #>> array[c.oid::text, 'view', '0'] and r.view_name = known #>> array[c.oid::text, 'view', '1']
      union all
      select r.id from viewkeeper.runs r where r.batch_id = of_batch and r.status = 'built' and r.filled = viewkeeper.filling(c.oid)
      union all
      select recorded.id where recorded.filled = viewkeeper.filling(c.oid) and recorded.touched = c.xmin::text
      limit 1) last on true
   where c.oid = any (ids) and c.relkind = 'm';
  select format('it reads %s, which somebody has filled outside of the record, or granted', r.key::oid::regclass) into because from jsonb_each(runs) r where r.value = 'null' limit 1;
  if because is not null then
    return jsonb_build_object('because', because);
  end if;
  if counts then
    perform pg_stat_clear_snapshot();
  end if;
  state := concat_ws(' ',
    -- A database made from a template has the template's OIDs, files, and counters that begin at 0 again.
    (select d.oid from pg_database d where d.datname = current_database()),
    -- Files of time zones and libraries of collations are read when the server starts, or when its configuration is read again.
    (select system_identifier from pg_control_system()), version(), pg_postmaster_start_time(), pg_conf_load_time(),
    (select string_agg(current_setting(s.name), ',') from unnest(array['TimeZone', 'timezone_abbreviations', 'DateStyle', 'IntervalStyle',
       'extra_float_digits', 'bytea_output', 'lc_monetary', 'lc_numeric', 'lc_time', 'quote_all_identifiers', 'gin_fuzzy_search_limit']) s(name)),
    (select string_agg(format('%s %s', w.oid, w.xmin), ',' order by w.oid) from pg_rewrite w join pg_class c on c.oid = w.ev_class
      where w.rulename = '_RETURN' and (c.oid = relation or c.oid = any (ids) and c.relkind = 'v')),
    -- A row as a whole shows the names of its columns.
    (select string_agg(format('%s %s %s', a.attrelid, a.attnum, a.xmin), ',' order by a.attrelid, a.attnum) from pg_attribute a
      where a.attnum > 0 and (a.attrelid = relation or a.attrelid = any (ids)
                              or a.attrelid in (select t.typrelid from pg_type t where t.oid = any (types))
                              or vouched and a.attrelid in (select c.oid from pg_class c where c.relkind = 'c'))),
    (select string_agg(format('%s %s', t.oid, t.xmin), ',' order by t.oid) from pg_type t where t.oid = any (types) and t.oid >= 16384),
    (select string_agg(format('%s %s %s', e.oid, e.enumsortorder, e.enumlabel), ',' order by e.oid) from pg_enum e where vouched or e.enumtypid = any (types)),
    -- A function whose body is a text may call others, but the sandbox's own are none of a view's.
    (select string_agg(format('%s %s', p.oid, p.xmin), ',' order by p.oid) from pg_proc p
      where vouched and p.oid >= 16384 and not exists (select from pg_namespace n where n.oid = p.pronamespace and n.nspname ~ '^pg_temp_')));
  if not vouched and not exists (select from pg_class c where c.oid = any (ids) and c.relkind in ('r', 'p')) then
    return jsonb_build_object('runs', runs, 'state', md5(state));
  end if;
  return jsonb_build_object('runs', runs, 'began', began, 'state', md5(concat_ws(' ', state,
    (select string_agg(format('%s %s %s %s %s %s', c.oid, c.xmin, c.relfilenode, pg_stat_get_tuples_inserted(c.oid),
                              pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid)), ',' order by c.oid)
       from pg_class c where c.oid = any (ids) and c.relkind in ('r', 'p')),
    (select string_agg(format('%s %s %s %s', i.inhparent, i.inhrelid, i.inhdetachpending, i.xmin), ',' order by i.inhparent, i.inhrelid)
       from pg_inherits i where i.inhparent = any (ids)),
    (select string_agg(format('%s %s', a.oid, a.xmin), ',' order by a.oid) from pg_attrdef a where a.adrelid = any (ids)),
    -- After a crash, a reset or a promotion the counters may come back to an old value. A standby that is promoted was started at
    -- another moment than the server before.
    (select stats_reset from pg_stat_bgwriter), (select stats_reset from pg_stat_wal), (select stats_reset from pg_stat_archiver),
    (select stats_reset from pg_stat_database where datname = current_database()))));
end $$;

-- As of when the data of a view are by now, if a refresh would change nothing: {asOf, heldBackBy}. Null: refresh.
create function viewkeeper.unchanged(of_definition integer) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  known record;
  horizon timestamptz;
  seen jsonb;
  inputs jsonb;
begin
  select r.id, r.inputs, r.filled, r.touched, r.finished_at, c.oid as relation, c.xmin::text as toucher, d.schema_name, d.name,
         d.max_staleness_seconds, coalesce(d.skip_unchanged, nullif(current_setting('viewkeeper.skip_unchanged', true), '')::boolean, false) as may_count
    into known
    from viewkeeper.definitions d
   cross join viewkeeper.last_success(d.id) filler(id)
    join viewkeeper.runs r on r.id = filler.id
    join pg_namespace n on n.nspname = d.schema_name
    join pg_class c on c.relnamespace = n.oid and c.relname = d.name and c.relkind = 'm' and c.relispopulated
   where d.id = of_definition;
  -- A concurrent refresh by somebody else keeps the file, and may have taken its snapshot before the recorded run.
  if known.inputs is null or known.inputs ? 'because' or known.filled is distinct from viewkeeper.filling(known.relation) or known.touched is distinct from known.toucher then
    return null;
  end if;
  if known.inputs ? 'began' then
    if not known.may_count or known.finished_at < clock_timestamp()
         - make_interval(hours => coalesce(nullif(current_setting('viewkeeper.skip_at_most_hours', true), '')::integer, 24)) then
      return null;
    end if;
    -- The horizon before the counters. If it proves no more than the last refresh or the last proof, a refresh says more.
    horizon := viewkeeper.horizon();
    if horizon is null or horizon <= (known.inputs ->> 'began')::timestamptz
       or horizon < clock_timestamp() - make_interval(secs => known.max_staleness_seconds)
       or horizon <= (select max(r.as_of) from viewkeeper.runs r where r.definition_id = of_definition and r.id > known.id
                         and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)) then
      return null;
    end if;
  end if;
  -- First the ages: if a view is filled in between, the inputs are other ones.
  seen := viewkeeper.seen(known.relation, known.schema_name, known.name);
  inputs := case when horizon is null then viewkeeper.inputs(known.relation, null, null)
                 else viewkeeper.inputs(known.relation, known.schema_name, known.name) end;
  if seen ->> 'asOf' is null or known.inputs - 'began' is distinct from inputs - 'began' then
    return null;
  end if;
  return case when horizon < (seen ->> 'asOf')::timestamptz then jsonb_build_object('asOf', horizon, 'heldBackBy', null) else seen end
         || jsonb_build_object('counted', horizon is not null);
end $$;

comment on function viewkeeper.names_of is 'The names by which depends_on may name a relation.';
comment on function viewkeeper.reads_by_text is 'Whether a stored query calls a function that executes SQL from a text.';
comment on function viewkeeper.relations_of is 'The relations that the query of a view reads, through plain views.';
comment on function viewkeeper.reached is 'The relations, functions, operators and types that the query of a view reaches.';
comment on function viewkeeper.seen is 'How old the data will be with which a view is about to be filled.';
comment on function viewkeeper.inputs is 'What the query of a view reads, with the counters of its tables.';
comment on function viewkeeper.hiding is 'The sessions and transactions that may hide commits from the server''s counters, and since when.';
comment on function viewkeeper.horizon is 'The moment before which every commit is in the server''s counters by now.';
comment on function viewkeeper.not_known is 'What in the query of a view is not known to depend only on what it reads; null: nothing.';
comment on function viewkeeper.unchanged is 'As of when the data of a view are by now, if a refresh would change nothing; otherwise null.';
