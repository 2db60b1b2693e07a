import type { Sql } from './connect.ts'

/** The privilege that allows `set role`, for pg_has_role: since 16 membership alone does not say so. */
export const toSetRole = (sql: Sql) =>
  sql`case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end`

/** What the name of the views' owner has more than that of the record's. */
export const viewsSuffix = '_views'
