import { listAside } from '../../catalog/db/aside.ts'
import { listViewNames } from '../../catalog/db/catalog.ts'
import type { Sql } from '../../server/connect.ts'
import { quoteName } from '../../sql/names.ts'
import type { FrozenMigration } from '../plan/frozen.ts'
import { compareJournal } from '../plan/journal.ts'
import { type LivingView, livingViews } from '../plan/repair.ts'
import { readViewJournal } from './journal.ts'

/** The views that are missing in a database, and the migrations of the folder that it lacks. */
export interface Missing {
  missing: LivingView[]
  pending: FrozenMigration[]
}

/**
 * The views that the applied migrations have made, and that are not in the catalog: somebody has dropped them. Views that
 * are set aside do not count: put-back makes them again. None if the database has migrations that the folder lacks: these
 * may have removed a view.
 */
export async function readMissing(sql: Sql, migrations: FrozenMigration[]): Promise<Missing> {
  const { pending, ahead } = compareJournal(migrations, await readViewJournal(sql))
  const applied = migrations.filter((each) => !pending.includes(each))
  const living = ahead.length > 0 ? [] : livingViews(applied)
  const there = new Set([...(await listViewNames(sql)), ...(await listAside(sql))].map(quoteName))
  return { missing: living.filter(({ definition }) => !there.has(quoteName(definition))), pending }
}
