import type { Sql } from '../../server/connect.ts'

/** Notes which views somebody has read since their last run. PostgreSQL 15 does not keep when a view was read. */
export async function noteReads(sql: Sql): Promise<void> {
  await sql`select viewkeeper.note_reads()`
}
