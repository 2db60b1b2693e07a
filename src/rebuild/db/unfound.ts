import { rolePathSetting } from '../../sql/search-path.ts'

/** The SQLSTATEs of a table, a function and a type that was not found. */
export const unfoundStates = ['42P01', '42883', '42704']

/** Whether a text holds a name as a word, but not after the characters `after`. All are expressions of SQL. */
const holds = (text: string, name: string, after = '.'): string =>
  `(strpos(lower(${text}), lower(${name})) > 0 and ${text} ~*
     ('(^|[^[:alnum:]_$${after}])' || regexp_replace(${name}, '([^[:alnum:]_])', '\\\\\\1', 'g') || '($|[^[:alnum:]_$.])'))`

/**
 * A query for what a function with a text for a body did not find, as JSON: `what` in words after "undefined table", and
 * a `hint`. Null if no such function is in sight. Parameters: SQLSTATE, message and context of the failure. The message may
 * quote rows and is in the server's language, so only names that the catalog or the function's own text has are taken from it.
 */
export const unfoundQuery = `
with objects as (
  select relname as name, relnamespace as schema from pg_class where $1 = '42P01' and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union select proname, pronamespace from pg_proc where $1 = '42883'
  union select typname, typnamespace from pg_type where $1 = '42704'),
there as (
  select o.name::text, n.nspname as schema from objects o join pg_namespace n on n.oid = o.schema
   where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)' and ${holds('$2', 'o.name')}),
missed as (
  select name, schema from there where length(name) = (select max(length(name)) from there)
  union all
  select m[1], null from regexp_match($2, '"([^"]+)"') m where not exists (select from there)),
found as (
  select m.name, m.schema, p.oid::regprocedure::text as function, p.proowner::regrole::text as owner,
         strpos($3, p.proname) as at, m.schema = n.nspname as beside,
         (select x.extname from pg_depend e join pg_extension x on x.oid = e.refobjid
           where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e') as extension
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang, missed m
   where l.lanname in ('sql', 'plpgsql') and p.prosqlbody is null and ${holds('$3', 'p.proname', '')} and ${holds('p.prosrc', 'm.name')}),
-- The innermost function comes first in the context. Which of several of that name it is, nobody knows.
innermost as (
  select distinct on (function) * from found where at = (select min(at) from found) order by function, beside desc nulls last, schema)
select jsonb_build_object(
  'what', format('%s in function %s', quote_ident(min(name)), string_agg(function, ' or ' order by function)),
  'hint', case when max(extension) is not null then format(
      'The function belongs to extension %I, so it is not to be changed: call it in a function of your own that sets search_path%s.',
      max(extension), coalesce(' = ' || quote_ident(min(schema)), ''))
    when min(schema) is null then 'There is no such name any more: make it again, or change the function.'
    else format('A refresh looks for a name without a schema in %s only. Write %I.%I in the function, or: %s',
      case when current_setting('server_version_num')::integer >= 170000 then 'pg_catalog' else current_setting('${rolePathSetting}') end,
      min(schema), min(name),
      string_agg(format('alter function %s set search_path = %s; (as %s)', function, quote_ident(schema), owner), ' ' order by function)) end)
  from innermost having count(*) > 0`
