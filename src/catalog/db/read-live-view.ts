import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { lookAgain, unlessLocked } from '../../server/transactions.ts'
import { isView, literal, logName, logSchema, ofLog, queryOfKept } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { LiveView, ViewSnapshot } from '../plan/live-view.ts'
import { hashesOf, liveViewQuery } from '../plan/live-view-query.ts'
import { readable, readableView } from '../plan/server-sql.ts'

/** Why there is no snapshot: somebody holds an exclusive lock, or the view was exchanged or dropped. */
type NoSnapshot = 'locked' | 'gone'

/** Reads a snapshot of a view. One statement reads the live view and its hash, so both are of one moment. */
export async function readSnapshot(
  sql: Sql,
  oid: number,
  isTable = false,
): Promise<ViewSnapshot | NoSnapshot> {
  const read = (sql: Sql) =>
    sql.unsafe<ViewSnapshot[]>(liveViewQuery(String(oid), `live, ${hashesOf('live')}`, isTable))
  try {
    const rows = await unlessLocked(sql, read)
    if (rows === null) return 'locked'
    const [row] = rows
    return row === undefined ? 'gone' : { ...row, live: readableView(row.live) }
  } catch (error) {
    // XX000: a statement sees the catalog as of its beginning, but deparses definitions as they are now.
    if (sqlstateOf(error) === 'XX000') return 'gone'
    throw error
  }
}

/** A plain view as the catalog has it, by its name as SQL writes it; undefined if nothing has the name. */
export const readLivePlainView = (sql: Sql, view: string): Promise<LiveView | undefined> =>
  lookAgain(async () => {
    const named = `to_regclass(${literal(view)})`
    const [row] = await sql.unsafe<{ live: LiveView }[]>(liveViewQuery(`${named}::oid`))
    if (row !== undefined) return readableView(row.live)
    // to_regclass knows a relation that was made after the statement began, and the statement does not find it.
    const [now] = await sql.unsafe<[{ exists: boolean }]>(`select ${named} is not null as exists`)
    return now.exists ? 'gone' : undefined
  })

/** More about a view. `sql` and `definition`s are null while a refresh's lock keeps them from being read. */
export interface LiveDetails {
  sql: string | null
  comment: string | null
  /** Null if the view is missing. */
  owner: string | null
  indexes: { name: string; unique: boolean; definition: string | null }[]
  /** The size of its change log; null: it has none, or it is locked. */
  logBytes: number | null
}

/** Reads more about one view, without waiting for the end of a refresh. */
export async function readViewDetails(sql: Sql, name: QualifiedName): Promise<LiveDetails> {
  const [base] = await sql<[Omit<LiveDetails, 'sql' | 'logBytes'>?]>`
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
    logBytes: texts?.logBytes ?? null,
  }
}

interface Texts {
  sql: string | null
  /** By the index's name. */
  indexes: Record<string, string | null> | null
  logBytes: number | null
}

/** Undefined if no view has the name; `gone` if an exchange meanwhile left the server without a text. */
async function readTexts(sql: Sql, name: QualifiedName): Promise<Texts | undefined | 'gone'> {
  const [row] = await sql<[Texts?]>`
    select pg_get_viewdef(case c.relkind when 'r' then ${sql.unsafe(queryOfKept('c.oid'))} else c.oid end, true) as sql,
           (select jsonb_object_agg(x.relname, pg_get_indexdef(i.indexrelid))
              from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
             where i.indrelid = c.oid) as indexes,
           (select sum(pg_relation_size(l.oid))::float8 from pg_catalog.pg_class l
             where l.relnamespace = to_regnamespace(${logSchema}) and l.relkind = 'r' and ${sql.unsafe(ofLog('l.relname'))} = ${logName(name)}) as "logBytes"
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where ${isNamed(sql, name)} and ${sql.unsafe(isView('c'))}`
  return row !== undefined && [row.sql, ...Object.values(row.indexes ?? {})].includes(null) ? 'gone' : row
}

const isNamed = (sql: Sql, { schema, name }: QualifiedName) =>
  sql`n.nspname = ${schema} and c.relname = ${name}`
