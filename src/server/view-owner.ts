import type { Sql } from './database.ts'

/**
 * The owner of a plain view who may not read what the view reads, if the role itself may: the server refuses the role, and names the
 * relation alone. Null: there is none.
 */
export async function readViewOwner(sql: Sql, role: string | null, message: string): Promise<string | null> {
  const [row] = await sql<{ owner: string | null }[]>`
    select string_agg(distinct v.relowner::regrole::text, ' or ') as owner
      from pg_class t
      join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and d.classid = 'pg_rewrite'::regclass
      join pg_rewrite r on r.oid = d.objid
      join pg_class v on v.oid = r.ev_class and v.relkind = 'v' and v.oid <> t.oid
     where ${message} ~ ('(^|\\W)' || regexp_replace(t.relname, '(\\W)', '\\\\\\1', 'g') || '($|\\W)')
       and has_table_privilege(coalesce(to_regrole(${role}), quote_ident(session_user)::regrole)::oid, t.oid, 'select')
       and not has_table_privilege(v.relowner, t.oid, 'select')`
  return row?.owner ?? null
}
