import type { Sql } from '../../server/database.ts'
import { defaultOwnerSetting } from '../../sql/settings.ts'
import { unquoted } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { impossible, roleOf, sayObstacles, toSetRole, viewsSuffix } from '../plan/rights.ts'
import { readObstacles } from './read-obstacles.ts'

/** A role that may come to own a view. */
interface OwnerCandidate {
  /** As SQL writes it. */
  role: string
  isSuperuser: boolean
  /** Whether the role owns schema `viewkeeper`, or may become its owner. */
  reachesRecord: boolean
  isLogin: boolean
  mayActAs: boolean
}

/**
 * The role, as SQL writes it, that is to own what Viewkeeper creates: `owner`, which a definition names; else the default of
 * the environment; else `viewkeeper_views`, if the login may act as that role, so that the next login can work on the views
 * too; else the login itself. Refuses (InvalidRequest) a named role if the code of its views could do what no view's code
 * may do, and (InsufficientPrivilege) a named role as which the login may not act.
 */
export async function readOwner(sql: Sql, owner: string | null): Promise<string> {
  const { named, fallback } = await readDefault(sql)
  const name = owner ?? named
  if (name === null) return fallback
  const field = owner === null ? 'VIEW_OWNER' : 'owner'
  const candidate = await readCandidate(sql, name)
  if (candidate === undefined)
    throw refused(field, `there is no role ${JSON.stringify(name)} on this server. Create the role`)
  const { role, isSuperuser, mayActAs } = candidate
  const danger = dangerOf(candidate)
  // A login without roles of its own owns the views anyway.
  if (danger !== null && (role !== fallback || isSuperuser))
    throw refused(field, `${role} ${danger}. Name another role`)
  if (!mayActAs) {
    throw new Problem('InsufficientPrivilege', `${field}: ${await readMembershipAdvice(sql, role)}`, {
      field,
    })
  }
  return role
}

/** The owner of what replaces a view of `old`: the named role; else `old`, unless a view of `old` cannot be created. */
export async function readReplacingOwner(sql: Sql, owner: string | null, old: string): Promise<string> {
  const candidate = owner === null ? await readCandidate(sql, unquoted(old)) : undefined
  return candidate?.mayActAs && dangerOf(candidate) === null ? old : readOwner(sql, owner)
}

/**
 * What a definition of a live view says about its owner: null if the owner is the default, or a role that `readOwner`
 * refuses because of what its code could do.
 */
export async function readSaidOwner(sql: Sql, live: string): Promise<string | null> {
  const name = unquoted(live)
  const candidate = await readCandidate(sql, name)
  const { named, fallback, viewsRole } = await readDefault(sql)
  const isDefault = named === null ? [fallback, viewsRole].includes(live) : named === name
  return isDefault || candidate === undefined || dangerOf(candidate) !== null ? null : name
}

/** Whether code of a role may do at least what ours may: then running its code as us gives it nothing. */
export async function isAsMighty(sql: Sql, live: string): Promise<boolean> {
  const candidate = await readCandidate(sql, unquoted(live))
  return candidate !== undefined && dangerOf(candidate) !== null
}

/** Who can let Viewkeeper act as a role, or inherit the role's rights, and how. */
export const readMembershipAdvice = async (sql: Sql, role: string): Promise<string> => {
  const candidate = await readCandidate(sql, unquoted(role))
  const lacks = candidate?.mayActAs ? 'does not inherit the rights of' : 'may not act as'
  const need = { ...impossible(`Viewkeeper ${lacks} ${role}`), membership: roleOf(role) }
  return sayObstacles(await readObstacles(sql, [need]))
}

/** The plain and materialized views that read a view by the rights of `old`, and that `owner` does not let read it. */
export const readReadersByOwner = (
  sql: Sql,
  oid: number,
  { old, owner }: { old: string; owner: string },
): Promise<{ role: string; reader: string }[]> => sql<{ role: string; reader: string }[]>`
  select distinct c.relowner::regrole::text as role,
         case c.relkind when 'v' then 'view ' else 'materialized view ' end || c.oid::regclass as reader
    from pg_catalog.pg_depend d join pg_catalog.pg_rewrite w on w.oid = d.objid join pg_catalog.pg_class c on c.oid = w.ev_class
   where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = ${oid} and c.oid <> ${oid}
     and c.relkind in ('v', 'm') and pg_has_role(c.relowner, ${old}::regrole, 'USAGE')
     and not pg_has_role(c.relowner, ${owner}::regrole, 'USAGE')
   order by 1, 2`

async function readDefault(
  sql: Sql,
): Promise<{ named: string | null; viewsRole: string | null; fallback: string }> {
  const [row] = await sql<{ named: string | null; viewsRole: string | null; fallback: string }[]>`
    select nullif(current_setting(${defaultOwnerSetting}, true), '') as named, views.role as "viewsRole",
           case when views.may_act_as then views.role else quote_ident(current_user) end as fallback
      from (values (1)) as one left join (
        select r.oid::regrole::text as role, pg_has_role(r.oid, ${sql.unsafe(toSetRole)}) as may_act_as
          from pg_catalog.pg_namespace n join pg_catalog.pg_roles keeper on keeper.oid = n.nspowner
          join pg_catalog.pg_roles r on r.rolname = keeper.rolname || ${viewsSuffix}
         where n.nspname = 'viewkeeper') as views on true`
  return row as { named: string | null; viewsRole: string | null; fallback: string }
}

async function readCandidate(sql: Sql, name: string): Promise<OwnerCandidate | undefined> {
  const [row] = await sql<OwnerCandidate[]>`
    select r.oid::regrole::text as role, r.rolsuper as "isSuperuser", r.rolname = current_user as "isLogin",
           coalesce(pg_has_role(r.oid, n.nspowner, 'MEMBER'), false) as "reachesRecord",
           pg_has_role(r.oid, ${sql.unsafe(toSetRole)}) as "mayActAs"
      from pg_catalog.pg_roles r left join pg_catalog.pg_namespace n on n.nspname = 'viewkeeper'
     where r.rolname = ${name}`
  return row
}

/** Why no view should belong to a role: what the code of the view could do. Null if nothing speaks against it. */
function dangerOf({ isSuperuser, reachesRecord, isLogin }: OwnerCandidate): string | null {
  if (isSuperuser) return 'is a superuser, so the code of its views could do anything'
  if (reachesRecord)
    return 'owns schema viewkeeper or may become its owner, so the code of its views could change the record'
  return isLogin
    ? 'is the login of Viewkeeper, so the code of its views could act as every other owner'
    : null
}

const refused = (field: string, message: string): Problem =>
  new Problem('InvalidRequest', `${field}: ${message}, or correct ${field}.`, { field })

/**
 * The role, as the catalog has it, that Viewkeeper works as in this database: the owner of its schema, or role
 * `viewkeeper` if that role may make the schema. Null if there is no such role, or only a superuser.
 */
export async function readWorker(sql: Sql): Promise<string | null> {
  const [row] = await sql<{ role: string }[]>`
    select r.rolname as role from pg_catalog.pg_roles r left join pg_catalog.pg_namespace n on n.nspname = 'viewkeeper'
     where not r.rolsuper
       and (r.oid = n.nspowner
            or n.oid is null and r.rolname = 'viewkeeper' and has_database_privilege(r.oid, current_database(), 'create'))`
  return row?.role ?? null
}
