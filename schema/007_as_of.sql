-- How old the data of a view are: runs.as_of is the moment of the snapshot that the query saw, or the oldest as_of of the views
-- that the query read, if that is older. Null: nobody knows.

-- What identifies the data that a regular refresh, a swap or a create has put into a view. A database made from a template has the
-- OIDs and files of the template, but not the template's own OID.
create function viewkeeper.filling(relation oid) returns text
language sql stable
begin atomic
  select format('%s/%s %s %s', s.system_identifier, d.oid, c.oid, c.relfilenode)
    from pg_catalog.pg_class c, pg_catalog.pg_control_system() s, pg_catalog.pg_database d
   where c.oid = relation and d.datname = current_database();
end;

-- Whether a run was left out because it would have changed nothing: then its as_of says how old the data of the view are.
create function viewkeeper.is_unneeded(status text, as_of timestamptz, error jsonb, built_at timestamptz) returns boolean
language sql immutable
begin atomic
  select status = 'skipped' and as_of is not null and error is null and built_at is null;
end;

-- The run that has filled a view last, if any. A run may end after later ones, above all if its twin waits for an exchange; so
-- the ends of the last 20 successes are compared, which takes a look at one piece of the index.
create function viewkeeper.last_success(of_definition integer) returns setof bigint
language sql stable rows 1
begin atomic
  select few.id from (
    select r.id, r.finished_at from viewkeeper.runs r
     where r.definition_id = of_definition and r.status = 'success' and r.fills order by r.id desc limit 20) few
   order by few.finished_at desc, few.id desc limit 1;
end;

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

-- How old the data will be with which a materialized view, or its twin, is about to be filled: {asOf, heldBackBy}. Called
-- before the query's snapshot is taken, so the query sees nothing older. Nobody knows how old they will be if the query may read a
-- materialized view where nobody can look, and its definition does not declare what it reads: then {inputs} says why. A function in C
-- that is immutable is believed to read none. `known` says the same of what this transaction has filled, by OID; `of_batch` is
-- the batch whose built twins the query may read.
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

comment on function viewkeeper.is_unneeded is 'Whether a run was left out because it would have changed nothing.';
comment on function viewkeeper.last_success is 'The run that has filled a view last.';
comment on function viewkeeper.filling is 'What identifies the data in a view: server and database, OID and file.';
comment on function viewkeeper.names_of is 'The names by which depends_on may name a relation.';
comment on function viewkeeper.reads_by_text is 'Whether a stored query calls a function that executes SQL from a text.';
comment on function viewkeeper.relations_of is 'The relations that the query of a view reads, through plain views.';
comment on function viewkeeper.reached is 'The relations, functions, operators and types that the query of a view reaches.';
comment on function viewkeeper.seen is 'How old the data will be with which a view is about to be filled.';
