import { literal, onOneLine } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { sentences } from '../../words/problem.ts'

// Who lacks which right, why that matters, and the SQL that gives it. The rules are texts of SQL, because a plan carries some
// of them: the server executes them only if a statement fails, when the session that has planned may be gone.

/** The SQL that fixes a missing right. */
export interface Fix {
  sql: string
  /** Whether `sql` grants something, or gives an object to another owner. */
  grants: boolean
  /** The role of which `sql` makes somebody a member. */
  membership?: string
  /** Who may execute `sql`, besides every superuser. */
  by: string[]
  /** Another right that also helps: who gives it, and below that its SQL. */
  instead?: string
}

/** What stands in the way of an operation, for people, and what fixes it. */
export interface Obstacle {
  because: string
  fix: Fix | null
}

/** What no SQL fixes. */
export const obstacle = (because: string): Obstacle => ({ because, fix: null })

/** The rule for one right, or for one thing that no right fixes, in expressions of SQL. */
export interface Requirement {
  /** The relations that the expressions are about. */
  from?: string
  because: string
  given: string
  /** OIDs of roles: of whom somebody has to be a member. */
  membership?: string
  owned?: string
  privilege?: string
  /** The object of the privilege, with its kind. */
  on?: string
  /** OIDs of roles: who needs the right, and who owns the object of the privilege. */
  to?: string
  owner?: string
  instead?: string
}

export const isAtLeast = (version: number): string =>
  `current_setting('server_version_num')::integer >= ${version}0000`

/** The privilege that allows `set role`, for pg_has_role: since 16 a member may lack it. */
export const toSetRole = `case when ${isAtLeast(16)} then 'SET' else 'MEMBER' end`

/** The name of the views' owner is the name of the schema's owner with this suffix. */
export const viewsSuffix = '_views'

/**
 * For `with`: the role that asks (`role`), who gets what is missing (`oid`), and to whom a view is given of whose owner
 * nobody may become a member (`heir`). If the role is a member of role `viewkeeper`, which owns the schema, that role gets
 * it, so that the next login has it too. Both are expressions for names: by default the current role asks for the login.
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

/** The OID of the role with this name, an expression; null if there is none. */
export const oidOf = (name: string): string => `to_regrole(quote_ident(${name}))::oid`

/** A privilege. The default of `because` says who lacks it. */
export const privilege = (
  from: string,
  requirement: Record<'privilege' | 'on' | 'to' | 'owner' | 'given', string> & { because?: string },
): Requirement => ({
  from,
  because: `format('%s lacks %s on %s', (${requirement.to === 'asked.oid' ? 'asked.role' : requirement.to})::regrole, ${requirement.privilege}, ${requirement.on})`,
  ...requirement,
})

/** How a membership is to help: by its rights, or by `set role`. Before 16 every membership allows `set role`. */
export type Membership = 'inherits' | 'acts'

/** Whether a role is a member of another in this way. */
export const isMember = (role: string, owner: string, how: Membership = 'inherits'): string =>
  `pg_has_role(${role}, ${owner}, ${how === 'inherits' ? `'USAGE'` : toSetRole})`

/** A role that may execute something, besides superusers. */
export const unlessSuperuser = (role: string): string =>
  `array(select quote_ident(k.rolname) from pg_roles k where not k.rolsuper
      and k.oid = case ${role} when 'pg_database_owner'::regrole
                    then (select datdba from pg_database where datname = current_database()) else ${role} end)`

/** Those who may make others members of a role, besides superusers. */
export const adminsOf = (role: string): string =>
  `(select array(select distinct m.member::regrole::text from pg_auth_members m join pg_roles k on k.oid = m.member
      where m.roleid = ${role} and m.admin_option and not k.rolsuper order by 1)
    || case when ${isAtLeast(16)} then '{}' else array['a role with createrole'] end)`

const withOptions = `case when ${isAtLeast(16)} then ' with inherit true, set true' else '' end`

/** Before 16 the login itself says whether it inherits; membership alone does not help a login that does not. */
const inheritsNothing = `not ${isAtLeast(16)} and pg_has_role(l.role, l.membership, 'MEMBER')
  and exists (select from pg_roles r where r.oid = l.role and not r.rolinherit)`

/** What the fix of a row `l` of requirements goes by: `by`, who may make it, unless it makes somebody a member. */
const circumstances = `
  select (select k.rolsuper from pg_roles k where k.oid = l.membership) as is_super,
         pg_has_role(l.membership, l.grantee, 'MEMBER') as is_above, l.membership::regrole::text as member_of, ${inheritsNothing} as inherits_nothing,
         ${unlessSuperuser('coalesce(l.owner, l.membership)')} as by offset 0`

/** What `because` adds to say why nobody becomes a member. */
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

/** A query, after `asked`, that has a row if a requirement is lacking: the same text for all that differ in words only. */
export const lackingQuery = ({ from, given }: Requirement): string =>
  `select from asked${from === undefined ? '' : `, ${from}`} where not (${given})`

/** For `with`, after `asked`: `found` are the obstacles that these requirements find, with the fixes; `forViews`: each with its view `v`. */
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

/** What stands in the way, in words, with `then` after it; then who has to run which SQL, on lines of their own. */
export const sayObstacles = (obstacles: Obstacle[], then?: string): string =>
  [sentences(reasonsOf(obstacles), then), ...fixLines(fixesOf(obstacles))].join('\n')

/** What stands in the way, in words, without what fixes it. */
export const reasonsOf = (obstacles: Obstacle[]): string => obstacles.map(({ because }) => because).join('; ')

/** What no right fixes. */
export const impossible = (because: string): Requirement => ({ because: literal(because), given: 'false' })

/** The OID of a role that is written as in SQL. */
export const roleOf = (written: string): string => `${literal(written)}::regrole::oid`

/** A privilege on a schema, for a role or, by default, for the login. */
export const inSchema = (what: 'usage' | 'create', schema: string, to?: string): Requirement =>
  privilege('pg_namespace n', {
    privilege: `'${what}'`,
    on: `format('schema %I', n.nspname)`,
    to: to ?? 'asked.oid',
    owner: 'n.nspowner',
    given: `n.nspname <> ${literal(schema)} or has_schema_privilege(${to ?? 'session_user'}, n.oid, '${what}')`,
  })

/** A privilege on the database, unless `needless`. */
export const onDatabase = (what: 'create' | 'temporary', needless: string, to = 'asked.oid'): Requirement =>
  privilege('pg_database d', {
    privilege: `'${what}'`,
    on: `format('database %I', d.datname)`,
    to,
    owner: 'd.datdba',
    given: `${needless} or d.datname <> current_database() or has_database_privilege(${to === 'asked.oid' ? oidOf('session_user') : to}, d.oid, '${what}')`,
  })

/** An expression for one text, or null: what `sayObstacles` says of the obstacles of a query for hints. */
export const missing = `(select 'Missing: ' || string_agg(because, '; ' order by at) || '.' || coalesce((select string_agg(text, '' order by at) from givers), '')
    from obstacles having count(*) > 0)`

/**
 * A query for hints, by the SQLSTATE of the failure that they explain: `lacking` explains that of a missing right, and `others` other
 * failures.
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
  select row_number() over (order by o.at, o.because) as at, o.because, o.fix
    from (select distinct on (${eachOnce}) * from found l order by ${eachOnce}, l.at) o),
fixes as materialized (
  select min(o.at) as at, o.fix ->> 'sql' as sql, o.fix ->> 'instead' as instead,
         (select string_agg(b, ' or ') from jsonb_array_elements_text((o.fix -> 'by') || '["a superuser"]') b) as givers
    from obstacles o where o.fix ->> 'sql' is not null group by 2, 3, 4),
givers as materialized (
  select min(f.at) as at, concat(chr(10), chr(10), f.givers, ' has to run:', string_agg(concat(chr(10), '  ', f.sql), '' order by f.at),
                                 string_agg(distinct chr(10) || f.instead, '')) as text
    from fixes f group by f.givers)
select jsonb_strip_nulls(jsonb_build_object(${Object.entries({ '42501': lacking, ...others })
    .map(([sqlstate, hint]) => `'${sqlstate}', ${hint}`)
    .join(', ')})) as hints`)

/** A relation `c` as `grant` names it. */
export const onSequence = `case when c.relkind = 'S' then 'sequence ' else '' end || c.oid::regclass`

/** The right to execute each function in `calls (role, oid, proowner)`. */
export const executes = privilege('calls', {
  privilege: `'execute'`,
  on: `'function ' || calls.oid::regprocedure`,
  to: 'calls.role',
  owner: 'calls.proowner',
  given: `has_function_privilege(calls.role, calls.oid, 'execute')`,
})

/**
 * The role whose rights count for what plain view `view` reads if `reader` reads the view. The catalog keeps the option as it
 * was written: `true`, `on`, `1`.
 */
export const readerOf = (view: string, reader: string): string =>
  `case when exists (select from pg_options_to_table(${view}.reloptions) o
    where case o.option_name when 'security_invoker' then o.option_value::bool end) then ${reader} else ${view}.relowner end`

/** The kinds of relations on which privileges to read exist: no index, and no composite type. */
export const readable = `('r', 'p', 'v', 'm', 'f', 'S')`

/** What the query of plain view or view `of` names: rule `w`, and none that says how the view is written to. */
export const namedBy = (of: string): string => `pg_rewrite w on w.ev_class = ${of}.oid and w.ev_type = '1'
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refobjid <> ${of}.oid`

/** The SQL that is missing, sorted by who can execute it, as lines for people. */
export function fixLines(fixes: Fix[]): string[] {
  const byGiver = Map.groupBy(fixes, ({ by }) => [...by, 'a superuser'].join(' or '))
  return [...byGiver].flatMap(([givers, same]) => [
    '',
    `${givers} has to run:`,
    ...same.map(({ sql }) => `  ${sql}`),
    ...new Set(same.flatMap(({ instead }) => instead ?? [])),
  ])
}

/** The fixes of obstacles, each once. */
export const fixesOf = (obstacles: Obstacle[]): Fix[] => [
  ...new Map(obstacles.flatMap(({ fix }) => (fix === null ? [] : [[fix.sql, fix] as const]))).values(),
]

/** Executes statements as `role`, then resets the role. `role` is written as in SQL. */
export const inPlaceOf = (role: string, statements: Statement[]): Statement[] =>
  statements.length === 0
    ? statements
    : [
        { kind: 'command', phase: 'building', sql: `set local role ${role}`, hidden: true },
        ...statements,
        { kind: 'command', phase: 'building', sql: 'reset role', hidden: true },
      ]
