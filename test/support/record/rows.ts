import type { Sql } from 'postgres'

// What a test writes into the record by hand, as if it had happened. Columns have their names in camel case, and a value may be a
// fragment of SQL.

type Table =
  | 'actions'
  | 'batches'
  | 'batchGroups'
  | 'batchViews'
  | 'definitions'
  | 'deliveries'
  | 'events'
  | 'incidents'
  | 'migrations'
  | 'parts'
  | 'runs'
  | 'schemaSteps'
  | 'setAside'
  | 'switches'
  | 'tokens'

/** `view`: the name of a definition, or of a run's view, with its schema: `app.sales`. Without one it is in `public`. */
type Row = Record<string, unknown> & { view?: string }

/** What the columns that may not be null have if a test does not say. */
const defaults: { [table in Table]?: Row } = {
  definitions: { source: 'discovered' },
  runs: { operation: 'refresh', trigger: 'cli' },
  batches: { trigger: 'cli', selection: {} },
  batchViews: { position: 1, estimateMs: 1, remainingMs: 1 },
}

/** Writes rows, which all have the columns of the first, and returns them. A row of a view that is known gets its definition. */
export const insertRows = (sql: Sql, table: Table, rows: Row[]) =>
  sql`insert into ${relation(sql, table)} ${sql(
    rows.map((row) => {
      const columns = columnsOf(table, { ...defaults[table], ...row })
      if ('view_name' in columns && !('definition_id' in columns))
        columns.definition_id = sql`(
          select id from viewkeeper.definitions where (schema_name, name) = (${columns.schema_name!}, ${columns.view_name!}))` as never
      return columns
    }),
  )} returning *`

/** Writes a row, and returns it. */
export const insertRow = async (sql: Sql, table: Table, row: Row) => (await insertRows(sql, table, [row]))[0]!

/** Authors a view's definition, or sets these columns of it. */
export async function define(sql: Sql, view: string, columns: Row): Promise<void> {
  const row = columnsOf('definitions', { view, source: 'authored', ...columns })
  await sql`
    insert into viewkeeper.definitions ${sql(row)}
    on conflict (schema_name, name) do update set ${sql(columnsOf('definitions', columns))}`
}

/** Changes the rows that have these values (null too, and any one of an array), all if none is named. One at least has to be there. */
export async function updateRows(sql: Sql, table: Table, where: Row, changes: Row): Promise<void> {
  const { count } = await sql`
    update ${relation(sql, table)} set ${sql(columnsOf(table, changes))} where ${matching(sql, table, where)}`
  if (count === 0) throw new Error(`No row of ${table} is as ${JSON.stringify(where)} says.`)
}

/** As if these moments of such rows, if there are any, had been so much earlier. `by`: an interval of SQL. */
export const earlier = (sql: Sql, table: Table, where: Row, by: string, ...columns: string[]) => sql`
  update ${relation(sql, table)}
     set ${sql(Object.fromEntries(columns.map((each) => [snakeCase(each), sql`${sql(snakeCase(each))} - ${by}::interval` as never])))}
   where ${matching(sql, table, where)}`

/** Deletes the rows that have these values, all if none is named, and returns them. */
export const deleteRows = (sql: Sql, table: Table, where: Row = {}) =>
  sql`delete from ${relation(sql, table)} where ${matching(sql, table, where)} returning *`

/** Empties these tables, and all that refer to them. */
export const emptyTables = (sql: Sql, ...tables: Table[]) =>
  sql.unsafe(`truncate ${tables.map((table) => `viewkeeper.${snakeCase(table)}`)} cascade`)

/** Writes a switch anew. */
export async function writeSwitch(sql: Sql, key: string, value: unknown): Promise<void> {
  await deleteRows(sql, 'switches', { key })
  await insertRow(sql, 'switches', { key, value })
}

const matching = (sql: Sql, table: Table, where: Row) =>
  Object.entries(columnsOf(table, where)).reduce(
    (found, [column, value]) =>
      sql`${found} and ${
        value === null
          ? sql`${sql(column)} is null`
          : sql`${sql(column)} = ${Array.isArray(value) ? sql`any (${value})` : value}`
      }`,
    sql`true`,
  )

function columnsOf(table: Table, { view, ...row }: Row): Record<string, string> {
  const [name = '', schema = 'public'] = view?.split('.').reverse() ?? []
  return {
    ...(view !== undefined && {
      schema_name: schema,
      [table === 'definitions' ? 'name' : 'view_name']: name,
    }),
    // The driver takes each value as its type; strings stand for them all.
    ...Object.fromEntries(Object.entries(row).map(([key, value]) => [snakeCase(key), value as string])),
  }
}

const relation = (sql: Sql, table: Table) => sql(`viewkeeper.${snakeCase(table)}`)

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
