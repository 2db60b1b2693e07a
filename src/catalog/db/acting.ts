import type { Sql } from '../../server/connect.ts'
import { toSetRole as privilege } from '../plan/rights.ts'

/** The privilege that allows `set role`, for pg_has_role: since 16 a member may lack it. */
export const toSetRole = (sql: Sql) => sql.unsafe(privilege)
