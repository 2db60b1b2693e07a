import { Problem } from '../problem.ts'
import { backupsQuery, besideBackup } from '../sql/backups.ts'
import type { Copy } from '../sql/replicas.ts'
import type { Sql } from './connect.ts'
import { copyQuery } from './standbys.ts'

/** Whom an exchange would harm: who makes a backup, and the copy that RDS feeds. One statement. */
export async function readHarmed(sql: Sql): Promise<{ backup: string | null; copy: Copy | null }> {
  const [row] = await sql.unsafe<[{ backup: string | null; copy: Copy | null }]>(
    `select (select who from (${backupsQuery}) b limit 1) as backup, (${copyQuery}) as copy`,
  )
  return row
}

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
