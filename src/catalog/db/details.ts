import type { Sql } from '../../server/connect.ts'
import { lookAgain, unlessLocked } from '../../server/transactions.ts'
import type { QualifiedName } from '../../sql/names.ts'
import { readable } from '../plan/server-sql.ts'

/** More about a view. `sql` and `definition`s are null while a refresh's lock keeps them from being read. */
export interface ViewDetails {
  sql: string | null
  comment: string | null
  /** Null if the view is missing. */
  owner: string | null
  indexes: { name: string; unique: boolean; definition: string | null }[]
}

/** Reads more about one view, without waiting for the end of a refresh. */
export async function readViewDetails(sql: Sql, name: QualifiedName): Promise<ViewDetails> {
  const [base] = await sql<[Omit<ViewDetails, 'sql'>?]>`
    select obj_description(c.oid, 'pg_class') as comment, c.relowner::regrole::text as owner,
           (select coalesce(jsonb_agg(jsonb_build_object('name', x.relname, 'unique', i.indisunique) order by x.relname), '[]')
              from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
             where i.indrelid = c.oid) as indexes
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where ${isNamed(sql, name)}`
  const texts = await lookAgain(() => unlessLocked(sql, (sql) => readTexts(sql, name)))
  return {
    sql: texts?.sql == null ? null : readable(texts.sql.trim()),
    comment: base?.comment ?? null,
    owner: base?.owner ?? null,
    indexes: (base?.indexes ?? []).map((index) => ({
      ...index,
      definition: texts?.indexes?.[index.name] ?? null,
    })),
  }
}

interface Texts {
  sql: string | null
  /** By the index's name. */
  indexes: Record<string, string | null> | null
}

/** Undefined if nothing has the name; `gone` if an exchange meanwhile left the server without a text. */
async function readTexts(sql: Sql, name: QualifiedName): Promise<Texts | undefined | 'gone'> {
  const [row] = await sql<[Texts?]>`
    select pg_get_viewdef(c.oid, true) as sql,
           (select jsonb_object_agg(x.relname, pg_get_indexdef(i.indexrelid))
              from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
             where i.indrelid = c.oid) as indexes
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where ${isNamed(sql, name)}`
  return row !== undefined && [row.sql, ...Object.values(row.indexes ?? {})].includes(null) ? 'gone' : row
}

const isNamed = (sql: Sql, { schema, name }: QualifiedName) =>
  sql`n.nspname = ${schema} and c.relname = ${name}`
