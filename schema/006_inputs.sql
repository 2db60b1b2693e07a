-- What the queries of views reach, and what that proves of their data.

-- What the query of a view, the first of these relations, reaches: through plain views, parsed bodies, operators, aggregates, casts, types with their
-- parts, checks, input functions and operator classes, row security, and heirs; not through a materialized view, which was filled before. This is the
-- one table of what is followed. What is the server's own stands in no pg_depend; its functions are reached where an object of others has one.
-- `every_column`: types of columns that are not read, too, which takes no look into the trees.
create function viewkeeper.reached(relations oid[], every_column boolean) returns table (class oid, id oid)
language plpgsql stable set search_path = pg_catalog, pg_temp
-- Each step is a look-up by an index, whatever statistics the catalog has. The plan is made once in a session: it takes longer than the walk.
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
#variable_conflict use_column
declare
  ids oid[];
  more boolean;
begin
  -- Most queries reach nothing but relations. The whole walk takes longer to plan than a refresh of a small view.
  with recursive reads(class, id) as (
    select 'pg_class'::regclass::oid, r.id from unnest(relations) r(id)
    union
    select e.class, e.id from reads r cross join lateral (
      select d.refclassid as class, d.refobjid as id from pg_class c join pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
       where r.class = 'pg_class'::regclass and c.oid = r.id and (c.relkind = 'v' or c.oid = relations[1])
      union all
      select 'pg_class'::regclass, i.inhrelid from pg_inherits i where r.class = 'pg_class'::regclass and i.inhparent = r.id
      union all
      select 'pg_policy'::regclass, p.oid from pg_policy p where r.class = 'pg_class'::regclass and p.polrelid = r.id
      union all
      select 'pg_type'::regclass, a.atttypid from pg_attribute a
       where r.class = 'pg_class'::regclass and a.attrelid = r.id and a.attnum > 0 and a.atttypid >= 12000) e)
  select array_agg(r.id) filter (where r.class = 'pg_class'::regclass),
         bool_or(r.class in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass, 'pg_collation'::regclass,
                             'pg_policy'::regclass))
    into ids, more from reads r;
  if not more then
    return query select 'pg_class'::regclass::oid, r.id from unnest(ids) r(id);
    return;
  end if;
  return query
  with recursive reads(class, id) as (
    select 'pg_class'::regclass::oid, r.id from unnest(relations) r(id)
    union
    select e.class, e.id
      from reads r
     cross join lateral (
       -- What the server has noted of stored queries and expressions, with the types of the columns that they read: of all, if they read whole rows.
       select part.class, part.id
         from (select 'pg_rewrite'::regclass::oid, w.oid, every_column or w.ev_action::text ~ ':varattno 0 :vartype (?!2249 )'
                 from pg_class c join pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
                where r.class = 'pg_class'::regclass and c.oid = r.id and (c.relkind = 'v' or c.oid = relations[1])
               union all
               select r.class, p.oid, every_column or p.prosqlbody::text ~ ':varattno 0 :vartype (?!2249 )' from pg_proc p
                where r.class = 'pg_proc'::regclass and p.oid = r.id
               union all
               select 'pg_policy'::regclass, p.oid, true from pg_policy p where r.class = 'pg_class'::regclass and p.polrelid = r.id
               union all
               select 'pg_constraint'::regclass, k.oid, true from pg_constraint k where r.class = 'pg_type'::regclass and k.contypid = r.id
               offset 0) noted(class, id, whole)
         join pg_depend d on d.classid = noted.class and d.objid = noted.id
         left join pg_attribute a on d.refclassid = 'pg_class'::regclass and a.attrelid = d.refobjid and a.attnum > 0 and a.atttypid >= 12000
          and (a.attnum = d.refobjsubid or noted.whole)
        cross join lateral (values (d.refclassid, d.refobjid), ('pg_type'::regclass, a.atttypid)) part(class, id)
       union all
       select 'pg_class'::regclass, i.inhrelid from pg_inherits i where r.class = 'pg_class'::regclass and i.inhparent = r.id
       union all
       select 'pg_proc'::regclass, o.oprcode from pg_operator o where r.class = 'pg_operator'::regclass and o.oid = r.id
       union all
       select 'pg_proc'::regclass, f.id from pg_aggregate a
        cross join lateral unnest(array[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
                                        a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::oid[]) f(id)
        where r.class = 'pg_proc'::regclass and a.aggfnoid = r.id
       union all
       select part.class, part.id from pg_type t
        cross join lateral (values ('pg_proc'::regclass, t.typinput::oid), ('pg_proc', t.typoutput), ('pg_type', t.typbasetype),
                                   ('pg_type', t.typelem)) part(class, id)
        where r.class = 'pg_type'::regclass and t.oid = r.id
       union all
       select 'pg_type'::regclass, a.atttypid from pg_type t join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        where r.class = 'pg_type'::regclass and t.oid = r.id
       union all
       select part.class, part.id from pg_range g
        cross join lateral (values ('pg_proc'::regclass, g.rngcanonical::oid), ('pg_proc', g.rngsubdiff), ('pg_opclass', g.rngsubopc),
                                   ('pg_type', g.rngsubtype), ('pg_type', g.rngtypid), ('pg_type', g.rngmultitypid)) part(class, id)
        where r.class = 'pg_type'::regclass and r.id in (g.rngtypid, g.rngmultitypid)
       union all
       -- By its operator class values of a type are compared where the query names no operator.
       select 'pg_opclass'::regclass, o.oid from pg_opclass o where r.class = 'pg_type'::regclass and o.opcintype = r.id and o.opcdefault
       union all
       select 'pg_proc'::regclass, m.amproc from pg_opclass o
         join pg_amproc m on m.amprocfamily = o.opcfamily and o.opcintype in (m.amproclefttype, m.amprocrighttype)
        where r.class = 'pg_opclass'::regclass and o.oid = r.id
       union all
       select 'pg_operator'::regclass, m.amopopr from pg_opclass o
         join pg_amop m on m.amopfamily = o.opcfamily and o.opcintype in (m.amoplefttype, m.amoprighttype)
        where r.class = 'pg_opclass'::regclass and o.oid = r.id
       union all
       -- Functions that make documents look for a cast to json. A type that is stored as another one is compared as that.
       select part.class, part.id from pg_cast k
        cross join lateral (values ('pg_proc'::regclass, k.castfunc), ('pg_type', case k.castmethod when 'b' then k.casttarget end)) part(class, id)
        where r.class = 'pg_type'::regclass and k.castsource = r.id and (k.casttarget in (114, 3802) or k.castmethod = 'b')) e
     where e.id <> 0 and (e.id >= 12000 or e.class = 'pg_proc'::regclass)
       and e.class in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass,
                       'pg_collation'::regclass))
  select reads.class, reads.id from reads;
end $$;

-- The world of a view, and of the logs of its changes: a mark of each object that its query reaches, by class and OID, of each setting under which
-- rows are computed, and of the server. The mark of an object has the versions of all rows of the catalog that make it, so two equal worlds prove
-- that in between nothing but rows of tables has changed: nobody lists what may. A table has its triggers with their functions, its rules, policies
-- and publications, and those of its ancestors, through which it is written, too. `fillings`: a materialized view below has its data. The query
-- itself is not in it: an exchange writes it anew.
create function viewkeeper.world(relation oid, logs oid[], fillings boolean) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  ids oid[]; -- of all catalogs together: what has the OID of another object is marked, too, which does no harm
  more boolean;
  versions text[];
begin
  select array_agg(r.id) || logs, bool_or(r.class <> 'pg_class'::regclass) into ids, more
    from viewkeeper.reached(array[relation], true) r where r.id <> relation;
  ids := array(
    with recursive related(id) as (select unnest(ids) union select i.inhparent from related r join pg_inherits i on i.inhrelid = r.id)
    select r.id from related r);
  versions := array(
    select concat('pg_class/', v.id, ' ', v.version) from (
      -- Of a plain view what an exchange leaves as it is.
      select c.oid, case when c.relkind = 'v' then concat(c.relowner, c.reloptions) when c.relkind <> 'm' or fillings then c.xmin::text end
        from pg_class c where c.oid = any (ids)
      union all select a.attrelid, a.xmin::text from pg_attribute a where a.attrelid = any (ids) and a.attnum > 0
      union all select d.adrelid, d.xmin::text from pg_attrdef d where d.adrelid = any (ids)
      union all select w.ev_class, w.xmin::text from pg_rewrite w where w.ev_class = any (ids)
      union all select t.tgrelid, concat(t.xmin, ' ', p.xmin) from pg_trigger t join pg_proc p on p.oid = t.tgfoid where t.tgrelid = any (ids)
      union all select p.polrelid, p.xmin::text from pg_policy p where p.polrelid = any (ids)
      union all select i.inhrelid, i.xmin::text from pg_inherits i where i.inhrelid = any (ids)
      union all select i.inhparent, i.xmin::text from pg_inherits i where i.inhparent = any (ids)
      union all select s.srrelid, s.xmin::text from pg_subscription_rel s where s.srrelid = any (ids)
      union all select p.prrelid, p.xmin::text from pg_publication_rel p where p.prrelid = any (ids)) v(id, version)
    union all
    select concat('pg_publication/', p.oid, ' ', p.xmin) from pg_publication p where p.puballtables or p.oid in (
      select r.prpubid from pg_publication_rel r where r.prrelid = any (ids)
      union all select n.pnpubid from pg_class c join pg_publication_namespace n on n.pnnspid = c.relnamespace where c.oid = any (ids))
    -- A subscription fires no trigger that a log has, and may be gone by now: the server has counted it.
    union all
    select concat('pg_class/', s.oid, ' ', pg_stat_get_tuples_inserted(s.oid)) from pg_class s where s.oid = 'pg_subscription_rel'::regclass and logs is not null
    -- Whoever renames the schema of a log keeps it from being written, until it is named so again. A grant on it looks the same.
    union all
    select concat('pg_class/', c.oid, ' ', n.xmin) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any (logs)
    union all
    select concat('pg_collation/', c.oid, ' ', c.xmin, ' ', pg_collation_actual_version(c.oid)) from pg_collation c
     where c.oid = any (ids || array(select a.attcollation from pg_attribute a where a.attrelid = any (ids))));
  -- Most queries reach nothing else, and this takes as long to plan.
  if more then
    versions := versions || array(
      select concat('pg_proc/', p.oid, ' ', p.xmin) from pg_proc p where p.oid = any (ids)
      union all select concat('pg_operator/', o.oid, ' ', o.xmin) from pg_operator o where o.oid = any (ids)
      union all select concat('pg_opclass/', o.oid, ' ', o.xmin) from pg_opclass o where o.oid = any (ids)
      union all select concat('pg_type/', t.oid, ' ', t.xmin) from pg_type t where t.oid = any (ids)
      union all select concat('pg_type/', t.oid, ' ', a.xmin) from pg_type t join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0
        where t.oid = any (ids)
      union all select concat('pg_type/', e.enumtypid, ' ', e.xmin) from pg_enum e where e.enumtypid = any (ids)
      union all select concat('pg_type/', k.contypid, ' ', k.xmin) from pg_constraint k where k.contypid = any (ids)
      union all select concat('pg_type/', k.castsource, ' ', k.xmin) from pg_cast k where k.castsource = any (ids));
  end if;
  return (select coalesce(jsonb_object_agg(m.key, m.mark), '{}')
            from (select split_part(v, ' ', 1) as key, left(md5(string_agg(v, ',' order by v)), 12) as mark from unnest(versions) v group by 1) m)
    || (select jsonb_object_agg(s.name, coalesce(nullif(current_setting('viewkeeper.login_settings', true), '')::jsonb ->> s.name, current_setting(s.name)))
          from unnest('{DateStyle,IntervalStyle,extra_float_digits,bytea_output,lc_monetary,lc_numeric,lc_time,xmloption,array_nulls,TimeZone,'
                      'quote_all_identifiers,standard_conforming_strings,timezone_abbreviations,default_text_search_config,'
                      'gin_fuzzy_search_limit}'::text[]) s(name))
    -- A database made from a template has the template's OIDs; a restored one has its log, and views that were filled elsewhere. A session reads the
    -- files of time zones and dictionaries when it first uses them: who replaces one has the server read its configuration again.
    || jsonb_build_object('server', md5(concat_ws(' ', version(), (select system_identifier from pg_control_system()),
         (select d.oid from pg_database d where d.datname = current_database()))),
       'started', md5(concat_ws(' ', extract(epoch from pg_postmaster_start_time()), extract(epoch from pg_conf_load_time()))));
end $$;

-- What differs between two worlds, in words; null: nothing. An object that there is goes before one that is gone.
create function viewkeeper.changed(before jsonb, now jsonb) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when x.key in ('server', 'started') then 'the server was started, or has read its configuration'
              when x.key = 'query' then 'its query has changed'
              when x.key !~ '/' then format('setting %s has changed', x.key)
              when o.identity is null then 'something that it reached is gone'
              else format('%s %s has changed', o.type, o.identity) end
    from (select key from jsonb_each(before) b(key, was) full join jsonb_each(now) n(key, is_now) using (key) where b.was is distinct from n.is_now) x
    left join lateral pg_identify_object(to_regclass(split_part(x.key, '/', 1)), nullif(split_part(x.key, '/', 2), '')::oid, 0) o on true
   order by o.identity is null, x.key limit 1
$$;

-- The table of a view's change log with this number: `logName` of src/sql/names.ts. Null: there is none.
create function viewkeeper.log_of(schema_name text, name text, part integer) returns regclass
language sql stable
return to_regclass(format('viewkeeper_logs.%I', concat(replace(replace(schema_name, '~', '~~'), '.', '~.'), '.', name, '_', part)));

-- Whether a refresh did not use the log of its table, or `anew`: there is another one since then. Null: it did.
create function viewkeeper.unused_log(meta jsonb, schema_name name, name name) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when meta #>> '{response,computes,unused,log}' is not distinct from viewkeeper.log_of(schema_name, name, 0)::oid::text then 'unused' else 'anew' end
   where meta #> '{response,computes,unused}' is not null
$$;

-- The incremental tables with a target lag below so many seconds whose change logs have rows, if a refresh may begin now: not while the last one goes
-- on, nor for as long as it took if that keeps no such lag anyway, nor before the minimum interval is over. One that is paused, or has failed, or
-- whose log is not used, is left to the looks of the monitor. Nothing of an owner of a log is executed. The planner would execute expressions of
-- indexes, statistics, constraints and partitions: a log that has any of these is not asked, and the lock, which is let go at once and in no writer's
-- way, keeps others from making one. A policy would be an error. A log that cannot be locked, or that holds more than a refresh would go by, has no
-- rows here. If `looks`, those are told, too, of which something else that the rows depend on has changed, such as a partition that was dropped or
-- detached: that writes no row into a log.
create function viewkeeper.behind_logs(below integer, looks boolean) returns table (id integer, view text, lag_seconds integer, is_changed boolean)
language plpgsql volatile set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  schema_name text;
  name text;
  log regclass;
  logs oid[];
  world jsonb;
  query oid;
  behind boolean;
  unused text;
begin
  for id, view, lag_seconds, schema_name, name, unused, world, query in
    select d.id, format('%I.%I', d.schema_name, d.name), d.target_lag_seconds,
           d.schema_name, d.name, last.unused, last.world, k.query
      from viewkeeper.definitions d
     cross join lateral (
       select r.status, r.finished_at, r.finished_at - r.started_at as took, viewkeeper.unused_log(r.meta, d.schema_name, d.name) as unused, r.meta #> '{response,slices,world}' as world
         from viewkeeper.runs r where r.definition_id = d.id and r.status <> 'skipped'
          -- Who asked for it by hand was told why it was refused.
          and (r.status <> 'failed' or r.started_at is not null or r.trigger not in ('http', 'cli', 'program')) order by r.id desc limit 1) last
      left join viewkeeper.kept() k on k.relation = to_regclass(format('%I.%I', d.schema_name, d.name))
     where d.target_lag_seconds < below and d.storage = 'table' and d.slices is not null and d.schedule is null
       and d.paused_at is null and d.removed_at is null and last.status = 'success' and last.unused is distinct from 'unused'
       and last.finished_at + greatest(make_interval(secs => d.min_interval_seconds),
             case when 2 * last.took > make_interval(secs => d.target_lag_seconds) then last.took end) <= clock_timestamp()
       and not exists (select from viewkeeper.switches s where s.key = 'paused')
  loop
    behind := false;
    is_changed := false;
    logs := '{}';
    for part in 0..1000 loop
      begin
        log := viewkeeper.log_of(schema_name, name, part);
        exit when log is null;
        logs := logs || log::oid;
        execute format('lock table only %s in share update exclusive mode nowait', log);
        if exists (select from pg_class c where c.oid = log and c.relkind = 'r' and not c.relispartition and not c.relhasindex and c.relchecks = 0)
            and not exists (select from pg_statistic_ext s where s.stxrelid = log) and pg_relation_size(log) < 16777216 then
          execute format('select exists (select from only %s)', log) into behind;
        end if;
        raise sqlstate 'VK003'; -- lets the lock go
      exception when sqlstate 'VK003' then
        null;
      when others then
        behind := false;
      end;
      exit when behind;
    end loop;
    if looks and not behind and unused = 'anew' then
      is_changed := true;
    elsif looks and not behind and world is not null then
      begin
        is_changed := exists (
          select from jsonb_each(world) b(key, was) full join jsonb_each(viewkeeper.world(query, logs, true)) n(key, is_now) using (key)
           where key ~ '/' and b.was is distinct from n.is_now);
      exception when others then
        null;
      end;
    end if;
    if behind or is_changed then
      return next;
    end if;
  end loop;
end $$;

-- What an incremental table with a target lag has of its log: whether that is unused or not there; an owner of a part of it whom the role that asks would
-- have to inherit from, to lock it; and what half of the refreshes that followed it lately took at least, if there were three.
create function viewkeeper.followed_log(definition integer) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('asker', current_user, 'owner', l.owner,
           'unused', l.parts = 0 or (select viewkeeper.unused_log(r.meta, d.schema_name, d.name) is not distinct from 'unused'
                                       from viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id),
           'tookMs', (select case when count(*) > 2 then percentile_disc(0.5) within group (order by r.duration_ms) end
                        from (select * from viewkeeper.runs r where r.definition_id = d.id order by r.id desc limit 20) r
                       where r.status = 'success' and r.requested_by = 'target lag' and r.batch_id is null
                         and r.requested_at > clock_timestamp() - interval '10 min'))
    from viewkeeper.definitions d
   cross join lateral (
     select count(*) as parts, min(pg_get_userbyid(c.relowner)) filter (where not (has_table_privilege(c.oid, 'select')
              and has_table_privilege(c.oid, concat('update, delete, truncate', case when current_setting('server_version_num')::integer >= 170000
                                                                                     then ', maintain' end)))) as owner
       from generate_series(0, 30) part
       join pg_class c on c.oid = viewkeeper.log_of(d.schema_name, d.name, part)) l
   where d.id = definition and d.storage = 'table' and d.slices is not null and d.target_lag_seconds is not null
$$;

-- Whether a stored expression calls a function of the server that executes the SQL, or reads the relation, which its arguments name: query_to_xml and
-- its like, ts_stat, ts_rewrite.
create function viewkeeper.executes_text(tree text) returns boolean
language sql immutable
return tree ~ ':(op)?funcid (292[3-9]|293[03-8]|3685|3689|3690) ';

-- What the query of a view has besides plain tables and what is the server's own, which most views have not: `to_lock` what its refresh locks too
-- late or through which, `to_follow` what may tell how old its data are, or hide that: functions, operators and types of users, also where only its
-- values have them; other views; row security; tables abroad, also far below a table as its heirs; the SQL of a text.
create function viewkeeper.reads(relation oid, out to_lock boolean, out to_follow boolean)
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  rule oid;
  tree text;
begin
  select w.oid, w.ev_action::text into rule, tree from pg_rewrite w where w.ev_class = relation and w.rulename = '_RETURN';
  select coalesce(bool_or(c.oid is null or c.relkind in ('v', 'p') or c.relhassubclass or c.relrowsecurity or users.has), false),
         coalesce(bool_or(d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass)
                       or c.relkind in ('m', 'v', 'f') or c.relkind = 'r' and exists (select from pg_class q
                           where q.relname = (c.relname || '_query')::name and q.relnamespace = c.relnamespace and q.relkind = 'v')
                       or c.relrowsecurity or c.relhassubclass and exists (select from pg_foreign_table) or users.reads), false)
         or viewkeeper.executes_text(tree)
    into to_lock, to_follow
    from pg_depend d
    left join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
   cross join lateral (
     select count(*) > 0 as has, bool_or(a.attnum = d.refobjsubid or tree ~ ':varattno 0 :vartype (?!2249 )') as reads
       from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and a.atttypid >= 12000) users
   where d.classid = 'pg_rewrite'::regclass and d.objid = rule and d.refobjid <> relation;
end $$;

-- Locks all that the query of a view reads against `truncate` and its like, until the end of the transaction: a statement that waits for such a lock
-- itself has its snapshot already, and finds the table empty. The server locks what it writes down, and asks for no right on it.
create function viewkeeper.lock_read(relation oid) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  ids oid[];
  functions oid[];
  locked oid[];
  heir regclass;
begin
  perform pg_get_viewdef(relation);
  if not (select r.to_lock from viewkeeper.reads(relation) r) then
    return;
  end if;
  loop
    locked := ids || functions;
    select array_agg(r.id) filter (where r.class = 'pg_class'::regclass), array_agg(r.id) filter (where r.class = 'pg_proc'::regclass)
      into ids, functions from viewkeeper.reached(array[relation], true) r;
    -- What was waited for may read something else by now.
    exit when ids || functions <@ locked;
    perform pg_get_viewdef(c.oid) from pg_class c where c.oid = any (ids) and c.relkind = 'v';
    perform pg_get_function_sqlbody(f.id) from unnest(functions) f(id);
    perform pg_get_expr(p.polqual, p.polrelid) from pg_policy p where p.polrelid = any (ids);
    perform pg_partition_tree(c.oid) from pg_class c where c.oid = any (ids) and c.relkind = 'p';
    -- Of what asks for no right, only this locks an heir that is no partition. A server without XML parses a query of it, which takes usage on its
    -- schema.
    for heir in select c.oid::regclass from pg_class c
                 where c.oid = any (ids) and not c.relispartition and exists (select from pg_inherits i where i.inhrelid = c.oid) loop
      begin
        perform table_to_xmlschema(heir, false, false, '');
      exception when feature_not_supported then
        begin
          execute format('prepare "viewkeeper locks" as select from only %s', heir);
          deallocate "viewkeeper locks";
        exception when insufficient_privilege then
          null;
        end;
      end;
    end loop;
  end loop;
end $$;

-- How old the data will be with which a materialized view, or its shadow, is about to be filled: {asOf, heldBackBy}. Called before the query's
-- snapshot is taken, so the query sees nothing older. Nobody knows how old they will be if the query may read a materialized view where nobody can
-- look, and its definition does not declare what it reads: then {inputs} says why. A function in C that is immutable is believed to read none.
-- `known` says the same of what this transaction has filled, by OID; `of_batch` is the batch whose built shadows the query may read.
create function viewkeeper.seen(relation oid, of_schema text, of_name text, known jsonb default '{}', of_batch text default null)
returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  declared constant text[] := coalesce((
    select d.depends_on from viewkeeper.definitions d where d.schema_name = of_schema and d.name = of_name and d.removed_at is null), '{}');
  roots oid[] := array[relation];
  ids oid[];
  functions oid[];
  types oid[];
  by_text constant text := 'it calls a function of the server that executes the SQL of a text';
  because text;
  own timestamptz;
  oldest record;
begin
  -- Each statement is planned in each session anew, so none is that has nothing to find.
  if declared <> '{}' then
    roots := roots || array(
      select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where declared || lower(declared::text)::text[]
             && (array[format('%I.%I', n.nspname, c.relname), n.nspname || '.' || c.relname]
                 || case when n.nspname = of_schema then array[quote_ident(c.relname), c.relname::text] end));
  end if;
  select array_agg(r.id) filter (where r.class = 'pg_class'::regclass), array_agg(r.id) filter (where r.class = 'pg_proc'::regclass),
         array_agg(r.id) filter (where r.class = 'pg_type'::regclass)
    into ids, functions, types from viewkeeper.reached(roots, false) r;
  if declared = '{}' then
    if functions is not null then
      -- The functions of the planner take its structures and give them back.
      select format('it calls %s, whose text nobody can follow', p.oid::regprocedure) into because
        from pg_proc p join pg_language l on l.oid = p.prolang
       where p.oid = any (functions) and p.oid >= 16384 and p.prokind <> 'a' and p.prosqlbody is null
         and not (p.proargtypes::text = '2281' and p.prorettype = 2281)
         and not (l.lanname in ('c', 'internal') and p.provolatile = 'i' and p.prosrc !~ '_to_xml|^ts_stat|^tsquery_rewrite_query$') limit 1;
    end if;
    because := coalesce(because, (
      select format('it reads the foreign table %s', c.oid::regclass) from pg_class c where c.oid = any (ids) and c.relkind = 'f' limit 1));
    -- Only these trees are looked into: without "offset 0" the server does so with all there are, which takes 40 ms, before it looks for these.
    if because is null and exists (
         select from (
           select w.ev_action::text from pg_class c join pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
            where c.oid = any (ids) and (c.relkind = 'v' or c.oid = relation)
           union all
           select concat(p.polqual) from pg_policy p where p.polrelid = any (ids) offset 0) expressions(tree)
          where viewkeeper.executes_text(tree)) then
      because := by_text;
    end if;
    if because is null and (functions is not null or types is not null) and exists (
         select from (
           select format(':funcid %s ', f.id) from unnest(functions) f(id)
           union all
           select concat(p.prosqlbody, p.proargdefaults) from pg_proc p where p.oid = any (functions)
           union all
           select k.conbin::text from pg_constraint k where k.contypid = any (types) offset 0) expressions(tree)
          where viewkeeper.executes_text(tree)) then
      because := by_text;
    end if;
    if because is not null then
      return jsonb_build_object('asOf', null, 'heldBackBy', null, 'inputs', jsonb_build_object('because', because));
    end if;
  end if;
  if not exists (select from viewkeeper.live() l where l.relation = any (ids) and l.relation <> seen.relation) then
    return jsonb_build_object('asOf', clock_timestamp(), 'heldBackBy', null);
  end if;
  select p.as_of, coalesce(p.held_back_by, p.view) as view into oldest
    from (
      select coalesce(found.view, format('%I.%I', l.schema_name, l.name)) as view, found.as_of, found.held_back_by
        from viewkeeper.live() l
        left join lateral (
          select (known #>> array[l.relation::text, 'asOf'])::timestamptz as as_of, known #>> array[l.relation::text, 'heldBackBy'] as held_back_by,
                 format('%I.%I', known #>> array[l.relation::text, 'view', '0'], known #>> array[l.relation::text, 'view', '1']) as view
           where known ? l.relation::text
          union all
          select r.as_of, r.held_back_by, format('%I.%I', r.schema_name, r.view_name) from viewkeeper.runs r
           where r.batch_id = of_batch and r.status = 'built' and r.filled = l.filling
          union all
          select last.as_of, last.held_back_by, null from viewkeeper.definitions d
           cross join viewkeeper.last_success(d.id) filler(id)
            join viewkeeper.runs success on success.id = filler.id
           cross join lateral (
             select r.as_of, r.held_back_by from viewkeeper.runs r
              where r.definition_id = d.id and r.id >= success.id
                and (r.id = success.id or r.finished_at > success.finished_at and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at))
              order by r.id desc limit 1) last
           where d.schema_name = l.schema_name and d.name = l.name and success.filled = l.filling
           limit 1) found on true
       where l.relation = any (ids) and l.relation <> seen.relation) p
   order by p.as_of nulls first limit 1;
  own := clock_timestamp();
  return jsonb_build_object(
    'asOf', case when oldest.view is null or oldest.as_of > own then own else oldest.as_of end,
    'heldBackBy', case when oldest.as_of < own or oldest.as_of is null then oldest.view end);
end $$;

-- A refresh is left out if it is proved that it would change nothing: by what the views that it reads were filled with, and by the server's counters
-- of the tables.

-- The sessions and prepared transactions that may hide what was committed in them since then. A session reports to the counters before it shows
-- itself as idle outside of a transaction, and nowhere else: "commit and chain", "commit; begin" in one message, a pipeline and a procedure commit
-- without end before that. Nothing tells when it was idle last, so its start counts.
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
comment on function viewkeeper.hiding is 'The sessions and transactions that may hide commits from the server''s counters, and since when.';

-- What was committed before this moment is in the counters by now. Null: our role may not see when the transactions of others began, or not
-- everything is counted.
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
comment on function viewkeeper.horizon is 'The moment before which every commit is in the server''s counters by now.';

-- What the rows of a materialized view depend on, if everything in its query is known, as a proof needs it: the id of the run that filled each
-- materialized view that it reads, by OID, and a mark of its world. If it reads tables, and `counts`, the mark has the counters of the tables, too,
-- as they were when it "began". Two equal answers (but for "began") prove that a refresh in between changes nothing, as far as the horizon goes.
-- Null: nothing can be proved, because it reads none of both, reads tables without `counts`, or somebody has filled what it reads outside of the
-- record. `known` and `of_batch` as in viewkeeper.seen: a shadow that is read is filled by the run that is going on, or by a built one.
create function viewkeeper.inputs(relation oid, counts boolean, known jsonb default '{}', of_batch text default null) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  began constant timestamptz := clock_timestamp();
  ids constant oid[] := array(select r.id from viewkeeper.reached(array[relation], true) r where r.class = 'pg_class'::regclass and r.id <> relation);
  tables constant boolean := exists (select from pg_class c where c.oid = any (ids) and c.relkind in ('r', 'p'));
  runs jsonb;
  state text;
begin
  if tables and not counts or not exists (select from pg_class c where c.oid = any (ids) and c.relkind in ('m', 'r', 'p')) then
    return null;
  end if;
  select coalesce(jsonb_object_agg(c.oid, last.id), '{}') into runs
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join lateral (
      select r.id, r.filled, r.touched
        from viewkeeper.definitions d cross join viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id
       where d.schema_name = n.nspname and d.name = c.relname offset 0) recorded on true -- else the server asks for the last success of every view
    left join lateral (
      select r.id from viewkeeper.runs r
       where r.status = 'running' and r.schema_name = known #>> array[c.oid::text, 'view', '0']
         and r.view_name = known #>> array[c.oid::text, 'view', '1']
      union all
      select r.id from viewkeeper.runs r where r.batch_id = of_batch and r.status = 'built' and r.filled = viewkeeper.filling(c.oid)
      union all
      select recorded.id where recorded.filled = viewkeeper.filling(c.oid) and recorded.touched = c.xmin::text
      limit 1) last on true
   where c.oid = any (ids) and c.relkind = 'm';
  if jsonb_path_exists(runs, '$.* ? (@ == null)') then
    return null;
  end if;
  perform pg_stat_clear_snapshot();
  state := concat_ws(' ', (select format('%s %s', w.oid, w.xmin) from pg_rewrite w where w.ev_class = relation),
                          viewkeeper.world(relation, null, false));
  if not tables then
    return jsonb_build_object('runs', runs, 'state', md5(state));
  end if;
  return jsonb_build_object('runs', runs, 'began', began, 'state', md5(concat_ws(' ', state,
    (select string_agg(concat_ws(' ', c.oid, pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid),
                                 pg_stat_get_tuples_deleted(c.oid)), ',' order by c.oid)
       from pg_class c where c.oid = any (ids) and c.relkind in ('r', 'p')),
    -- After a crash, a reset or a promotion the counters may come back to an old value. A standby that is promoted was started at another moment than
    -- the server before.
    (select extract(epoch from stats_reset) from pg_stat_bgwriter), (select extract(epoch from stats_reset) from pg_stat_wal),
    (select extract(epoch from stats_reset) from pg_stat_archiver),
    (select extract(epoch from stats_reset) from pg_stat_database where datname = current_database()))));
end $$;

-- What a run has to know of a view before it computes its rows, by the OID of what it fills: how old the data will be, from what, and what they
-- replace. `target`: `fills` of a statement. `known`: the same of views that the run has filled before.
create function viewkeeper.noted(target jsonb, counts boolean, known jsonb, of_batch text) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp set jit = off as $$
declare
  made constant oid := (target ->> 'relation')::regclass;
  source constant oid := coalesce(target ->> 'query', target ->> 'relation')::regclass;
  age jsonb;
begin
  -- Other rows stay: the data are as old as before, and prove nothing. Else it matters whether the query reaches anything
  -- but plain tables and what is the server's own, or its definition names what it reads. Most views read tables only: then
  -- the functions of the record, which take longer to plan than a refresh of a small view, are neither called nor planned.
  if target ? 'keeps' then
    age := viewkeeper.age_of(made);
  elsif counts or (select r.to_follow from viewkeeper.reads(source) r)
    or exists (select from viewkeeper.definitions d
                where d.schema_name = target #>> '{view,0}' and d.name = target #>> '{view,1}' and d.depends_on <> '{}') then
    age := jsonb_build_object('inputs', viewkeeper.inputs(source, counts, known, of_batch))
      || viewkeeper.seen(source, target #>> '{view,0}', target #>> '{view,1}', known, of_batch);
  else
    age := jsonb_build_object('asOf', clock_timestamp());
  end if;
  -- Asked by the catalog's rows: our role may lack usage on the schema.
  return jsonb_build_object(made, jsonb_build_object('view', target -> 'view') || age || coalesce(
    (select jsonb_build_object('replaces', viewkeeper.filling(c.oid), 'touched', c.xmin::text)
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = target #>> '{view,0}' and c.relname = target #>> '{view,1}'), '{}'));
end $$;

-- As of when the data of a view are by now, if a refresh would change nothing, and everything in the query of `relation` is known:
-- {asOf, heldBackBy, relation}. Null: refresh.
create function viewkeeper.unchanged(of_definition integer) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  known record;
  horizon timestamptz;
  seen jsonb;
  inputs jsonb;
begin
  select r.id, r.inputs, r.finished_at, l.query, r.filled = l.filling and r.touched = l.touched as is_ours,
         d.schema_name, d.name, d.max_staleness_seconds, d.promised_lag_seconds,
         coalesce(d.skip_unchanged, nullif(current_setting('viewkeeper.skip_unchanged', true), '')::boolean, false) as may_count
    into known
    from viewkeeper.definitions d
   cross join viewkeeper.last_success(d.id) filler(id)
    join viewkeeper.runs r on r.id = filler.id
    join viewkeeper.live() l on l.schema_name = d.schema_name and l.name = d.name and l.is_populated
   where d.id = of_definition;
  -- A concurrent refresh by somebody else keeps the file, and may have taken its snapshot before the recorded run.
  if known.inputs is null or known.inputs ? 'because' or known.is_ours is not true then
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
       -- The next look comes in a minute, or later if the lag is long, and needs some seconds.
       or horizon < clock_timestamp() - make_interval(secs => least(known.promised_lag_seconds - 70, known.promised_lag_seconds / 2))
       or horizon <= (select max(r.as_of) from viewkeeper.runs r where r.definition_id = of_definition and r.id > known.id
                         and viewkeeper.is_unneeded(r.status, r.as_of, r.error, r.built_at)) then
      return null;
    end if;
  end if;
  -- First the ages: if a view is filled in between, the inputs are other ones.
  seen := viewkeeper.seen(known.query, known.schema_name, known.name);
  inputs := viewkeeper.inputs(known.query, horizon is not null);
  if seen ->> 'asOf' is null or known.inputs - 'began' is distinct from inputs - 'began' then
    return null;
  end if;
  return case when horizon < (seen ->> 'asOf')::timestamptz then jsonb_build_object('asOf', horizon, 'heldBackBy', null) else seen end
         || jsonb_build_object('counted', horizon is not null, 'relation', known.query::int8);
end $$;
