import type { Statement } from '../../sql/run-plan.ts'

/** The server's setting that holds what a refresh by slices has found out about itself, as a JSON object with numbers. */
export const found = 'viewkeeper.slices'

/**
 * What the record of a refresh by a log says for the next one: the column, the world of the view, which is all that its rows depend on but rows of
 * tables, when all rows were computed last, and what else the proof of the log has read.
 */
export interface Mark {
  by: string
  world: Record<string, string>
  proof?: string
  /** How it has proved that the slices of joined rows are found, by the tables of the log. */
  joins?: ({ log: string } & Joined)[]
  wholeAt: string
  /** How long it took to compute and write all rows, in the last refresh before that did. */
  wholeMs?: number
  /** How many slices the refresh has computed, if not all, and about how many the view has. */
  anew?: number
  of?: number
  /** If a full refresh compared: how many slices that no change has touched, and how many of them were wrong. */
  compared?: number
  wrong?: number
  /**
   * How many rows of the table, by its OID, the refresh has written, the server had counted by then, and others had written since all rows were computed
   * last, as far as it is known; negative: the server had not yet counted all.
   */
  table?: number
  written?: number
  seen?: number
  others?: number
  /** The log, by its OID, by which a refresh met a time beyond the range of its type. */
  overflows?: number
}

/**
 * The slices that a row of another table touches: those in column `key` of the rows of `table`, an OID, that have in `column` what it has. `computed`: those
 * that are computed from `key`, by SQL of `%s`.
 */
export interface Joined {
  table: number
  column: string
  key: string
  computed?: string | undefined
}

/**
 * How the slices of joined rows are found: a query that an array of the joined values follows, and the schema whose name it has, by OID and version.
 */
export interface Finds {
  query: string
  schema: string
}

/** What is known of a view and of its log when a refresh is planned. */
export interface Known {
  world: Mark['world']
  /** The same as the server writes it, and a mark of what else the proof of the log reads; null: that is made anew each time. */
  text: string
  proof: string | null
  /** The transaction that has written the row of the view in the catalog. */
  toucher: string
  now: string
  logOid: number
  /** What the last success has left; null: nothing. */
  mark: Partial<Mark> | null
  /** How the slices of joined rows are found by what the mark says, by the tables of the log; null: they are not. */
  finds: Record<string, Finds> | null
  /** How long that took to compute and write rows. */
  fillMs: number | null
  /** How often all slices are computed, by the definition; null: once a day. */
  every: string | null
  isDue: boolean
  /** Whether the data are those of the last success. */
  isOurs: boolean
  /** Whether a refresh since then met a time beyond the range of its type. */
  hasOverflown: boolean
  /** Whether a refresh has failed since then, whose rows the server has counted. */
  hasFailed: boolean
  /** How the world differs from that of the mark, in words. */
  changed: string | null
  /** What a refresh found wrong, and of which log. */
  wrong: { log: number; run: number; wrong: number } | null
  /** The last 20 refreshes. */
  lately: { anew: number | null; ms: number | null }[]
}

/** Writes what was found into the answer of the run. Comes where the record may be locked. */
export const recordSlices: Statement = {
  kind: 'command',
  phase: 'counting',
  sql: `update viewkeeper.runs r set meta = jsonb_set(r.meta, '{response,slices}', coalesce(r.meta #> '{response,slices}', '{}') || it)
  from (select nullif(current_setting('${found}', true), '')::jsonb) found(it)
 where r.id = current_setting('viewkeeper.run')::bigint and r.status = 'running' and it is not null`,
  hidden: true,
}

/** SQL for whether a log tells which slices of a table are not as its query makes them. All are SQL. */
export const logTells = (table: string, query: string, logs: string, by: string): string =>
  `viewkeeper.log_tells(${table}, ${query}, ${logs}, ${by})`

/** SQL that fails, because nobody knows that. */
export const notExact = (table: string): string => `viewkeeper.not_exact(${table})`
