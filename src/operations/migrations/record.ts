import { journalStatement } from '../../db/migrations/journal.ts'
import {
  authorStatement,
  releaseStatement,
  removeStatement,
  renameStatement,
} from '../../db/views/definitions.ts'
import type { FrozenMigration, FrozenText } from '../../plan/migrations/frozen.ts'
import { frozenState } from '../../plan/migrations/frozen.ts'
import { literal, type QualifiedName, quoteName } from '../../plan/names.ts'
import type { Plan, Statement } from '../../plan/plan.ts'

/** The statements that record a migration, in the transaction of its change. */
export function recordStatements(
  migrations: FrozenMigration[],
  migration: FrozenMigration,
  way: 'up' | 'down',
): string[] {
  const { change } = (way === 'up' ? migration.up : migration.down) as FrozenText
  return [journalStatement(migration, way), ...definitionStatements()]

  function definitionStatements(): string[] {
    switch (change.does) {
      case 'define':
        return [authorStatement(change.definition, migration.checksum), adoptRun(change.definition)]
      case 'drop':
        return [removeStatement(change.view), adoptRun(change.view)]
      case 'release':
        return [releaseStatement(change.view)]
      case 'rename': {
        const state = frozenState(migrations.slice(0, migration.number - 1))
        const definition = state.get(quoteName(change.view)) ?? state.get(quoteName(change.to))
        return [
          renameStatement(change.view, change.to),
          ...(definition === undefined
            ? []
            : [authorStatement({ ...definition, ...change.to }, migration.checksum)]),
          adoptRun(change.to),
        ]
      }
      case 'sql':
        return []
    }
  }
}

/** Gives the run its definition, which may be younger than the run. Does nothing outside a run. */
const adoptRun = ({ schema, name }: QualifiedName): string => `
update viewkeeper.runs
   set definition_id = (select id from viewkeeper.definitions where schema_name = ${literal(schema)} and name = ${literal(name)})
 where id = nullif(current_setting('viewkeeper.run', true), '')::bigint`

/** The plan, with the statements that record its migration. */
export const withRecord = (plan: Plan, record: string[]): Plan => ({
  ...plan,
  cutOver: {
    ...plan.cutOver,
    statements: [
      ...plan.cutOver.statements,
      ...record.map((sql): Statement => ({ phase: 'cut-over', sql, hidden: true })),
    ],
  },
})
