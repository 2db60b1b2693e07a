import type { Sql } from '../../../src/server/database.ts'

/** Types that meet in expressions of catalog queries; between most pairs the catalog has no operator of its own. */
const met =
  '\'{int4,int8,numeric,float8,text,varchar,name,"char",oid,regclass,regrole,regnamespace,bool,interval,timestamptz,jsonb,_text}\'::pg_catalog.text[]'
const symbols = "'{=,<>,<,>,<=,>=,+,-,*,/,||,~,!~,~~}'::pg_catalog.text[]"

/**
 * As `sql`'s role, makes in a schema what a statement could take for the catalog's: each function, aggregate, operator, type
 * and relation of the catalog under its own name, with its own signature, and operators between types for which the catalog
 * has none, which fit better than anything after a cast. Each one calls `public.keep`.
 */
export async function makeHostileNames(sql: Sql, schema: string): Promise<void> {
  await sql`select set_config('search_path', '', false)`
  await sql.unsafe(`create function ${schema}.seen(name text) returns boolean language plpgsql set search_path = '' as $$
    begin perform public.keep('executed ' || name, current_user); return true; end $$`)
  await sql.unsafe(hostileNames(schema)).simple()
  await sql`reset search_path`
}

const hostileNames = (schema: string): string => `do $make$
declare
  f record;
  body text;
  args text;
begin
  -- Functions. Those of internal types cannot be written in PL/pgSQL, and no statement can call them.
  for f in
    select p.oid, p.proname, p.prokind, p.proretset, pg_get_function_result(p.oid) as result, p.proargtypes,
           format('executed %I', p.proname) as did,
           (select string_agg(format_type(t, null), ', ' order by n) from unnest(p.proargtypes) with ordinality a(t, n)) as args
      from pg_proc p
     where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind in ('f', 'a') and p.provariadic = 0
       and not exists (select from unnest(p.proargtypes || p.prorettype) t join pg_type y on y.oid = t
                        where y.typtype = 'p' and y.typname not in ('record', 'anyelement', 'anyarray', 'anynonarray', 'void'))
       and (p.prorettype <> 'record'::regtype or p.proallargtypes is null)
  loop
    begin
      if f.prokind = 'f' then
        execute format('create function ${schema}.%I(%s) returns %s language plpgsql set search_path = '''' as %L', f.proname, coalesce(f.args, ''),
          f.result, format('begin perform ${schema}.seen(%L); return%s; end', f.proname,
            case when f.result = 'void' or f.proretset then '' else ' null' end));
      else
        execute format('create function ${schema}.%I(bigint%s) returns bigint language plpgsql set search_path = '''' as %L',
          'state_' || f.oid, coalesce(', ' || f.args, ''), format('begin perform ${schema}.seen(%L); return 1; end', f.proname));
        execute format('create aggregate ${schema}.%I(%s) (sfunc = ${schema}.%I, stype = bigint, initcond = ''0'')', f.proname, coalesce(f.args, '*'), 'state_' || f.oid);
      end if;
    exception when invalid_function_definition or undefined_function or datatype_mismatch or feature_not_supported or syntax_error then
      null; -- the catalog may have what nobody else can make
    end;
  end loop;
  -- Operators: the catalog's own, and those between types that meet.
  for f in
    with wanted as (
      select o.oprname as name, o.oprleft as l, o.oprright as r from pg_operator o
       where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprleft <> 0
         and not exists (select from pg_type t where t.oid in (o.oprleft, o.oprright) and t.typtype = 'p')
      union
      select s, a::regtype::oid, b::regtype::oid from unnest(${met}) a, unnest(${met}) b, unnest(${symbols}) s)
    select l, r, format_type(l, null) as "left", format_type(r, null) as "right", array_agg(name) as names from wanted group by l, r
  loop
    execute format('create function ${schema}.%I(%s, %s) returns boolean language plpgsql set search_path = '''' as %L',
      'between_' || f.l || '_' || f.r, f."left", f."right", format('begin return ${schema}.seen(%L); end', 'an operator between ' || f."left" || ' and ' || f."right"));
    for args in select unnest(f.names) loop
      begin
        execute format('create operator ${schema}.%s (leftarg = %s, rightarg = %s, function = ${schema}.%I)', args, f."left", f."right", 'between_' || f.l || '_' || f.r);
      exception when invalid_function_definition or syntax_error then null;
      end;
    end loop;
  end loop;
  -- Casts, from a type of their own.
  execute 'create type ${schema}.odd as (x integer)';
  foreach args in array ${met} loop
    begin
      execute format('create function ${schema}.%I(${schema}.odd) returns %s language plpgsql set search_path = '''' as %L', 'cast_to_' || args, args::regtype, format('begin perform ${schema}.seen(%L); return null; end', 'a cast to ' || args));
      execute format('create cast (${schema}.odd as %s) with function ${schema}.%I(${schema}.odd) as implicit', args::regtype, 'cast_to_' || args);
    exception when duplicate_object or invalid_object_definition or wrong_object_type then null;
    end;
  end loop;
  -- Types.
  for f in
    select t.typname as name, format_type(t.oid, null) as base from pg_type t
     where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r') and t.typname not like E'\\\\_%' and t.typelem = 0
  loop
    execute format('create domain ${schema}.%I as %s check (${schema}.seen(%L))', f.name, f.base, 'the type ' || f.name);
  end loop;
  -- Relations.
  for f in
    select c.relname as name from pg_class c where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v')
  loop
    execute format('create view ${schema}.%I as select %L::text as did from pg_catalog.generate_series(1, 1) where ${schema}.seen(%L)', f.name, f.name, 'relation ' || f.name);
  end loop;
end $make$`
