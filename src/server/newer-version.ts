import type { Sql } from './connect.ts'

/** The newest major version of PostgreSQL on which Viewkeeper was tried. */
const newest = 19

/** One sentence about a server (`server_version_num`) that is newer than any tried; null about any other. */
export function untried(versionNumber: number): string | null {
  const major = Math.floor(versionNumber / 10_000)
  return major <= newest
    ? null
    : `PostgreSQL ${major} is newer than any version on which this Viewkeeper was tried: it is treated as ${newest}.`
}

/** One sentence if the server is newer than any tried; else null. */
export async function readUntried(sql: Sql): Promise<string | null> {
  const [row] = await sql<
    [{ number: number }]
  >`select current_setting('server_version_num')::integer as number`
  return untried(row.number)
}
