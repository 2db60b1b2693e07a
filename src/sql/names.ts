import type { QualifiedName, ViewName } from '../words/names.ts'

/** Writes an identifier for SQL. It is always quoted, so it may be a keyword and may hold upper case. */
export const quoteIdentifier = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`

/** Writes a name for use in a statement: always quoted. */
export const quoteName = ({ schema, name }: ViewName): string =>
  schema === null ? quoteIdentifier(name) : `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`

/**
 * Writes a text as a SQL literal. The server reads the same text back whatever `standard_conforming_strings`
 * is, and whatever a file does to line ends: a text with `\` or `\r` is written with escapes.
 */
export const literal = (text: string): string =>
  /[\\\r]/.test(text)
    ? `E'${text.replaceAll('\\', '\\\\').replaceAll('\r', '\\r').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`

/** Writes an expression for the oid of a relation that exists. */
export const regclass = (name: ViewName): string => `${literal(quoteName(name))}::regclass::oid`

/** A query of ours on one line, without its comments and the spaces that separate nothing. */
export const onOneLine = (query: string): string =>
  query.replaceAll(
    /('(?:[^']|'')*'|"(?:[^"]|"")*")(?:\s+(?=[a-z]))?|\s*--.*|\s*([=,()<>|]+)\s*|\s+/g,
    (_, quoted, sign) => quoted ?? sign ?? ' ',
  )

/** A query of ours without indentation: one that is long, and sent often. No text in it may have a line that begins with a space. */
export const flushLeft = (query: string): string => query.replaceAll(/\n +/g, '\n')

/** The schema of all logs of changes: nobody else may create in it, so nothing takes the place of one. */
export const logSchema = 'viewkeeper_logs'

/** The most bytes of a view's name with its schema: the number of a table and the longest event follow it in the name of a trigger. */
export const longestLogged = 51

/** How the names of all tables, functions and triggers of a view's log begin: the number of a table follows. The first dot without `~` ends the schema's name. */
export const logName = ({ schema, name }: QualifiedName): string =>
  `${schema.replace(/[~.]/g, '~$&')}.${name}`

/** The same of expressions; functions behind_logs and followed_log of the schema write it out. */
export const logNameOf = (schema: string, name: string): string =>
  `concat(replace(replace(${schema}, '~', '~~'), '.', '~.'), '.', ${name})`

/** The view that a log has such a name from. */
export const viewOfLog = (log: string): QualifiedName => {
  const [, schema, name] = /^((?:~.|[^~.])*)\.(.*)$/s.exec(log)!
  return { schema: schema!.replace(/~(.)/gs, '$1'), name: name! }
}

/** The same of the name of such a table or function, as an expression. */
export const ofLog = (name: string): string => `regexp_replace(${name}, '_[0-9]+(_forget)?$', '')`

/** The names under which the shadow of a live view is built. The key makes the names unique; nobody else sees them. */
export interface ShadowNames {
  view: QualifiedName
  /** The name of the old view during the exchange. */
  old: QualifiedName
  index(at: number): string
  statistics(at: number): string
  /** The name of an old statistics object for a moment. */
  oldStatistics(at: number): string
}

export const namesBeside = (key: string, schema: string): ShadowNames => ({
  view: { schema, name: `viewkeeper_${key}` },
  old: { schema, name: `viewkeeper_${key}_old` },
  index: (at) => `viewkeeper_${key}_i${at}`,
  statistics: (at) => `viewkeeper_${key}_s${at}`,
  oldStatistics: (at) => `viewkeeper_${key}_s${at}_old`,
})

/** The names of a view and its indexes while they are created. */
export interface CreateNames {
  view: string
  index(at: number): string
}

/** A message of the server in which `view` stands for every name made here. */
export const withoutShadowNames = (message: string, view: string): string =>
  message.replace(/"?\bviewkeeper_\d+(_[is]\d+)?(_old)?(_query)?\b"?/g, () => view)

/** Schemas of shadows that a batch builds, whose keys are as `batchKey` writes them. */
export const batchPlaces = '^viewkeeper_b[0-9]+_[0-9]+_[0-9]+(_old)?$'

// A kept table: a view that is a table. Its query stands beside it, as a plain view called after it, with the comment that marks both. Who
// can put that comment there owns the plain view, and so could make a materialized view of the same query.

/** The comment on the plain view of a kept table's query, by which the catalog tells it from any other table. */
export const keptMark = 'Viewkeeper keeps the rows of this query in a table.'

/** The plain view with the query of a view that has one beside it. */
export const queryViewOf = ({ schema, name }: QualifiedName): QualifiedName => ({
  schema,
  name: `${name}_query`,
})

/** SQL for all kept tables: their OIDs, and those of the plain views with their queries. */
export const keptTables = `select t.oid, q.oid as query from pg_description d join pg_class q on q.oid = d.objoid and q.relkind = 'v' join pg_class t on t.relnamespace = q.relnamespace and t.relname = left(q.relname::text, -6)::name and q.relname ~ '_query$' and t.relkind = 'r' and t.relowner = q.relowner where d.classoid = 'pg_class'::regclass and d.objsubid = 0 and d.description = '${keptMark}'`

/** SQL for the OID of the plain view with the query of a relation, by its OID, if that is a kept table; otherwise null. */
export const queryOfKept = (oid: string): string =>
  `(select k.query from (${keptTables}) k where k.oid = ${oid})`

/** SQL for whether relation `c` of pg_class is a view with rows of its own: a materialized view, or a kept table. They are looked for once, not for each table. */
export const isView = (c: string): string =>
  `(${c}.relkind = 'm' or ${c}.relkind = 'r' and ${c}.oid in (select k.oid from (${keptTables}) k))`
