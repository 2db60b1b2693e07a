import { backupsQuery, besideBackup } from '../../plan/views/backups.ts'
import { Problem } from '../../problem.ts'
import type { Sql } from './connect.ts'

/** Who makes a backup of this database, in words; null if nobody does. */
export async function readBackup(sql: Sql): Promise<string | null> {
  const [row] = await sql.unsafe<{ who: string }[]>(backupsQuery)
  return row?.who ?? null
}

/** Refuses (LockTimeout) to exchange or drop anything beside a backup. */
export async function insistOnNoBackup(sql: Sql): Promise<void> {
  const who = await readBackup(sql)
  if (who !== null) throw brokenBackup(who)
}

/** The refusal of what would break the backup. */
export const brokenBackup = (who: string): Problem =>
  new Problem(
    'LockTimeout',
    `It has to wait, because ${besideBackup(who)}. Try again when the backup has ended.`,
  )
