import { setTimeout as pause } from 'node:timers/promises'
import { listViewNames } from '../../catalog/db/catalog.ts'
import { readViewJournal } from '../../record/definitions/authored.ts'
import { listAside } from '../../record/definitions/look.ts'
import { endTurn, hasTurns, inTheWay, takeTurn, whoseTurn } from '../../record/runs/turns.ts'
import type { Database, Sql } from '../../server/database.ts'
import { quoteName } from '../../sql/names.ts'
import type { FrozenMigration } from '../plan/frozen.ts'
import { compareJournal, type LivingView, livingViews } from '../plan/journal.ts'

/** The bounds of the wait for somebody else's migration. Within them, it is as long as the caller waits. */
const shortestWaitMs = 1000
const longestWaitMs = 60_000

const askEveryMs = 100

/** Time to read the record and to answer, after the caller's deadline. */
const lastWordsMs = 5000

const turn = 'migrating'

/**
 * Works on a connection of its own while nobody else migrates the views of this database, whose incremental tables are all known by their marks. The turn keeps two callers
 * from planning the same migration; the journal's primary key keeps them from applying a migration twice.
 */
export const whileOnlyOneMigrates = <T>(
  { database, waitUntil }: { database: Database; waitUntil: number },
  work: (sql: Sql) => Promise<T>,
): Promise<T> =>
  database.withConnection(
    async (sql) => {
      // In a database without our schema nothing can be taken back, so nobody has a turn.
      if (!(await hasTurns(sql))) return work(sql)
      const giveUpAt = Math.min(Date.now() + longestWaitMs, Math.max(waitUntil, Date.now() + shortestWaitMs))
      while ((await takeTurn(sql, turn)).length === 0) {
        const refusal =
          Date.now() > giveUpAt &&
          (await inTheWay(sql, whoseTurn(turn), "the migration of this database's views"))
        if (refusal) throw refusal
        await pause(askEveryMs)
      }
      try {
        const { markAgain, mayMark } = await import('../../record/definitions/kept-marks.ts')
        if (await mayMark(sql)) await markAgain(sql)
        return await work(sql)
      } finally {
        await endTurn(sql, turn).catch(() => {}) // the connection broke: the turn has ended with it
      }
    },
    {
      startUp: { application_name: 'viewkeeper migrate', statement_timeout: '0' },
      deadline: waitUntil + lastWordsMs,
      writes: true,
    },
  )

/** The views that are missing in a database, and the migrations of the folder that it lacks. */
interface Missing {
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
