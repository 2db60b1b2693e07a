import { literal } from './names.ts'

// Queries for the rights that somebody lacks, with the SQL that gives them and who may execute it. They are texts, because a
// plan carries some of them: the server executes them only if a statement fails.

/** One right that a role may lack, in expressions of SQL. */
export interface Need {
  /** The relations that the expressions are about. */
  from: string
  /** The statement that gives the right. */
  grant: string
  /** The roles, besides superusers, that may execute the statement; null if there are none. */
  by: string
  given: string
  /** Another right that also helps, in words with SQL; null or undefined if there is none. */
  instead?: string
}

export const isAtLeast = (version: number): string =>
  `current_setting('server_version_num')::integer >= ${version}0000`

/**
 * For `with`: who gets what is missing. If the login is a member of the owner of schema `viewkeeper`, that
 * owner gets it, so that the next login has it too.
 */
export const asked = `asked as (
  select coalesce(keeper.oid, login.oid) as oid,
         coalesce((select v.oid from pg_roles v where v.rolname = keeper.rolname || '_views'), login.oid) as heir
    from pg_roles login
    left join (pg_namespace n join pg_roles keeper on keeper.oid = n.nspowner and not keeper.rolsuper)
      on n.nspname = 'viewkeeper' and pg_has_role(login.oid, keeper.oid, 'MEMBER')
   where login.rolname = session_user)`

/** How a membership is to help: by its rights, or by `set role`. Before 16 every membership allows `set role`. */
export type Membership = 'inherits' | 'acts'

/**
 * Ownership of an object: membership in its owner, or another owner if nobody may become a member of that one.
 * `to` is the OID of the role that needs it; default: the current role, for which `asked` gets it.
 */
export function ownership(
  from: string,
  { owner, object, to }: { owner: string; object: string; to?: string },
  how: Membership = 'inherits',
): Need {
  const grantee = to ?? 'asked.oid'
  const hopeless = `(select k.rolsuper or pg_has_role(k.oid, ${grantee}, 'MEMBER') from pg_roles k where k.oid = ${owner})`
  // Before 16 the login itself says whether it inherits; membership alone does not help a login that does not.
  const inheritsNothing = `${to === undefined && how === 'inherits'} and not ${isAtLeast(16)} and exists (
    select from pg_roles l where l.rolname = session_user and not l.rolinherit and pg_has_role(l.oid, ${owner}, 'MEMBER'))`
  const mode = how === 'inherits' ? `'USAGE'` : `case when ${isAtLeast(16)} then 'SET' else 'MEMBER' end`
  return {
    from: `asked, ${from}`,
    grant: `case when ${inheritsNothing} then format('alter role %I inherit;', session_user)
      when ${hopeless} then format('alter %s owner to %s;', ${object}, asked.heir::regrole)
      else format('grant %s to %s%s;', ${owner}::regrole, (${grantee})::regrole,
                  case when ${isAtLeast(16)} then ' with inherit true, set true' else '' end) end`,
    by: `case when ${inheritsNothing} then 'a role with createrole'
      when ${hopeless} then ${unlessSuperuser(owner)}
      when ${isAtLeast(16)} then (select string_agg(distinct m.member::regrole::text, ' or ') from pg_auth_members m
                                   where m.roleid = ${owner} and m.admin_option)
      else 'a role with createrole' end`,
    given: `pg_has_role(${to ?? 'current_user'}, ${owner}, ${mode})`,
  }
}

/** A privilege. `on` names the object with its kind. `to` and `owner` are OIDs of roles. */
export const privilege = (
  from: string,
  { what, on, to, owner, given }: Record<'what' | 'on' | 'to' | 'owner' | 'given', string>,
): Need => ({
  from,
  grant: `format('grant %s on %s to %s;', ${what}, ${on}, (${to})::regrole)`,
  by: unlessSuperuser(owner),
  given,
})

const unlessSuperuser = (role: string): string =>
  `(select quote_ident(k.rolname) from pg_roles k where not k.rolsuper
      and k.oid = case ${role} when 'pg_database_owner'::regrole
                    then (select datdba from pg_database where datname = current_database()) else ${role} end)`

/** An expression for the needs that are not given; null if there are none. */
export const missing = (needs: Need[]): string => `(
  select 'Missing: ' || string_agg(distinct format('%s (as %s)%s', grants, concat_ws(' or ', givers, 'a superuser'), instead), ' ')
    from (${needs.map(row).join('\n  union all ')}) needed
   where not given)`

const row = ({ from, grant, by, given, instead = 'null' }: Need): string =>
  `select ${grant} as grants, ${by} as givers, ${given} as given, ${instead} as instead from ${from}`

export const bySqlstate = (hints: Record<string, string>): string =>
  `jsonb_strip_nulls(jsonb_build_object(${Object.entries(hints)
    .map(([sqlstate, hint]) => `'${sqlstate}', ${hint}`)
    .join(', ')})) as hints`

/** A query for what keeps the login from looking into a schema. */
export const lookingQuery = (schema: string): string => `
with ${asked}
select ${bySqlstate({ '42501': missing([inSchema('usage', schema)]) })}`

/** A query for what keeps the login from ending a query of another login. */
export const signalingQuery = `
with ${asked}
select ${bySqlstate({
  '42501': missing([
    ownership(`(select oid from pg_roles where rolname = 'pg_signal_backend') s`, {
      owner: 's.oid',
      object: `''`,
    }),
  ]),
})}`

/** A query for what keeps the login from making schema `viewkeeper`, or from changing what is in the schema. */
export const settingUpQuery = `
with ${asked}
select ${bySqlstate({
  '42501': missing([
    ownership(
      `(select nspowner from pg_namespace where nspname = 'viewkeeper') n`,
      {
        owner: 'n.nspowner',
        object: `'schema viewkeeper'`,
      },
      'acts',
    ),
    onDatabase('create', `to_regnamespace('viewkeeper') is not null`),
  ]),
})}`

/** A privilege on a schema, for a role or, by default, for the login. */
export const inSchema = (what: 'usage' | 'create', schema: string, to?: string): Need =>
  privilege('asked, pg_namespace n', {
    what: `'${what}'`,
    on: `format('schema %I', n.nspname)`,
    to: to ?? 'asked.oid',
    owner: 'n.nspowner',
    given: `n.nspname <> ${literal(schema)} or has_schema_privilege(${to ?? 'session_user'}, n.oid, '${what}')`,
  })

/** A privilege on the database, unless `needless`. */
export function onDatabase(what: 'create' | 'temporary', needless: string): Need {
  return privilege('asked, pg_database d', {
    what: `'${what}'`,
    on: `format('database %I', d.datname)`,
    to: 'asked.oid',
    owner: 'd.datdba',
    given: `${needless} or d.datname <> current_database() or has_database_privilege(session_user, d.oid, '${what}')`,
  })
}

/** A relation `c` as `grant` names it. */
export const onSequence = `case when c.relkind = 'S' then 'sequence ' else '' end || c.oid::regclass`

/** The right to execute each function in `calls (role, oid, proowner)`. */
export const executes = privilege('calls', {
  what: `'execute'`,
  on: `'function ' || calls.oid::regprocedure`,
  to: 'calls.role',
  owner: 'calls.proowner',
  given: `has_function_privilege(calls.role, calls.oid, 'execute')`,
})

/** The role whose rights count for what plain view `view` reads if `reader` reads the view. */
export const readerOf = (view: string, reader: string): string =>
  `case when 'security_invoker=true' = any (${view}.reloptions) then ${reader} else ${view}.relowner end`

/** What rule `w` of plain view or view `of` names. */
export const namedBy = (of: string): string => `pg_rewrite w on w.ev_class = ${of}.oid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refobjid <> ${of}.oid`
