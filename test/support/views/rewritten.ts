import type { Sql } from '../../../src/server/database.ts'
import { major } from '../servers/test-server.ts'

/** Gives a view a new file with the same data: by `repack`, and before PostgreSQL 19 by `vacuum full`. */
export const rewrite = (sql: Sql, view: string): Promise<unknown> =>
  sql.unsafe(`${major >= 19 ? 'repack' : 'vacuum full'} ${view}`)
