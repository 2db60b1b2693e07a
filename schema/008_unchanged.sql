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

-- The names by which a definition in `of_schema` may say in depends_on that it reads a relation.
create function viewkeeper.names_of(at_schema name, relation name, of_schema text) returns text[]
language sql stable
begin atomic
  select array[pg_catalog.format('%I.%I', at_schema, relation), at_schema || '.' || relation]
         || case when at_schema = of_schema then array[pg_catalog.quote_ident(relation), relation::text] end;
end;

-- Whether nothing in the function's text, or in that of the functions which it calls by name, hints at the clock, the session,
-- chance, the catalog or a statement that is put together. What else it reads, its author has to say.
create function viewkeeper.is_believed(asked oid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return not exists (
    with recursive called(id, body) as (
      select p.oid, lower(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)) from pg_proc p where p.oid = asked
      union
      select p.oid, lower(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc))
        from called c join pg_proc p on p.oid >= 16384 and p.prokind <> 'p' and p.prorettype <> 'trigger'::regtype and p.pronamespace <> 'viewkeeper'::regnamespace
       where exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = c.id
                        and d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid)
          or c.body ~ ('\m' || regexp_replace(lower(p.proname), '([^[:alnum:]_])', '\\\1', 'g') || '\M'))
    select from called c join pg_proc p on p.oid = c.id join pg_language l on l.oid = p.prolang
     where case when p.prokind = 'a' then false
                when l.lanname in ('c', 'internal') then p.provolatile <> 'i'
                when l.lanname in ('sql', 'plpgsql') then c.body ~ ('\m(now|current_\w+|local\w+|(statement|transaction|clock)_timestamp|timeofday'
                  '|today|tomorrow|yesterday|age(?=\s*\()|timetz|session_user|system_user|user|random\w*|setseed|gen_random_uuid|uuidv\d|nextval|currval|lastval|setval'
                  '|last_value|txid_\w+|pg_(?!catalog\M)\w+|has_\w+_privilege|row_security_active|to_reg\w+|reg(class|collation|config|dictionary|namespace'
                  '|oper|operator|proc|procedure|role|type)|information_schema|version|inet_(client|server)_\w+|lo_\w+|loread|set_config|dblink\w*'
                  '|(table|query|schema|database|cursor)_to_xml\w*|tablesample|execute|viewkeeper|ctid|[cx]min|[cx]max)\M|\mu&')
                else true end);
end $$;

-- What the query of a materialized view reads, if that proves what has changed: the id of the run that filled each materialized
-- view, by OID, the state of the plain views and functions between, and, if the definition's name is given, of the tables and
-- their counters. Two equal answers (but for "began") prove that a refresh in between changes nothing, as far as the horizon goes.
-- With the definition's name, {because} says why nothing can be proved; without it, null does.
-- `known` and `of_batch` as in viewkeeper.seen: a twin that is read is filled by the run that is going on, or by a built one.
create function viewkeeper.inputs(relation oid, of_schema text, of_name text, known jsonb default '{}', of_batch text default null) returns jsonb
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  counts constant boolean := of_name is not null;
  began constant timestamptz := clock_timestamp();
  declared text[] := '{}';
  ids oid[];
  types oid[];
  actions text;
  state text;
  because text;
  runs jsonb;
begin
  -- Most views read tables: without counting, they go no further.
  if not counts and exists (
      select from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
        join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
       where w.ev_class = relation and c.oid <> relation and c.relkind not in ('m', 'v')) then
    return null;
  end if;
  if counts then
    perform pg_stat_clear_snapshot();
    select d.depends_on into declared from viewkeeper.definitions d
     where d.schema_name = of_schema and d.name = of_name and d.removed_at is null;
    declared := coalesce(declared, '{}');
    -- A name that fits nothing may be a mistake for what the function reads.
    if exists (select from unnest(declared) said(name)
                where not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                                   where array[said.name, lower(said.name)] && viewkeeper.names_of(n.nspname, c.relname, of_schema))) then
      return '{"because": "its dependsOn has a name that fits nothing in the database"}';
    end if;
  end if;
  with recursive read(id) as (
    select relation
    union
    select c.oid
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where declared <> '{}' and declared || lower(declared::text)::text[] && viewkeeper.names_of(n.nspname, c.relname, of_schema)
    union
    select e.id
      from read r
     cross join lateral (
       -- pg_depend knows no relation of the server's own, but the stored query does.
       select m.found[1]::oid as id
         from pg_rewrite w
        cross join lateral regexp_matches(w.ev_action::text, ':relid (\d+)', 'g') m(found)
        where w.ev_class = r.id and w.rulename = '_RETURN'
          and (r.id = relation or exists (select from pg_class c where c.oid = r.id and c.relkind = 'v'))
       union all
       select i.inhrelid from pg_inherits i where counts and i.inhparent = r.id) e)
  select array_agg(id) filter (where id not in (0, relation)) into ids from read;
  select format('it reads %s, which is no view and no plain table of the server without row security', coalesce(c.oid::regclass::text, 'something')) into because
    from unnest(ids) i(id) left join pg_class c on c.oid = i.id
   where c.oid is null or c.oid < 16384
      -- Row security may depend on the session; only the server's own tables are known to count.
      or c.relkind not in ('m', 'v') and not (counts and c.relkind in ('r', 'p') and not c.relrowsecurity
                                              and (c.relkind = 'p' or c.relam = 2))
   limit 1;
  if because is null and not exists (select from pg_class c where c.oid = any (ids) and c.relkind in ('m', 'r', 'p')) then
    because := 'it reads no table and no view';
  end if;
  if because is not null then
    return case when counts then jsonb_build_object('because', because) end;
  end if;
  select string_agg(w.ev_action::text, ' '), string_agg(format('%s %s', w.oid, w.xmin), ', ' order by w.oid) into actions, state
    from pg_rewrite w join pg_class c on c.oid = w.ev_class
   where w.rulename = '_RETURN' and (c.oid = relation or c.oid = any (ids) and c.relkind = 'v');
  -- With what they consist of: elements, base types, bounds, attributes.
  with recursive used(id) as (
    select m.found[1]::oid from regexp_matches(actions, ':[a-z_]*type(?:id)? (\d+)', 'g') m(found)
    union
    select a.atttypid from pg_attribute a where declared <> '{}' and a.attrelid = any (ids) and a.attnum > 0 and not a.attisdropped
    union
    select part.id
      from used u join pg_type t on t.oid = u.id
     cross join lateral (
       select t.typelem
       union all
       select t.typbasetype
       union all
       select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
       union all
       select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) part(id))
  select array_agg(id) into types from used;
  -- What depends on the clock, the session, chance or the catalog, or on where a row lies; types of names are read in the catalog.
  if actions ~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR|TABLESAMPLECLAUSE|COERCETODOMAIN|TABLEFUNC|XMLEXPR|JSONEXPR)\M'
     or actions ~ ':varattno -(?!6\M)\d'
     or types && '{24,2202,2203,2204,2205,2206,3734,3769,4089,4096,4191}'
     or declared <> '{}' and 1266 = any (types)
     or actions ~ '\{COERCEVIAIO\M' and exists (
       select from regexp_matches(actions, ':resulttype (\d+)', 'g') m(found)
         join pg_type t on t.oid = m.found[1]::oid join pg_proc p on p.oid = t.typinput
        where p.provolatile <> 'i' and t.typtype <> 'e') then
    return case when counts then '{"because": "its query depends on the clock, the session, chance, the place of a row or names in the catalog"}'::jsonb end;
  end if;
  select format('it calls %s, whose result may change although no table does', p.oid::regprocedure) into because
      from (
        select m.found[1]::oid as id
          from regexp_matches(actions, ':(?:funcid|opfuncid|hashfuncid|negfuncid|aggfnoid|winfnoid) (\d+)', 'g') m(found)
        union
        select o.oprcode from regexp_matches(actions, ':opno (\d+)', 'g') m(found) join pg_operator o on o.oid = m.found[1]::oid) used
        join pg_proc p on p.oid = used.id
        join pg_language l on l.oid = p.prolang
       -- The zone of a time alone depends on the date of today.
       where p.proname = 'timezone' and 1266 = any (p.proargtypes::oid[])
          or not (p.oid < 16384 and (
                    p.provolatile = 'i' or p.provolatile = 's' and (
                      p.proname in ('date_trunc', 'date_part', 'extract', 'to_char', 'to_timestamp', 'to_date', 'to_number', 'timestamptz', 'timestamp', 'date',
                                    'timezone', 'timestamptz_pl_interval', 'timestamptz_mi_interval', 'interval_pl_timestamptz', 'concat', 'concat_ws', 'format',
                                    'array_to_string', 'to_json', 'to_jsonb', 'json_build_object', 'jsonb_build_object', 'json_build_array',
                                    'jsonb_build_array', 'row_to_json', 'array_to_json', 'json_agg', 'jsonb_agg', 'json_object_agg', 'jsonb_object_agg')
                      or p.proname ~ '^(date|timestamp|timestamptz)_(lt|le|eq|ne|ge|gt|cmp)_(date|timestamp|timestamptz)$'))
                  or p.oid >= 16384 and p.provolatile = 'i' and p.prokind = 'f' and l.lanname in ('internal', 'c')
                  -- Its author has said what it reads.
                  or declared <> '{}' and p.oid >= 16384 and p.provolatile <> 'v' and viewkeeper.is_believed(p.oid))
     limit 1;
  if because is not null then
    return case when counts then jsonb_build_object('because', because) end;
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
    return case when counts then jsonb_build_object('because', because) end;
  end if;
  state := concat_ws(' ', state,
    (select string_agg(format('%s %s', p.oid, p.xmin), ', ' order by p.oid)
       from regexp_matches(actions, ':(?:funcid|opfuncid) (\d+)', 'g') m(found) join pg_proc p on p.oid = m.found[1]::oid and p.oid >= 16384),
    -- A row as a whole shows the names of its columns.
    (select md5(string_agg(format('%s %s %s', a.attrelid, a.attnum, a.xmin), ',' order by a.attrelid, a.attnum))
       from pg_attribute a
      where a.attnum > 0 and (a.attrelid = relation or a.attrelid = any (ids)
                              or a.attrelid in (select t.typrelid from pg_type t where t.oid = any (types))
                              or a.attrelid in (select c.oid from pg_class c where c.relkind = 'c'))),
    (select md5(string_agg(e.oid || e.enumlabel, ',' order by e.oid)) from pg_enum e),
    (select string_agg(current_setting(s.name), ',') from unnest(array['TimeZone', 'DateStyle', 'IntervalStyle', 'extra_float_digits', 'bytea_output',
       'lc_monetary', 'lc_numeric', 'lc_time']) s(name)));
  if declared = '{}' and not exists (select from pg_class c where c.oid = any (ids) and c.relkind in ('r', 'p')) then
    return jsonb_build_object('runs', runs, 'state', md5(state));
  end if;
  return jsonb_build_object('runs', runs, 'state', md5(state), 'began', began, 'counted', md5(concat_ws(' ',
    (select string_agg(format('%s %s %s %s %s %s', c.oid, c.xmin, c.relfilenode, pg_stat_get_tuples_inserted(c.oid),
                              pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid)), ',' order by c.oid)
       from pg_class c where c.oid = any (ids) and c.relkind in ('r', 'p')),
    (select string_agg(format('%s %s %s %s', i.inhparent, i.inhrelid, i.inhdetachpending, i.xmin), ',' order by i.inhparent, i.inhrelid)
       from pg_inherits i where i.inhparent = any (ids)),
    (select string_agg(format('%s %s', a.oid, a.xmin), ',' order by a.oid) from pg_attrdef a where a.adrelid = any (ids)),
    -- A function whose body is a text may call others, but not a temporary one: is_believed refuses texts that name pg_temp.
    case when declared <> '{}' then (
      select string_agg(format('%s %s', p.oid, p.xmin), ',' order by p.oid) from pg_proc p
       where p.oid >= 16384 and not exists (select from pg_namespace n where n.oid = p.pronamespace and n.nspname ~ '^pg_temp_')) end,
    -- The counters and the server they belong to: after a crash, a reset or a promotion they may come back to an old value.
    -- A standby that is promoted was started at another moment than the server before.
    (select system_identifier from pg_control_system()), pg_postmaster_start_time(), pg_conf_load_time(), version(),
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
  if known.inputs ? 'counted' then
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

comment on function viewkeeper.inputs is 'What the query of a view reads, with the counters of its tables.';
comment on function viewkeeper.hiding is 'The sessions and transactions that may hide commits from the server''s counters, and since when.';
comment on function viewkeeper.horizon is 'The moment before which every commit is in the server''s counters by now.';
comment on function viewkeeper.is_believed is 'Whether the text of a function hints at nothing but tables and views.';
comment on function viewkeeper.names_of is 'The names by which depends_on may name a relation.';
comment on function viewkeeper.unchanged is 'As of when the data of a view are by now, if a refresh would change nothing; otherwise null.';
