import { literal, logSchema } from '../../sql/names.ts'
import { Problem } from '../../words/problem.ts'
import {
  adminsOf,
  isAtLeast,
  type Obstacle,
  oidOf,
  sayObstacles,
  toSetRole,
  unlessSuperuser,
} from './rights.ts'

// Who else has a hand in schema `viewkeeper` and in the roles that own it. Any user who may create in a database can make the
// schema first, and its code would run as whoever works there; whoever administers role `viewkeeper` can become it.

/** Whom somebody trusts, in SQL. */
interface Trust {
  /** About a role `r`: whether what it owns in the schema is ours, and whether it may administer our roles. */
  owns: string
  administers: string
  /** About a role `o`: whether it is one of ours, and matters; `administrators` are those who may administer ours. */
  ours: string
  /** Whether the schema matters. */
  uses: string
  /** Who has to do what to trust a role that administers ours. */
  trusting: string
  /** About an object `x`: whether our steps name it. */
  isNamed: string
}

const byNaming = `format('an administrator has to run:%s  npx viewkeeper create-role --trust %s', chr(10), whom::regrole)`
const roles = `('viewkeeper', 'viewkeeper_views')`

/**
 * What a login trusts: itself, superusers, and a role beside which the login is nothing; role `viewkeeper` if somebody who
 * administers the login has made it a member, or if nobody else administers that role. `name`: null: the login that asks.
 */
export function trustOf(name: string | null): Trust {
  const login = name === null ? 'session_user' : literal(name)
  const isLogin = `r.rolname in (${login}, ${name === null ? 'current_user' : login})`
  const oid = oidOf(login)
  const isAll = `pg_has_role(${login}, r.oid, 'MEMBER')
    and not exists (select from pg_roles o where o.rolname <> ${login} and pg_has_role(${login}, o.oid, 'MEMBER') and not pg_has_role(r.oid, o.oid, 'MEMBER'))
    and not exists (select from pg_shdepend s where s.refclassid = 'pg_authid'::regclass and s.refobjid = ${oid} and s.deptype in ('o', 'a'))`
  const administers = `${isLogin} or r.oid = (select datdba from pg_database where datname = current_database())
      or case when ${isAtLeast(16)} then exists (select from pg_auth_members m where m.roleid = ${oid} and m.member = r.oid and m.admin_option)
           else r.rolcreaterole end`
  const isMadeMember = `exists (select from pg_auth_members m
    where m.roleid = to_regrole('viewkeeper') and m.member = ${oid} and m.grantor in (select oid from administrators))`
  return {
    owns: `${isLogin} or r.oid = (select nspowner from pg_namespace where nspname = 'viewkeeper') and ${isAll}`,
    administers,
    ours: `o.rolname in ${roles} and not ${isMadeMember}
      and (exists (${keeper(login)} and r.rolname = 'viewkeeper') or exists (select from n where nspowner = to_regrole('viewkeeper')))`,
    uses: `has_schema_privilege(${login}, oid, 'usage') or pg_has_role(${login}, nspowner, 'MEMBER')`,
    trusting: `format('a superuser has to run:%s  grant viewkeeper to %s;', chr(10), quote_ident(${login}))`,
    isNamed: 'true',
  }
}

/** What an administrator trusts who makes the roles and hands the schema over: themselves, and the roles that they name. */
export function trustOfAdministrator(trusted: string[], login: string, names: string[]): Trust {
  const owns = `r.rolname in (${['current_user', ...trusted.map(literal)].join(', ')})`
  return {
    owns,
    administers: `${owns} or r.rolname = ${literal(login)}`,
    ours: `o.rolname in ('viewkeeper', 'viewkeeper_views', ${literal(login)})`,
    uses: 'true',
    trusting: byNaming,
    isNamed: `x.name = any (${literal(`{${names.join(',')}}`)}) or owner = to_regrole('viewkeeper')`,
  }
}

/**
 * A query for the role that a login acts as in schema `viewkeeper`: its owner; before the schema exists, role `viewkeeper`, if an
 * administrator has given that role rights on this database.
 */
export const keeper = (login = 'session_user'): string => `
  select r.rolname from pg_roles r
   where (r.oid = (select nspowner from pg_namespace where nspname = 'viewkeeper')
          or r.rolname = 'viewkeeper' and to_regnamespace('viewkeeper') is null
             and has_database_privilege(r.oid, current_database(), 'create'))
     and pg_has_role(${login}, r.oid, ${toSetRole})`

/** What others may be given, and what everybody may have. Everything else would let them run code as us, or silence us. */
const given = `case c.relkind when 'S' then '{USAGE,SELECT}' else case a.grantee when 0 then '{SELECT}' else '{SELECT,INSERT,UPDATE,DELETE}' end end`

/**
 * An expression: who else has a hand in our schema and roles, as JSON of obstacles. It needs no right on anything. `logs`: also who has one in
 * the schema of logs, where nothing runs as us: a log there is only not used.
 */
export const intruders = (
  { owns, administers, ours, uses, trusting, isNamed }: Trust,
  { logs = false } = {},
): string => `(
  with trusted as materialized (select r.oid from pg_roles r where r.rolsuper or r.rolname = 'viewkeeper' or ${owns}),
  n as materialized (
    select oid, nspowner, nspacl, nspowner in (select oid from trusted) as is_ours
      from pg_namespace where nspname = 'viewkeeper' and (${uses})),
  administrators as materialized (select r.oid from pg_roles r where r.rolsuper or ${administers}),
  admins as materialized (select oid from administrators union all select oid from pg_roles where rolname in ${roles}),
  ours as materialized (select o.oid, o.rolname, o.rolcanlogin from pg_roles o where ${ours}),
  objects as materialized (
    select i.type || ' ' || i.identity as object, coalesce(c.relname, p.proname) as name, coalesce(o.refobjid, 10) as owner, n.is_ours
      from n join pg_depend d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.deptype = 'n'
      left join pg_shdepend o on o.dbid = (select oid from pg_database where datname = current_database())
                             and o.classid = d.classid and o.objid = d.objid and o.deptype = 'o'
      left join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
      left join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid, pg_identify_object(d.classid, d.objid, 0) i
     -- the sequence of a column is part of its table
     where not exists (select from pg_depend t where t.classid = 'pg_class'::regclass and t.objid = c.oid and t.refclassid = t.classid and t.deptype in ('a', 'i'))),
  found (at, because, sql, giver, whom) as materialized (
    select 1, format('schema viewkeeper belongs to %s', nspowner::regrole), 'alter schema viewkeeper rename to viewkeeper_before;',
           nspowner, nspowner from n where not is_ours
    union all
    select 2, format('%s belongs to %s', object, owner::regrole), case when is_ours then format('alter %s set schema public;', object) end,
           owner, owner
      from objects where owner not in (select oid from trusted)
    union all
    select 3, format('trigger %I on %s calls %s of %s', t.tgname, t.tgrelid::regclass, p.oid::regprocedure, p.proowner::regrole),
           format('drop trigger %I on %s;', t.tgname, t.tgrelid::regclass), c.relowner, p.proowner
      from n join pg_class c on c.relnamespace = n.oid and is_ours join pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal
      join pg_proc p on p.oid = t.tgfoid and p.proowner not in (select oid from trusted)
    union all
    select 4, format('%s may create in schema viewkeeper', w.name), format('revoke create on schema viewkeeper from %s cascade;', w.name),
           nspowner, null
      from n, aclexplode(nspacl) a, ${nameOf('a.grantee')}
     where is_ours and a.privilege_type = 'CREATE' and a.grantee not in (select oid from trusted)
    union all
    select 5, format('%s has %s on %s', min(w.name), string_agg(distinct a.privilege, ', '), c.oid::regclass),
           format('revoke %s on %s%s from %s cascade;', string_agg(distinct a.privilege, ', '),
             case when c.relkind = 'S' then 'sequence ' end, c.oid::regclass, min(w.name)), c.relowner, null
      from n join pg_class c on c.relnamespace = n.oid and is_ours, lateral (
        select x.grantee, x.privilege_type, lower(x.privilege_type) as privilege from aclexplode(c.relacl) x
        union all
        select x.grantee, x.privilege_type, format('%s (%I)', lower(x.privilege_type), t.attname)
          from pg_attribute t, aclexplode(t.attacl) x where t.attrelid = c.oid and not t.attisdropped) a, ${nameOf('a.grantee')}
     where a.grantee not in (select oid from trusted) and a.privilege_type <> all ((${given})::text[])
     group by c.oid, c.relkind, c.relowner, a.grantee
    union all
    select 6, case when m.admin_option and m.member not in (select oid from admins)
                then format('%s may administer role %s, whose members are %s', m.member::regrole, o.oid::regrole, (
                  select string_agg(b.member::regrole::text, ', ' order by 1) from pg_auth_members b where b.roleid = o.oid))
                else format('%s is a member of role %s, by %s', m.member::regrole, o.oid::regrole, m.grantor::regrole) end,
           format('revoke %s from %s%s cascade;', o.oid::regrole, m.member::regrole,
             case when ${isAtLeast(16)} then format(' granted by %s', m.grantor::regrole) end),
           m.grantor, case when m.grantor in (select oid from admins) then m.member else m.grantor end
      from ours o join pg_auth_members m on m.roleid = o.oid join pg_roles g on g.oid = m.grantor
     where m.admin_option and m.member not in (select oid from admins) or g.oid not in (select oid from admins)
    union all
    select 7, format('role %s may log in', o.oid::regrole), format('alter role %s nologin;', o.oid::regrole), o.oid, null
      from ours o where o.rolcanlogin and o.rolname in ${roles} and o.rolname <> session_user
    union all
    select 8, format('%s is no part of this version of Viewkeeper', object), format('alter %s set schema public;', object), owner, null
      from objects x where owner in (select oid from trusted) and (${isNamed}) is not true${logs ? inLogs : ''})
  select coalesce(jsonb_agg(jsonb_build_object('because', because, 'fix', case when sql is not null then jsonb_strip_nulls(jsonb_build_object(
           'sql', sql, 'grants', false, 'by', case at when 7 then ${adminsOf('giver')} else ${unlessSuperuser('giver')} end, 'instead', case when whom <> 0
             then format('or, if you trust %s, %s', whom::regrole, case at when 6 then ${trusting} else ${byNaming} end) end)) end)
         order by at, because), '[]') from found)`

const nameOf = (grantee: string): string =>
  `lateral (select case ${grantee} when 0 then 'public' else ${grantee}::regrole::text end as name) w`

const inLogs = `
    union all
    select 9, format('schema ${logSchema} belongs to %s, and schema viewkeeper to %s', l.nspowner::regrole, n.nspowner::regrole),
           format('alter schema ${logSchema} %s;', case when t.oid is null then 'rename to ${logSchema}_before' else format('owner to %s', n.nspowner::regrole) end),
           l.nspowner, case when t.oid is null then l.nspowner end
      from n join pg_namespace l on is_ours and l.nspname = '${logSchema}' and l.nspowner <> n.nspowner left join trusted t on t.oid = l.nspowner
    union all
    select 10, format('%s may create in schema ${logSchema}', w.name), format('revoke create on schema ${logSchema} from %s cascade;', w.name),
           l.nspowner, null
      from n join pg_namespace l on is_ours and l.nspname = '${logSchema}' and l.nspowner = n.nspowner, aclexplode(l.nspacl) a, ${nameOf('a.grantee')}
     where a.privilege_type = 'CREATE' and a.grantee <> l.nspowner`

/** A query for our roles, who may administer each, and who is a member. */
export const administrators = `
  select o.oid::regrole::text as role, to_jsonb(${adminsOf('o.oid')}) as by,
         to_jsonb(array(select distinct m.member::regrole::text from pg_auth_members m where m.roleid = o.oid order by 1)) as members
    from pg_roles o where o.rolname in ${roles} order by 1`

/** Refuses to go on while others have a hand in our schema and roles. */
export function refuseIntruders(found: Obstacle[]): void {
  if (found.length === 0) return
  const message = sayObstacles(found, 'Others could run code with its rights. Nothing was changed')
  throw new Problem(
    'MigrationFailed',
    `Schema viewkeeper or its roles are not Viewkeeper's alone: ${message}`,
  )
}
