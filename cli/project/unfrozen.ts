import { authoredDifferences } from '../../src/plan/migrations/freeze.ts'
import { type FrozenMigration, frozenState } from '../../src/plan/migrations/frozen.ts'
import type { Definition } from '../../src/plan/views/definition.ts'
import type { Difference } from '../../src/plan/views/differences.ts'
import { canonicalOf } from './authored.ts'

/** How the authored views differ from the frozen ones. Queries that differ only in their formatting are the same. */
export async function unfrozenDifferences(
  authored: Definition[],
  migrations: FrozenMigration[],
): Promise<Difference[]> {
  const queries = [...authored, ...frozenState(migrations).values()].map(({ sql }) => sql)
  return authoredDifferences(authored, migrations, await canonicalOf(queries))
}
