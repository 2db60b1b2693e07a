import type { ViewName } from '../words/names.ts'
import { keptTables, literal, logNameOf, logSchema, ofLog, quoteName, unbroken } from './names.ts'

/** The strongest lock on a view that somebody waits for. */
export type WantedLock = 'AccessShareLock' | 'RowExclusiveLock' | 'ExclusiveLock' | 'AccessExclusiveLock'

/** Who holds the locks: `who` is part of a sentence; `advice` says what to do. */
export interface Holders {
  who: string
  advice: string
}

/**
 * Common table expressions for a `with recursive`: `locks(pid, holder, mode, relation)`, one row for each holder of locks in
 * the way of a session that works on views. In the way are locks on a view, its indexes, the plain views that read it, the log of its
 * changes, and everything that it reads, through functions and policies, too. `views` is SQL for OIDs. If one is null, the view does not exist yet, and nobody knows what it
 * reads: then every exclusive lock counts. The holder is a virtual transaction; a prepared one has no pid. Who
 * only reads a view, AccessShareLock, meets no lock on materialized views that read it, nor on what those read that it reads.
 */
export const locksInTheWay = (views: string, wanted: WantedLock): string => `
v as (select (${views})::oid as oid),
read(oid) as (
  select v.oid from v where v.oid is not null
  union
  select x.oid from read r cross join lateral (
    select d.refobjid as oid
      from (select 'pg_rewrite'::regclass, oid from pg_rewrite where ev_class = r.oid
        union select 'pg_policy'::regclass, oid from pg_policy where polrelid = r.oid
        union select 'pg_proc'::regclass, r.oid) n(class, id)
      join pg_depend d on d.classid = class and d.objid = id and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
    union all
    select inhrelid from pg_inherits where inhparent = r.oid
    union all
    select indexrelid from pg_index where indrelid = r.oid
    union all
    select l.oid from pg_class l join (pg_class c join pg_namespace n on n.oid = c.relnamespace) on ${ofLog('l.relname')} = ${logNameOf('n.nspname', 'c.relname')}
     where c.oid = r.oid and l.relnamespace = to_regnamespace('${logSchema}')) x${onlyToRead(
       wanted,
       `
   where r.oid in (select oid from v) or not exists (select from pg_class c where c.oid = r.oid and c.relkind = 'm')`,
     )}),
above as (
  select w.ev_class as oid from v join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = v.oid
    join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid${onlyToRead(
      wanted,
      `
    join pg_class c on c.oid = w.ev_class and c.relkind <> 'm'`,
    )}
  union
  select i.indexrelid from v join pg_index i on i.indrelid = v.oid),
locks as (
  select distinct on (l.virtualtransaction) l.pid, l.virtualtransaction as holder, l.mode, l.relation::regclass as relation
    from pg_locks l join pg_class c on c.oid = l.relation
   cross join v
   where l.locktype = 'relation' and l.granted and l.pid is distinct from pg_backend_pid()
     and l.database = (select oid from pg_database where datname = current_database())
     and (l.relation = v.oid and ${conflicting[wanted]}
       or l.relation in (select oid from above) and ${conflicting[wanted === 'AccessShareLock' ? wanted : 'ExclusiveLock']}
       or (l.relation in (select oid from read) or v.oid is null and c.oid >= 16384 and c.relpersistence <> 't')
         and ${conflicting.AccessShareLock})
   order by l.virtualtransaction, l.relation = v.oid desc, l.mode = 'AccessExclusiveLock' desc)`

/**
 * A query for one jsonb value: the Holders of the locks in the way of a session that works on these views; null if there are
 * none. Activity that our role may not see is left out.
 */
export const holdersQuery = (views: ViewName[], wanted: WantedLock): string =>
  holdersOf(
    `unnest(array[${views.map((view) => `to_regclass(${literal(quoteName(view))})`).join(', ')}])`,
    wanted,
  )

/** SQL for the OID of a view, and of its query if it is an incremental table, of which a refresh reads the same. */
export const withItsQuery = (oid: string): string =>
  `unnest(array(select ${oid} union all select k.query from (${keptTables}) k where k.oid = ${oid}))`

/** The same; `views` is SQL for the views' OIDs. */
export const holdersOf = (views: string, wanted: WantedLock): string => `
with recursive ${locksInTheWay(views, wanted)},
holders as (
  select l.pid, coalesce((select rolsuper from pg_catalog.pg_roles where oid = a.usesysid), true) as is_super, format('%s holds %s on %s', case
           when l.pid is null then 'a prepared transaction (see pg_prepared_xacts)'
           when a.usesysid is null then format('process %s of the server, such as autovacuum,', l.pid)
           else format('process %s (%s)', l.pid, concat_ws(', ', 'role ' || a.usesysid::regrole,
             'application ' || quote_ident(nullif(a.application_name, '')), a.state,
             'transaction began ' || date_trunc('second', a.xact_start)))
         end, l.mode, l.relation) as who
    from locks l left join pg_stat_get_activity(l.pid) a on l.pid is not null
   order by a.xact_start, l.pid limit 3)
select jsonb_build_object('who', string_agg(who, '; '), 'advice', concat_ws(' ',
         'Try again when that is done.',
         format('To end it, as %s: ', case when bool_or(is_super) filter (where pid is not null) then 'a superuser' else 'its role or a member of pg_signal_backend' end)
           || string_agg(format('select pg_terminate_backend(%s);', pid), ' ') filter (where pid is not null)))
  from holders having count(*) > 0`

/**
 * An expression: the session of a temporary schema, in words. Before PostgreSQL 16 nothing tells which of those of the owner, an OID, it is.
 */
export const sessionOf = (schema: string, owner: string): string => `coalesce((
  select string_agg(format('process %s (%s)', a.pid, concat_ws(', ', 'role ' || a.usesysid::regrole,
           'application ' || quote_ident(nullif(a.application_name, '')), a.state)), ' or ' order by a.pid)
    from pg_stat_get_activity(null) a
   where a.datid = (select oid from pg_database where datname = current_database()) and a.pid <> pg_backend_pid()
     and case when current_setting('server_version_num')::integer >= 160000
              then a.pid = pg_stat_get_backend_pid(substring(${schema} from '[0-9]+$')::integer) else a.usesysid = ${owner} end),
  'a session that has ended')`

const onlyToRead = (wanted: WantedLock, sql: string): string => (wanted === 'AccessShareLock' ? sql : '')

/** Whether lock `l` is in the way of the wanted one. */
const conflicting: Record<WantedLock, string> = {
  AccessShareLock: "l.mode = 'AccessExclusiveLock'",
  RowExclusiveLock: "l.mode ~ '^(ShareRow|Access)?Exclusive|^ShareLock'",
  ExclusiveLock: "l.mode <> 'AccessShareLock'",
  AccessExclusiveLock: 'true',
}

/** An expression: what may be behind a right that is missing to somebody who has it; '' if there is no such event trigger. */
const eventTriggers = `coalesce((
  select format(' Event trigger %s is executed for each object that is made: if it gives tables or views to another role, let it leave out schema viewkeeper, and names that begin with viewkeeper_.',
                string_agg(quote_ident(evtname), ', ' order by evtname))
    from pg_event_trigger where evtevent = 'ddl_command_end' and evtenabled in ('O', 'A')
     and (evttags is null or evttags && array['CREATE TABLE', 'CREATE MATERIALIZED VIEW'])
  having count(*) > 0), '')`

/** An expression: the owner of the table that a foreign key refers to, as whom the server checks the key; null elsewhere. */
const keyChecker = (context: string): string =>
  `(select relowner::regrole::text from pg_class where oid = to_regclass(substring(${literal(context)} from
      'SELECT 1 FROM ONLY ("(?:[^"]|"")+"[.]"(?:[^"]|"")+") x WHERE ')))`

/**
 * An expression: who lacks a right, and where its SQL is. The server's message names only the object. `role` is written as in
 * SQL; null: the login. `context`: of the error.
 */
export const lackedBy = (role: string | null, context = ''): string => {
  const said = role === null ? 'quote_ident(session_user)' : literal(role)
  return `${unbroken(`format('Role %s lacks this right. \`npx viewkeeper doctor\` lists what a role lacks on views, with the SQL, and \`npx viewkeeper create-role\` gives a login all that it needs.', ${context.includes('SELECT 1') ? `coalesce(${keyChecker(context)}, ${said})` : said})`)} || ${eventTriggers}`
}
