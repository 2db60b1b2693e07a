import type { FrozenMigration } from '../../plan/migrations/frozen.ts'
import { compareJournal } from '../../plan/migrations/journal.ts'
import { type LivingView, livingViews, madeByOwnSql, type OwnObject } from '../../plan/migrations/repair.ts'
import { quoteName } from '../../plan/names.ts'
import { statementsIn } from '../../plan/sql-tokens.ts'
import type { Sql } from '../server/connect.ts'
import { listAside } from '../views/aside.ts'
import { listViewNames } from '../views/catalog.ts'
import { readViewJournal } from './journal.ts'

/** The views that are missing in a database, and the migrations of the folder that it has and lacks. */
export interface Missing {
  missing: LivingView[]
  applied: FrozenMigration[]
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
  return { missing: living.filter(({ definition }) => !there.has(quoteName(definition))), applied, pending }
}

/** What the own SQL of these migrations has made, and what is not in the catalog any more. */
export async function readMissingOwn(sql: Sql, applied: FrozenMigration[]): Promise<OwnObject[]> {
  const files = applied.flatMap(({ up }) =>
    up.change.does === 'sql'
      ? [{ file: up.file, statements: statementsIn(up.text).map(({ sql }) => sql) }]
      : [],
  )
  const made = madeByOwnSql(files)
  const rows = await sql<{ at: number }[]>`
    select (x.at - 1)::int as at
      from jsonb_array_elements(${sql.json(made as never)}) with ordinality as x(made, at)
     where not exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                        where c.relname = x.made ->> 'name' and n.nspname = coalesce(x.made ->> 'schema', n.nspname))
       and not exists (select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
                        where p.proname = x.made ->> 'name' and n.nspname = coalesce(x.made ->> 'schema', n.nspname))
     order by x.at`
  return rows.map(({ at }) => made[at] as OwnObject)
}
