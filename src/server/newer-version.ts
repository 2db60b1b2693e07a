import { untried } from '../sql/tried-versions.ts'
import type { Sql } from './connect.ts'

/** One sentence if the server is newer than any tried; else null. */
export async function readUntried(sql: Sql): Promise<string | null> {
  const [row] = await sql<
    [{ number: number }]
  >`select current_setting('server_version_num')::integer as number`
  return untried(row.number)
}
