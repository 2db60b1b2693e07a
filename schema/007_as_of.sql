-- How old the data of a view are: runs.as_of is the moment of the snapshot that the query saw, or the oldest as_of of the views
-- that the query read, if that is older. Null: nobody knows.

-- What identifies the data that a regular refresh, a swap or a create has put into a view.
create function viewkeeper.filling(relation oid) returns text
language sql stable
begin atomic
  select format('%s %s %s', s.system_identifier, c.oid, c.relfilenode)
    from pg_catalog.pg_class c, pg_catalog.pg_control_system() s where c.oid = relation;
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

-- How old the data will be with which a materialized view, or its twin, is about to be filled: {asOf, heldBackBy}. Called
-- before the query's snapshot is taken, so the query sees nothing older. `known` says the same of what this transaction has
-- filled, by OID; `of_batch` is the batch whose built twins the query may read.
create function viewkeeper.seen(relation oid, of_schema text, of_name text, known jsonb default '{}', of_batch text default null)
returns jsonb
language sql volatile
begin atomic
  with recursive reads(class, id) as (
    select 'pg_catalog.pg_class'::regclass::oid, relation
    union
    -- What the definition declares, because the catalog does not know what a function with a string body reads.
    select 'pg_catalog.pg_class'::regclass::oid, c.oid
      from viewkeeper.definitions d, pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where d.schema_name = of_schema and d.name = of_name and d.removed_at is null and d.depends_on <> '{}' and c.relkind in ('m', 'v')
       and d.depends_on || lower(d.depends_on::text)::text[] && (array[format('%I.%I', n.nspname, c.relname), n.nspname || '.' || c.relname]
             || case when n.nspname = d.schema_name then array[format('%I', c.relname), c.relname::text] end)
    union
    select e.class, e.id
      from reads r
     cross join lateral (
       select d.refclassid as class, d.refobjid as id
         from pg_catalog.pg_rewrite w
         join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
        where r.class = 'pg_catalog.pg_class'::regclass and w.ev_class = r.id and w.rulename = '_RETURN'
       union all
       select d.refclassid, d.refobjid from pg_catalog.pg_depend d
        where r.class = 'pg_catalog.pg_proc'::regclass and d.classid = r.class and d.objid = r.id) e
     where e.class in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
       and (r.id = relation or r.class <> 'pg_catalog.pg_class'::regclass
            or not exists (select from pg_catalog.pg_class m where m.oid = r.id and m.relkind = 'm'))),
  parents as (
    select coalesce(found.view, format('%I.%I', n.nspname, c.relname)) as view, found.as_of, found.held_back_by
      from reads
      join pg_catalog.pg_class c on c.oid = reads.id and c.relkind = 'm' and c.oid <> relation
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
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
     where reads.class = 'pg_catalog.pg_class'::regclass),
  oldest as (
    select p.as_of, coalesce(p.held_back_by, p.view) as view from parents p order by p.as_of nulls first limit 1),
  own as (
    select clock_timestamp() as as_of)
  select jsonb_build_object(
           'asOf', case when o.view is null or o.as_of > own.as_of then own.as_of else o.as_of end,
           'heldBackBy', case when o.as_of < own.as_of or o.as_of is null then o.view end)
    from own left join oldest o on true;
end;

comment on function viewkeeper.is_unneeded is 'Whether a run was left out because it would have changed nothing.';
comment on function viewkeeper.last_success is 'The run that has filled a view last.';
comment on function viewkeeper.filling is 'What identifies the data in a view: server, OID and file.';
comment on function viewkeeper.seen is 'How old the data will be with which a view is about to be filled.';
