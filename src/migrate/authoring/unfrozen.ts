import { canonicalSql } from '../../authored/sql/read.ts'
import type { Definition } from '../../catalog/plan/definition.ts'
import type { Difference } from '../../catalog/plan/differences.ts'
import { authoredDifferences } from '../plan/freeze.ts'
import { type FrozenMigration, frozenState } from '../plan/frozen.ts'

/** How the authored views differ from the frozen ones. Queries that differ only in their formatting are the same. */
export async function unfrozenDifferences(
  authored: Definition[],
  migrations: FrozenMigration[],
): Promise<Difference[]> {
  return authoredDifferences(authored, migrations, await canonicalOf(authored, migrations))
}

/** A function that gives a query of these one text, however it is formatted. */
export async function canonicalOf(
  authored: Definition[],
  migrations: FrozenMigration[],
): Promise<(sql: string) => string> {
  const known = new Map<string, string>()
  for (const { sql } of [...authored, ...frozenState(migrations).values()])
    known.set(sql, await canonicalSql(sql).catch(() => sql))
  return (sql) => known.get(sql) ?? sql
}
