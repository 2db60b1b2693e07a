import { literal, type ViewName } from '../../sql/names.ts'
import { rolePathSetting } from '../../sql/search-path.ts'
import { SqlReader, tokensIn } from '../../sql/sql-tokens.ts'
import {
  asked,
  executes,
  hintsQuery,
  inSchema,
  isMember,
  missing,
  type Need,
  namedBy,
  onDatabase,
  onSequence,
  privilege,
  readable,
  readerOf,
  roleOf,
} from './rights.ts'

interface Named {
  /** The role that lacks rights, as SQL writes it; default: the login. */
  role?: string
  /** The schema in which the role is to create something. */
  creates?: string
  /** `qualified`: every name in the text has its schema, and other words are no names. */
  only?: 'qualified'
}

/**
 * A query for what a role lacks to execute a text of SQL, as far as the catalog shows it: rights on what the
 * text names, and on what a plain view in the text reads. A name without a schema is looked for on the login's
 * search path.
 */
export function executingQuery(text: string, { role, creates, only }: Named = {}): string {
  const to = role === undefined ? 'session_user::regrole::oid' : roleOf(role)
  const rights = missing([
    ...rightsOnNames(to),
    ...(creates === undefined ? [] : [inSchema('usage', creates, to), inSchema('create', creates, to)]),
    ...(/\btemp(orary)?\s+table\b/i.test(text) ? [onDatabase('temporary', 'false')] : []),
  ])
  return hintsQuery(`coalesce(${rights}, ${only === undefined ? 'null' : missing([readRecord(to)])})`, {
    ctes: `${asked()}, ${namesIn(text, to, only)}`,
  })
}

/** Our functions read our tables as the caller, and are not named in the text. */
const readRecord = (to: string): Need =>
  privilege(`pg_class c join pg_namespace n on n.oid = c.relnamespace`, {
    privilege: `'select'`,
    on: 'c.oid::regclass::text',
    to,
    owner: 'c.relowner',
    given: `n.nspname <> 'viewkeeper' or c.relkind not in ('r', 'v') or has_table_privilege(${to}, c.oid, 'select')`,
  })

const rightsOnNames = (role: string): Need[] => [
  privilege(`uses u join pg_class c on c.oid = u.oid and c.relkind in ${readable}`, {
    privilege: `case when c.relkind = 'S' then 'usage' else u.verb end`,
    on: onSequence,
    to: 'u.role',
    owner: 'c.relowner',
    given: `case when c.relkind = 'S' then has_sequence_privilege(u.role, c.oid, 'usage')
                 else has_table_privilege(u.role, c.oid, u.verb) end`,
  }),
  executes,
  {
    from: 'owned o',
    because: `format('%s may not act as the owner of %s, %s', (${role})::regrole, o.oid::regclass, o.relowner::regrole)`,
    membership: 'o.relowner',
    owned: `format('%s %s', o.kind, o.oid::regclass)`,
    to: role,
    given: isMember(role, 'o.relowner'),
  },
  privilege('schemas s', {
    privilege: `'usage'`,
    on: `format('schema %I', s.nspname)`,
    to: role,
    owner: 's.nspowner',
    given: `has_schema_privilege(${role}, s.oid, 'usage')`,
  }),
  privilege('pg_language l', {
    privilege: `'usage'`,
    on: `'language plpgsql'`,
    to: role,
    owner: 'l.lanowner',
    given: `l.lanname <> 'plpgsql' or has_language_privilege(${role}, l.oid, 'usage')`,
  }),
]

const verbs = ['insert', 'update', 'delete', 'alter', 'drop', 'comment', 'refresh'] as const
const afterVerb =
  'into from only on table view materialized foreign index sequence concurrently if exists'.split(' ')

/**
 * Every name in a text, also in the texts in it, such as the body of a function, and what is done to what has the name;
 * without a verb, it is read. A word that is the name of a relation only by chance counts, too.
 */
function usesIn(text: string, found = new Map<string, ViewName & { verb: string }>()) {
  const said = new SqlReader(text)
  while (!said.isAtEnd) {
    const verb = said.takes(...verbs) ?? (takesIndexOn(said) ? 'index' : 'select')
    if (verb !== 'select') while (said.takes(...afterVerb));
    const name = said.takesName()
    if (name !== undefined) found.set(JSON.stringify([verb, name]), { verb, ...name })
    else if (verb === 'select') said.skip()
  }
  for (const { kind, text: inner } of tokensIn(text))
    if (kind === 'text') usesIn(inner.replace(/^(\$[^$]*\$|[^']*')/, '').replaceAll("''", "'"), found)
  return found
}

/** Passes `index … on`, as in `create index`. */
function takesIndexOn(said: SqlReader): boolean {
  if (said.takes('index concurrently', 'index') === undefined) return false
  said.takes('if not exists')
  return said.takes('on') !== undefined || (said.takesName() !== undefined && said.takes('on') !== undefined)
}

/** For `with recursive`: the relations, functions and schemas that a text names, and what is done to them. */
function namesIn(text: string, role: string, only?: 'qualified'): string {
  const uses = [...usesIn(text).values()].filter(({ schema }) => only === undefined || schema !== null)
  return `
path as (
  select case named.name when '$user' then session_user::text else named.name end as schema
    from regexp_matches(current_setting('${rolePathSetting}'), '"(([^"]|"")*)"|([^",[:space:]][^,[:space:]]*)', 'g') part,
         lateral (select coalesce(replace(part[1], '""', '"'), lower(part[3])) as name) named
   where ${only === undefined}),
token as (
  select * from jsonb_to_recordset(${literal(JSON.stringify(uses))}) as named(verb text, schema text, name text)),
schemas as (
  select distinct n.oid, n.nspname, n.nspowner from token join pg_namespace n on n.nspname = token.schema),
found as (
  select n.oid as schema, token.verb, token.name
    from token join pg_namespace n on n.nspname = token.schema
      or token.schema is null and n.nspname in (select path.schema from path)
   where n.nspname not in ('pg_catalog', 'information_schema')),
reads as (
  select ${role} as role, c.oid, found.verb
    from found join pg_class c on c.relnamespace = found.schema and c.relname = found.name and (c.relkind in ${readable} or c.relkind = 'i')
  union
  select ${readerOf('c', 'r.role')}, d.refobjid, 'select'
    from reads r join pg_class c on c.oid = r.oid and c.relkind = 'v' and r.verb = 'select' join ${namedBy('c')}
     and d.refclassid = 'pg_class'::regclass),
uses as (
  select distinct r.role, r.oid, needed.verb
    from reads r, unnest(case r.verb
      when 'insert' then ${/\bdo\s+update\b|\breturning\b/i.test(text) ? `array['select', 'insert', 'update']` : `array['insert']`}
      else array['select', r.verb] end) needed(verb)
   where r.verb in ('select', 'insert', 'update', 'delete')),
owned as (
  select distinct c.oid, c.relowner,
         case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'i' then 'index' when 'S' then 'sequence' else 'table' end as kind
    from reads r join pg_class c on c.oid = r.oid where r.verb in ('alter', 'drop', 'comment', 'refresh', 'index')),
calls as (
  select distinct ${role} as role, p.oid, p.proowner
    from found join pg_proc p on p.pronamespace = found.schema and p.proname = found.name)`
}
