import type { QualifiedName, ViewName } from '../words/names.ts'

/** Writes an identifier for SQL, always quoted: it may be a keyword and have upper-case letters. */
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

/** An expression for a text of names in which none breaks the line: whoever is to type a line reads it as one. */
export const unbroken = (text: string): string => `translate(${text}, chr(10) || chr(13), '  ')`

/** Writes an expression for the OID of a relation. The server raises an error if it does not exist. */
export const regclass = (name: ViewName): string => `${literal(quoteName(name))}::regclass::oid`

/** A query of ours on one line, without its comments and the spaces that separate nothing. */
export const onOneLine = (query: string): string =>
  query.replaceAll(
    /('(?:[^']|'')*'|"(?:[^"]|"")*")(?:\s+(?=[a-z]))?|\s*--.*|\s*([=,()<>|]+)\s*|\s+/g,
    (_, quoted, sign) => quoted ?? sign ?? ' ',
  )

/** Takes the indentation off a query of ours that is long and sent often. No literal in it may have a line that begins with a space. */
export const flushLeft = (query: string): string => query.replaceAll(/\n +/g, '\n')

/** The schema of all change logs. Nobody else may create objects in it, so no object can replace a log. */
export const logSchema = 'viewkeeper_logs'

/** The beginning of the names of all tables, functions and triggers of a view's log; a table's number follows. The first dot without `~` ends the schema. */
export const logName = ({ schema, name }: QualifiedName): string =>
  `${schema.replace(/[~.]/g, '~$&')}.${name}`

/** `logName` as SQL, of two expressions. Function log_of of the schema repeats this SQL. */
export const logNameOf = (schema: string, name: string): string =>
  `concat(replace(replace(${schema}, '~', '~~'), '.', '~.'), '.', ${name})`

/** The view of a log: the inverse of `logName`. */
export const viewOfLog = (log: string): QualifiedName => {
  const [, schema, name] = /^((?:~.|[^~.])*)\.(.*)$/s.exec(log)!
  return { schema: schema!.replace(/~(.)/gs, '$1'), name: name! }
}

/** SQL for `logName`, of an expression for the name of a table or function of a log. */
export const ofLog = (name: string): string => `regexp_replace(${name}, '_[0-9]+(_forget)?$', '')`

/** The names under which the shadow of a live view is built. A key makes them unique; nobody outside the run sees them. */
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

/** A message of the server, with `view` in place of each name of a shadow and its parts. */
export const withoutShadowNames = (message: string, view: string): string =>
  message.replace(/"?\bviewkeeper_\d+(_[is]\d+)?(_old)?(_query)?\b"?/g, () => view)

/** A regular expression for the names of the schemas in which batches build shadows, by keys as `batchKey` writes them. */
export const batchPlaces = '^viewkeeper_b[0-9]+_[0-9]+_[0-9]+(_old)?$'

// An incremental table is a view that is a table. A plain view beside it, `<name>_query`, has its query, and a comment that marks both. Whoever
// can set that comment owns the plain view, and so could make a materialized view of the same query.

/** The comment on the plain view of an incremental table's query, by which the catalog tells it from any other table. */
export const keptMark = 'Viewkeeper keeps the rows of this query in a table.'

/** The plain view that has the query of an incremental table. */
export const queryViewOf = ({ schema, name }: QualifiedName): QualifiedName => ({
  schema,
  name: `${name}_query`,
})

/** The plain view of an incremental table that is exact at each read, and the comment that marks it. */
export const liveViewOf = ({ schema, name }: QualifiedName): QualifiedName => ({
  schema,
  name: `${name}_live`,
})
export const liveMark =
  'Viewkeeper shows the rows of an incremental table here, and computes those that have changed since.'

/** A query for all incremental tables: `oid` of the table, `query` the OID of its plain view. */
export const keptTables = `select t.oid, q.oid as query from pg_description d join pg_class q on q.oid = d.objoid and q.relkind = 'v' join pg_class t on t.relnamespace = q.relnamespace and t.relname = left(q.relname::text, -6)::name and q.relname ~ '_query$' and t.relkind = 'r' and t.relowner = q.relowner where d.classoid = 'pg_class'::regclass and d.objsubid = 0 and d.description = '${keptMark}'`

/** SQL for the OID of the plain view that has the query of an incremental table, by the table's OID; null for any other relation. */
export const queryOfKept = (oid: string): string =>
  `(select k.query from (${keptTables}) k where k.oid = ${oid})`

/** SQL for whether row `c` of pg_class is a materialized view or an incremental table. The server lists the incremental tables once, not for each row. */
export const isView = (c: string): string =>
  `(${c}.relkind = 'm' or ${c}.relkind = 'r' and ${c}.oid in (select k.oid from (${keptTables}) k))`
