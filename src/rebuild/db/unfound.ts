import { rolePathSetting } from '../../sql/settings.ts'

/** Whether a text holds a name as a word; all are expressions of SQL. `after` cannot stand before it. */
const holds = (text: string, name: string, after = ''): string =>
  `${text} ~* ('(^|[^[:alnum:]_$${after}])' || ${name} || '($|[^[:alnum:]_$.])')`

/** A name as a regular expression matches it. */
const matching = (name: string): string => `regexp_replace(${name}, '(\\W)', '\\\\\\1', 'g')`

const extensionOf = (of: string, oid: string): string =>
  `(select x.extname from pg_depend e join pg_extension x on x.oid = e.refobjid where e.classid = ${of} and e.objid = ${oid} and e.deptype = 'e')`

/**
 * A query for what a function with a text for a body, or a text in the query of a view, did not find, as JSON: `what` in words after
 * "undefined table", and a `hint`. Null if there is no such text in sight. Parameters: SQLSTATE, message (of 23514 the name of the
 * constraint) and context of the failure, and the view. The message may quote rows and is in the server's language, so only names that the catalog or such a text has are taken from it.
 * The innermost function comes first in the context; which of several of that name it is, nobody knows.
 */
export const unfoundQuery = `
with objects as (
  select tableoid, oid, relname as name, relnamespace as n from pg_class where $1 = '42P01' and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  union all select tableoid, oid, proname, pronamespace from pg_proc where $1 = '42883'
  union all select tableoid, oid, typname, typnamespace from pg_type where $1 = '42704'),
there as (
  select distinct o.name::text, n.nspname as schema, strpos(lower($2), '.' || lower(o.name)) > 0 as qualified, ${extensionOf('o.tableoid', 'o.oid')} as brought
    from objects o join pg_namespace n on n.oid = o.n
   where n.nspname !~ '^(pg_|information_schema$)' and strpos(lower($2), lower(o.name)) > 0 and ${holds('$2', matching('o.name'))}),
said as (select coalesce(m[1], m[2]) as name from regexp_match($2, case $1 when '42703' then '"([^"]+)"|\\m(?:[[:alnum:]_]+\\.)+([[:alnum:]_]+)\\M' else '"([^"]+)"' end) m),
missed as (
  select * from there where length(name) = (select max(length(name)) from there)
  union all
  select name, null, $1 = '42703', null from said where not exists (select from there)),
texts as (
  select 'function ' || p.oid::regprocedure as place, p.oid::regprocedure::text as function, p.proowner::regrole as owner, strpos($3, p.proname) as at,
         p.pronamespace::regnamespace::text as n, p.prosrc as text, p.prosrc as whole, ${extensionOf('p.tableoid', 'p.oid')} as extension
    from pg_proc p join pg_language l on l.oid = p.prolang
   where l.lanname in ('sql', 'plpgsql') and p.prosqlbody is null and strpos($3, p.proname) > 0 and ${holds('$3', matching('p.proname'))}
  union all
  select 'a text of the query', null, null, 99999, null, (select string_agg(m[1], ' ; ') from regexp_matches(d, '''((?:[^'']|'''')*)''', 'g') m), d, null
    from pg_get_viewdef(to_regclass($4)) d),
found as (
  select *, m.schema = t.n as beside from texts t, missed m
   where $1 <> '42501' and ${holds('t.text', matching('name'), `' || case when qualified then '' else '.' end || '`)}),
innermost as (
  select distinct on (place) *, quote_ident(schema) || '.' || quote_ident(name) as dotted from found where at = (select min(at) from found) order by place, beside desc nulls last, schema)
select jsonb_build_object('what', what, 'hint', hint) from (
  select format('(setting %s) in %s', s.name, place) as what,
         format('Set it for all sessions: alter database %I set %s = ..., or read current_setting(%L, true).', current_database(), s.name, s.name) as hint
    from said s, texts where $1 = '42704' and whole ~* ('current_setting\\s*\\(\\s*' || ${matching('quote_literal(s.name)')})
  union all
  select 'to create a temporary table in ' || place, 'No function may, while a materialized view is filled.'
    from texts where $1 = '42501' and function is not null and text ~* '\\m(create|into)\\s+temp'
  union all
  select format('of constraint %I of %s', conname, contypid::regtype), null
    from pg_constraint where $1 = '23514' and conname = $2 and contypid <> 0
  union all
  select format('%s in %s', quote_ident(min(name)), string_agg(place, ' or ' order by place)),
    case when bool_or(qualified) and min(schema) is not null then format('It is in schema %I%s: write %s.', min(schema), ' with extension ' || min(brought), min(dotted))
    when max(extension) is not null then format(
      'The function belongs to extension %I, so it is not to be changed: call it in a function of your own that sets search_path%s.',
      max(extension), coalesce(' = ' || quote_ident(min(schema)), ''))
    when min(schema) is null then 'There is no such name any more: make it again, or change the ' || coalesce('function' || left(min(function), 0), 'text') || '.'
    else format('A refresh looks for a name without a schema in %s only. Write %s in the %s',
      case when current_setting('server_version_num')::integer >= 170000 then 'pg_catalog' else current_setting('${rolePathSetting}') end, min(dotted),
      coalesce('function, or: ' || string_agg(format('alter function %s set search_path = %s; (as %s)', function, quote_ident(schema), owner), ' ' order by function) filter (where at < 99999), 'text.')) end
    from innermost having count(*) > 0) as told limit 1`
