import { sentences } from '../../problem.ts'
import { lackedBy } from '../../sql/lacked-right.ts'
import { literal } from '../../sql/names.ts'

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
 * it, so that the next login has it too. Without a name, the current role asks for the login.
 */
export const asked = (name?: string): string => `asked as (
  select acting.oid as role, coalesce(keeper.oid, login.oid) as oid, coalesce(views.oid, keeper.oid, login.oid) as heir
    from pg_roles acting
    join pg_roles login on login.rolname = ${name === undefined ? 'session_user' : literal(name)}
    left join lateral (
      select k.oid, k.rolname from pg_roles k left join pg_namespace n on n.nspname = 'viewkeeper' and n.nspowner = k.oid
       where (n.oid is not null or k.rolname = 'viewkeeper') and not k.rolsuper and not login.rolsuper
         and pg_has_role(login.oid, k.oid, 'MEMBER')
       order by n.oid is null limit 1) keeper on true
    left join pg_roles views on views.rolname = keeper.rolname || '${viewsSuffix}'
   where acting.rolname = ${name === undefined ? 'current_user' : literal(name)})`

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

/** The fix of a row `l` of requirements, and what `because` adds to say why nobody becomes a member. */
const fix = `
  select null as more, jsonb_build_object('sql', format('grant %s on %s to %s;', l.privilege, l.object, l.grantee::regrole),
           'grants', true, 'by', ${unlessSuperuser('l.owner')}) as fix
   where l.privilege is not null
  union all
  select null, jsonb_build_object('sql', format('alter role %s inherit;', l.role::regrole), 'grants', true,
           'by', array['a role with createrole'])
   where l.membership is not null and ${inheritsNothing}
  union all
  select case when o.rolsuper then ', who is a superuser, and nobody should become a member of a superuser'
           when o.is_above then format(', who is a member of %1$s, so %1$s cannot become a member of %2$s', l.grantee::regrole, o.role) end,
         case when not o.rolsuper and not o.is_above
           then jsonb_build_object('sql', format('grant %s to %s%s;', o.role, l.grantee::regrole, ${withOptions}),
                  'grants', true, 'membership', o.role, 'by', ${adminsOf('l.membership')})
           when l.owned is not null
           then jsonb_build_object('sql', format('alter %s owner to %s;', l.owned, l.heir::regrole), 'grants', false,
                  'by', ${unlessSuperuser('l.membership')}) end
    from (select k.rolsuper, k.oid::regrole::text as role, pg_has_role(k.oid, l.grantee, 'MEMBER') as is_above
            from pg_roles k where k.oid = l.membership) o
   where not (${inheritsNothing})
  union all
  select null, null where l.privilege is null and l.membership is null`

const row = (
  { from, because, given, membership, owned, privilege, on, to, owner, instead }: Requirement,
  at: number,
) =>
  `select ${at} as at, ${because} as because, ${membership ?? 'null'}::oid as membership, ${owned ?? 'null'} as owned,
    ${privilege ?? 'null'} as privilege, ${on ?? 'null'} as object, coalesce(${to ?? 'null'}, asked.oid)::oid as grantee,
    ${owner ?? 'null'}::oid as owner, ${instead ?? 'null'} as instead, coalesce(${to ?? 'null'}, asked.role)::oid as role, asked.heir
     from asked${from === undefined ? '' : `, ${from}`} where not (${given})`

/**
 * An expression: the obstacles that these requirements find, as JSON, in their order, or only the first of those that one fix
 * removes. Needs `asked`.
 */
export const obstaclesOf = (requirements: Requirement[], which: 'all' | 'first' = 'all'): string => `(
  select coalesce(jsonb_agg(jsonb_build_object('because', o.because, 'fix', o.fix) order by o.at, o.because), '[]')
    from (select distinct on (${keys[which]}) l.at, l.because || coalesce(c.more, '') as because,
                 c.fix || jsonb_strip_nulls(jsonb_build_object('instead', l.instead)) as fix
            from (${requirements.map(row).join('\n  union all ')}) l, lateral (${fix}) c
           order by ${keys[which]}, l.at, l.because) o)`

const keys = { all: `l.because, c.fix ->> 'sql'`, first: `coalesce(c.fix ->> 'sql', l.because)` }

/** An expression: the same as one text, or null: what `sayObstacles` says. */
export const missing = (requirements: Requirement[]): string => `(
  with o as (
    select o.at, o.value ->> 'because' as because, o.value -> 'fix' as fix from jsonb_array_elements(${obstaclesOf(requirements)}) with ordinality o(value, at)),
  fixes as (
    select min(o.at) as at, o.fix ->> 'sql' as sql, o.fix ->> 'instead' as instead,
           (select string_agg(b, ' or ') from jsonb_array_elements_text((o.fix -> 'by') || '["a superuser"]') b) as givers
      from o where o.fix ->> 'sql' is not null group by 2, 3, 4)
  select 'Missing: ' || string_agg(o.because, '; ' order by o.at) || '.' || coalesce(
      (select string_agg(g.text, '' order by g.at)
         from (select min(c.at) as at, concat(chr(10), chr(10), c.givers, ' has to run:', string_agg(concat(chr(10), '  ', c.sql), '' order by c.at),
                        string_agg(distinct chr(10) || c.instead, '')) as text
                 from fixes c group by c.givers) g), '')
    from o having count(*) > 0)`

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
    given: `${needless} or d.datname <> current_database() or has_database_privilege(${to === 'asked.oid' ? 'session_user::regrole::oid' : to}, d.oid, '${what}')`,
  })

/** A query for hints, by the SQLSTATE of the failure that they explain. */
export const hintsQuery = (
  requirements: Requirement[] | string,
  { ctes = asked(), ...others }: { ctes?: string; [sqlstate: string]: string | undefined } = {},
): string => `
with recursive ${ctes}
select jsonb_strip_nulls(jsonb_build_object(${Object.entries({
  '42501': typeof requirements === 'string' ? requirements : missing(requirements),
  ...others,
})
  .map(([sqlstate, hint]) => `'${sqlstate}', ${hint}`)
  .join(', ')})) as hints`

/**
 * A query for what keeps a role from creating something in a schema. If the role may, it lacks a right on something else. `role`
 * is written as in SQL; null: the login.
 */
export function creatingQuery(schema: string, role: string | null = null): string {
  const to = role === null ? undefined : roleOf(role)
  const inIt = missing([inSchema('usage', schema, to), inSchema('create', schema, to)])
  return hintsQuery(`coalesce(${inIt}, ${lackedBy(role)})`)
}

/** A query for what keeps the login from using PL/pgSQL. */
export const usingPlpgsqlQuery = hintsQuery([
  privilege('pg_language l', {
    privilege: `'usage'`,
    on: `'language plpgsql'`,
    to: 'asked.oid',
    owner: 'l.lanowner',
    given: `l.lanname <> 'plpgsql' or has_language_privilege(session_user, l.oid, 'usage')`,
  }),
])

/** A query for what keeps the login from ending a query of another login. */
export const signalingQuery = hintsQuery([
  {
    from: `(select oid from pg_roles where rolname = 'pg_signal_backend') s`,
    because: `format('%s may not signal the sessions of others', asked.role::regrole)`,
    membership: 's.oid',
    given: isMember('asked.role', 's.oid'),
  },
])

/** A query for what keeps the login from making schema `viewkeeper`, or from changing what is in the schema. */
export const settingUpQuery = hintsQuery([
  {
    from: `(select nspowner from pg_namespace where nspname = 'viewkeeper') n`,
    because: `format('%s may not act as the owner of schema viewkeeper, %s', asked.role::regrole, n.nspowner::regrole)`,
    membership: 'n.nspowner',
    owned: `'schema viewkeeper'`,
    given: isMember('asked.role', 'n.nspowner', 'acts'),
  },
  onDatabase('create', `to_regnamespace('viewkeeper') is not null`),
])

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
