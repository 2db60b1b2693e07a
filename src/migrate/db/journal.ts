import { setTimeout as pause } from 'node:timers/promises'
import { listViewNames } from '../../catalog/db/catalog.ts'
import { listAside } from '../../record/definitions/look.ts'
import type { Database, Sql } from '../../server/database.ts'
import { endTurn, inTheWay, takeTurn } from '../../server/sessions.ts'
import { literal, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { FrozenMigration } from '../plan/frozen.ts'
import { compareJournal, type JournalEntry, type LivingView, livingViews } from '../plan/journal.ts'

/** Whether the login may read which migrations the database has. A login that only reads the views may not. */
export async function mayReadJournal(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ may: boolean }[]>`
    select coalesce(bool_and(has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')), true) as may
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'viewkeeper' and c.relname = 'migrations'`
  return row?.may ?? true
}

/** The frozen migrations that the database has, in order; none if schema `viewkeeper` does not exist yet. */
export async function readViewJournal(sql: Sql): Promise<JournalEntry[]> {
  const [row] = await sql`select to_regclass('viewkeeper.migrations') is not null as there`
  if (!row?.there) return []
  return sql<JournalEntry[]>`
    select number, name, checksum, run_id as "runId", applied_at as "appliedAt" from viewkeeper.migrations order by number`
}

/**
 * The statement that adds a migration to the journal, or removes it; for the transaction of its change. In a
 * run, the row names the run.
 */
export const journalStatement = ({ number, name, checksum }: FrozenMigration, way: 'up' | 'down'): string =>
  way === 'up'
    ? `insert into viewkeeper.migrations (number, name, checksum, run_id)
values (${number}, ${literal(name)}, ${literal(checksum)}, nullif(current_setting('viewkeeper.run', true), '')::bigint)`
    : `delete from viewkeeper.migrations where number = ${number}`

/**
 * The statement that links the run to its definition, which may be written after the run. Does nothing
 * outside a run.
 */
export const adoptRunStatement = ({ schema, name }: QualifiedName): string => `
update viewkeeper.runs
   set definition_id = (select id from viewkeeper.definitions where schema_name = ${literal(schema)} and name = ${literal(name)})
 where id = nullif(current_setting('viewkeeper.run', true), '')::bigint`

/** Whether the database has a migration. */
export async function isJournaled(sql: Sql, { number }: FrozenMigration): Promise<boolean> {
  return (await sql`select from viewkeeper.migrations where number = ${number}`).length > 0
}

/** The bounds of the wait for somebody else's migration. Within them, it is as long as the caller waits. */
const shortestWaitMs = 1000
const longestWaitMs = 60_000

const askEveryMs = 100

/** Time to read the record and to answer, after the caller's deadline. */
const lastWordsMs = 5000

const turn = 'migrating'
const whoseTurn = `select (value ->> 'pid')::integer from viewkeeper.switches where key = ${literal(turn)}`

/**
 * Works on a connection of its own while nobody else migrates the views of this database. The turn keeps two callers
 * from planning the same migration; the journal's primary key keeps them from applying a migration twice.
 */
export const whileOnlyOneMigrates = <T>(
  { database, waitUntil }: { database: Database; waitUntil: number },
  work: (sql: Sql) => Promise<T>,
): Promise<T> =>
  database.withConnection(
    async (sql) => {
      // In a database without our schema nothing can be taken back, so nobody has a turn.
      const [known] = await sql`select to_regclass('viewkeeper.switches') as switches`
      if (known?.switches === null) return work(sql)
      const giveUpAt = Math.min(Date.now() + longestWaitMs, Math.max(waitUntil, Date.now() + shortestWaitMs))
      while ((await takeTurn(sql, turn)).length === 0) {
        const refusal =
          Date.now() > giveUpAt && (await inTheWay(sql, whoseTurn, "the migration of this database's views"))
        if (refusal) throw refusal
        await pause(askEveryMs)
      }
      try {
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
