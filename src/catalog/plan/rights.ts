import { literal, onOneLine, unbroken } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { printed } from '../../words/names.ts'
import { sentences } from '../../words/problem.ts'

// Finds who lacks which right, says why that matters, and writes the SQL that grants it. The rules are texts of SQL, because a
// plan has some of them: the server executes them if a statement fails, when the session that made the plan may be gone.

/** The SQL that fixes a missing right. */
export interface Fix {
  sql: string
  /** Whether `sql` grants a right; false: it gives an object to another owner. */
  grants: boolean
  /** The role that gets a member by `sql`; absent if `sql` grants no membership. */
  membership?: string
  /** The roles that may execute `sql`, besides superusers. */
  by: string[]
  /** Lines for people about another right that helps as well: who grants it, and its SQL. */
  instead?: string
}

/** A grant on an object, which its owner decides: a superuser who runs it for a view may give the table of somebody else away. */
const onObject = /^grant \w+ on /

/** One reason, for people, why an operation is impossible, and the SQL that removes it; null if none does. */
export interface Obstacle {
  because: string
  fix: Fix | null
}

/** An obstacle that no SQL removes. */
export const obstacle = (because: string): Obstacle => ({ because, fix: null })

/** The rule for one right, or for one thing that no right fixes. Each field is an expression of SQL over the relations of `from`. */
export interface Requirement {
  /** The items of a `from` clause; the rule is tried on each row. */
  from?: string
  because: string
  /** A condition: true if nothing is missing. */
  given: string
  /** The OID of the role of which a member is needed. */
  membership?: string
  /** The object, with its kind, that may be given to another owner instead. */
  owned?: string
  privilege?: string
  /** The object of the privilege, with its kind. */
  on?: string
  /** The OID of the role that needs the right. `owner`: the OID of the owner of `on`. */
  to?: string
  owner?: string
  instead?: string
}

export const isAtLeast = (version: number): string =>
  `current_setting('server_version_num')::integer >= ${version}0000`

/** The privilege for pg_has_role that allows `set role`: since 16, a membership may exclude it. */
export const toSetRole = `case when ${isAtLeast(16)} then 'SET' else 'MEMBER' end`

/** Suffix: the role that owns the views is called after the owner of schema `viewkeeper`, with this at the end. */
export const viewsSuffix = '_views'

/**
 * Items of `with`. The last one, `asked`, has one row: `role` lacks the rights; `oid` gets them; `heir` gets the views whose owner
 * nobody may become a member of. If the login is a member of the role that owns schema `viewkeeper`, `oid` is that role, so that the
 * next login has the rights, too. `acting` and `login` are expressions for the names of roles.
 */
export const asked = (acting = 'current_user', login = 'session_user'): string => `asking as materialized (
  select ${oidOf(acting)} as acting, ${oidOf(login)} as login,
         array[(select nspowner from pg_namespace where nspname = 'viewkeeper'), to_regrole('viewkeeper')::oid] as keepers),
known as materialized (select oid, rolname, rolsuper from pg_roles where oid = any ((select keepers || login from asking)::oid[])),
keeper as materialized (
  select k.oid, k.rolname from asking a, known k
   where k.oid = any (a.keepers) and not k.rolsuper and pg_has_role(a.login, k.oid, 'MEMBER') and not (select rolsuper from known where oid = a.login)
   order by array_position(a.keepers, k.oid) limit 1),
asked as materialized (
  select a.acting as role, coalesce(k.oid, a.login) as oid,
         coalesce((select oid from pg_roles where rolname = k.rolname || '${viewsSuffix}'), k.oid, a.login) as heir
    from asking a left join keeper k on true where a.acting is not null)`

/** SQL for the OID of a role, by an expression for its name; null if there is none. */
export const oidOf = (name: string): string => `to_regrole(quote_ident(${name}))::oid`

/** The rule for a privilege. `because` defaults to `<role> lacks <privilege> on <object>`. */
export const privilege = (
  from: string,
  requirement: Record<'privilege' | 'on' | 'to' | 'owner' | 'given', string> & { because?: string },
): Requirement => ({
  from,
  because: `format('%s lacks %s on %s', (${requirement.to === 'asked.oid' ? 'asked.role' : requirement.to})::regrole, ${requirement.privilege}, ${requirement.on})`,
  ...requirement,
})

/** What a membership has to allow: `inherits` its rights, or `acts` by `set role`. Before 16 each membership allows `set role`. */
export type Membership = 'inherits' | 'acts'

/** SQL for whether role `role` has such a membership of role `owner`, both by OIDs. */
export const isMember = (role: string, owner: string, how: Membership = 'inherits'): string =>
  `pg_has_role(${role}, ${owner}, ${how === 'inherits' ? `'USAGE'` : toSetRole})`

/** SQL for an array of the name of this role, by its OID; empty for a superuser. pg_database_owner stands for the database's owner. */
export const unlessSuperuser = (role: string): string =>
  `array(select quote_ident(k.rolname) from pg_roles k where not k.rolsuper
      and k.oid = case ${role} when 'pg_database_owner'::regrole
                    then (select datdba from pg_database where datname = current_database()) else ${role} end)`

/** SQL for an array of the roles that may make others members of a role, without superusers. */
export const adminsOf = (role: string): string =>
  `(select array(select distinct m.member::regrole::text from pg_auth_members m join pg_roles k on k.oid = m.member
      where m.roleid = ${role} and m.admin_option and not k.rolsuper order by 1)
    || case when ${isAtLeast(16)} then '{}' else array['a role with createrole'] end)`

const withOptions = `case when ${isAtLeast(16)} then ' with inherit true, set true' else '' end`

/** Before 16, a login with `noinherit` has no right by a membership, so it needs `alter role … inherit`. */
const inheritsNothing = `not ${isAtLeast(16)} and pg_has_role(l.role, l.membership, 'MEMBER')
  and exists (select from pg_roles r where r.oid = l.role and not r.rolinherit)`

/** A query for the facts that decide the fix of row `l` of `lacks`. `by`: who may execute it, unless it grants a membership. */
const circumstances = `
  select (select k.rolsuper from pg_roles k where k.oid = l.membership) as is_super,
         pg_has_role(l.membership, l.grantee, 'MEMBER') as is_above, l.membership::regrole::text as member_of, ${inheritsNothing} as inherits_nothing,
         ${unlessSuperuser('coalesce(l.owner, l.membership)')} as by offset 0`

/** The end of `because`: why the fix cannot be a membership. */
const more = `case when l.membership is null or f.inherits_nothing then ''
  when f.is_super then ', who is a superuser, and nobody should become a member of a superuser'
  when f.is_above then format(', who is a member of %1$s, so %1$s cannot become a member of %2$s', l.grantee::regrole, f.member_of) else '' end`

const fix = `case when l.privilege is not null
    then jsonb_build_object('sql', format('grant %s on %s to %s;', l.privilege, l.object, l.grantee::regrole), 'grants', true, 'by', f.by)
  when l.membership is null then null
  when f.inherits_nothing
    then jsonb_build_object('sql', format('alter role %s inherit;', l.role::regrole), 'grants', true, 'by', array['a role with createrole'])
  when not f.is_super and not f.is_above
    then jsonb_build_object('sql', format('grant %s to %s%s;', f.member_of, l.grantee::regrole, ${withOptions}),
           'grants', true, 'membership', f.member_of, 'by', ${adminsOf('l.membership')})
  when l.owned is not null
    then jsonb_build_object('sql', format('alter %s owner to %s;', l.owned, l.heir::regrole), 'grants', false, 'by', f.by) end`

const row = (
  { from, because, given, membership, owned, privilege, on, to, owner, instead }: Requirement,
  at: number,
  forViews: boolean,
) =>
  `select ${at} as at,${forViews ? ` ${/^v(,|$)/.test(from ?? '') ? 'v.oid' : 'null::oid'} as view,` : ''} ${because} as because, ${membership ?? 'null'}::oid as membership, ${owned ?? 'null'} as owned,
    ${privilege ?? 'null'} as privilege, ${on ?? 'null'} as object, coalesce(${to ?? 'null'}, asked.oid)::oid as grantee,
    ${owner ?? 'null'}::oid as owner, ${instead ?? 'null'} as instead, coalesce(${to ?? 'null'}, asked.role)::oid as role, asked.heir
     from asked${from === undefined ? '' : `, ${from}`} where not (${given})`

/** A query, after `asked`, that has a row if a requirement is not met. Requirements that differ in words only have the same text. */
export const lackingQuery = ({ from, given }: Requirement): string =>
  `select from asked${from === undefined ? '' : `, ${from}`} where not (${given})`

/** Items of `with`, after `asked`. `found` has a row for each obstacle, with its fix and, `forViews`, the OID of its view `v`. */
export const found = (requirements: Requirement[], forViews = false): string => `lacks as materialized (
  ${requirements.map((each, at) => row(each, at, forViews)).join('\n  union all ')}),
found as materialized (
  select l.at,${forViews ? ' l.view,' : ''} l.because || ${more} as because, ${fix} || jsonb_strip_nulls(jsonb_build_object('instead', l.instead)) as fix
    from lacks l, lateral (${circumstances}) f)`

/** A query for the obstacles that these requirements find for the login, as JSON. */
export const obstaclesQuery = (requirements: Requirement[]): string =>
  onOneLine(
    `with ${asked()}, ${found(requirements)} select (
  select coalesce(jsonb_agg(jsonb_build_object('because', o.because, 'fix', o.fix) order by o.at, o.because), '[]')
    from (select distinct on (${eachOnce}) l.at, l.because, l.fix from found l order by ${eachOnce}, l.at, l.because) o) as obstacles`,
  )

const eachOnce = `l.because, l.fix ->> 'sql'`

/** A text of the obstacles and `then`, followed by lines that say who has to run which SQL. */
export const sayObstacles = (obstacles: Obstacle[], then?: string): string =>
  [sentences(reasonsOf(obstacles), then), ...fixLines(fixesOf(obstacles))].join('\n')

/** The reasons of obstacles, as one text. */
export const reasonsOf = (obstacles: Obstacle[]): string =>
  obstacles.map(({ because }) => printed(because)).join('; ')

/** The rule that always finds an obstacle which no right fixes. */
export const impossible = (because: string): Requirement => ({ because: literal(because), given: 'false' })

/** SQL for the OID of a role whose name is written as in SQL. */
export const roleOf = (written: string): string => `${literal(written)}::regrole::oid`

/** The rule for a privilege on a schema. `to`: SQL for the OID of the role that needs it. Default: the login. */
export const inSchema = (what: 'usage' | 'create', schema: string, to?: string): Requirement =>
  privilege('pg_namespace n', {
    privilege: `'${what}'`,
    on: `format('schema %I', n.nspname)`,
    to: to ?? 'asked.oid',
    owner: 'n.nspowner',
    given: `n.nspname <> ${literal(schema)} or has_schema_privilege(${to ?? 'session_user'}, n.oid, '${what}')`,
  })

/** The rule for a privilege on the database, unless condition `needless` holds. */
export const onDatabase = (what: 'create' | 'temporary', needless: string, to = 'asked.oid'): Requirement =>
  privilege('pg_database d', {
    privilege: `'${what}'`,
    on: `format('database %I', d.datname)`,
    to,
    owner: 'd.datdba',
    given: `${needless} or d.datname <> current_database() or has_database_privilege(${to === 'asked.oid' ? oidOf('session_user') : to}, d.oid, '${what}')`,
  })

/** SQL for the text of all obstacles in a query for hints, worded like `sayObstacles`; null if there is none. */
export const missing = `(select 'Missing: ' || string_agg(because, '; ' order by at) || '.' || coalesce((select string_agg(text, '' order by at) from givers), '')
    from obstacles having count(*) > 0)`

/**
 * A query for one JSON object of hints, by the SQLSTATE of the failure that they explain. `lacking`: SQL for the hint on a missing
 * right (42501); `others`: SQL for other hints, by SQLSTATE.
 */
export const hintsQuery = (
  requirements: Requirement[],
  {
    ctes = asked(),
    lacking = missing,
    ...others
  }: { ctes?: string; lacking?: string; [sqlstate: string]: string | undefined } = {},
): string =>
  onOneLine(`
with recursive ${ctes}, ${found(requirements)},
obstacles as materialized (
  select row_number() over (order by o.at, o.because) as at, ${unbroken('o.because')} as because, o.fix
    from (select distinct on (${eachOnce}) * from found l order by ${eachOnce}, l.at) o),
fixes as materialized (
  select min(o.at) as at, o.fix ->> 'sql' as sql, o.fix ->> 'instead' as instead,
         case when o.fix ->> 'sql' ~ '${onObject.source}' then coalesce(o.fix -> 'by' ->> 0, 'a superuser') || ' decides whether to run:'
           else (select string_agg(b, ' or ') || ' has to run:' from jsonb_array_elements_text((o.fix -> 'by') || '["a superuser"]') b) end as givers
    from obstacles o where (o.fix ->> 'sql') || (o.fix ->> 'by') !~ '[\\n\\r]|\\\\[nr]' group by 2, 3, 4),
givers as materialized (
  select min(f.at) as at, concat(chr(10), chr(10), f.givers, string_agg(concat(chr(10), '  ', f.sql), '' order by f.at),
                                 string_agg(distinct chr(10) || f.instead, '')) as text
    from fixes f group by f.givers)
select jsonb_strip_nulls(jsonb_build_object(${Object.entries({ '42501': lacking, ...others })
    .map(([sqlstate, hint]) => `'${sqlstate}', ${hint}`)
    .join(', ')})) as hints`)

/** SQL for a relation `c` of pg_class as `grant` names it. */
export const onSequence = `case when c.relkind = 'S' then 'sequence ' else '' end || c.oid::regclass`

/** The rule that role `calls.role` may execute function `calls.oid`, for each row of `calls (role, oid, proowner)`. */
export const executes = privilege('calls', {
  privilege: `'execute'`,
  on: `'function ' || calls.oid::regprocedure`,
  to: 'calls.role',
  owner: 'calls.proowner',
  given: `has_function_privilege(calls.role, calls.oid, 'execute')`,
})

/**
 * SQL for the OID of the role whose rights plain view `view` needs when `reader` reads it: `reader` with `security_invoker`, else
 * the owner. The catalog has the option as it was written: `true`, `on`, `1`.
 */
export const readerOf = (view: string, reader: string): string =>
  `case when exists (select from pg_options_to_table(${view}.reloptions) o
    where case o.option_name when 'security_invoker' then o.option_value::bool end) then ${reader} else ${view}.relowner end`

/** SQL for the values of relkind with privileges to read: not those of indexes and composite types. */
export const readable = `('r', 'p', 'v', 'm', 'f', 'S')`

/** For `from`: the objects `d` that the query of a view names. `w` is the rule with the query, not one for writing to the view. */
export const namedBy = (of: string): string => `pg_rewrite w on w.ev_class = ${of}.oid and w.ev_type = '1'
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refobjid <> ${of}.oid`

/** Lines for people: who has to run which SQL, or decides whether to, an empty line before each group of roles. */
export function fixLines(fixes: Fix[]): string[] {
  const byGiver = Map.groupBy(fixes, ({ sql, by }) =>
    onObject.test(sql)
      ? `${by[0] ?? 'a superuser'} decides whether to run:`
      : `${[...by, 'a superuser'].join(' or ')} has to run:`,
  )
  return [...byGiver].flatMap(([givers, same]) => [
    '',
    printed(givers),
    ...same.map(({ sql }) => `  ${printed(sql)}`),
    ...new Set(same.flatMap(({ instead }) => instead ?? [])),
  ])
}

/** The fixes of these obstacles, each SQL once. */
export const fixesOf = (obstacles: Obstacle[]): Fix[] => [
  ...new Map(obstacles.flatMap(({ fix }) => (fix === null ? [] : [[fix.sql, fix] as const]))).values(),
]

/** The statements between `set local role` and `reset role`. `role` is written as in SQL. */
export const inPlaceOf = (role: string, statements: Statement[]): Statement[] =>
  statements.length === 0
    ? statements
    : [
        { kind: 'command', phase: 'building', sql: `set local role ${role}`, hidden: true },
        ...statements,
        { kind: 'command', phase: 'building', sql: 'reset role', hidden: true },
      ]
