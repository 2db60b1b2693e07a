import {
  authorStatement,
  releaseStatement,
  removeStatement,
  renameStatement,
} from '../catalog/db/definitions.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { quoteName } from '../sql/names.ts'
import type { Plan, Statement } from '../sql/plan.ts'
import { adoptRunStatement, journalStatement } from './db/journal.ts'
import { type FrozenMigration, type FrozenText, frozenState } from './plan/frozen.ts'

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
        return [authorStatement(change.definition, migration.checksum), adoptRunStatement(change.definition)]
      case 'together': {
        const [first] = change.definitions as [Definition]
        return [
          ...change.definitions.map((definition) => authorStatement(definition, migration.checksum)),
          adoptRunStatement(first),
        ]
      }
      case 'drop':
        return [removeStatement(change.view), adoptRunStatement(change.view)]
      case 'release':
        return [releaseStatement(change.view)]
      case 'rename': {
        const state = frozenState(migrations.filter(({ number }) => number < migration.number))
        const definition = state.get(quoteName(change.view)) ?? state.get(quoteName(change.to))
        return [
          renameStatement(change.view, change.to),
          ...(definition === undefined
            ? []
            : [authorStatement({ ...definition, ...change.to }, migration.checksum)]),
          adoptRunStatement(change.to),
        ]
      }
      case 'sql':
        return []
    }
  }
}

/** The plan, with the statements that record its migration. */
export const withRecord = (plan: Plan, record: string[]): Plan => ({
  ...plan,
  cutOver: {
    ...plan.cutOver,
    statements: [
      ...plan.cutOver.statements,
      ...record.map((sql): Statement => ({ kind: 'command', phase: 'cut-over', sql, hidden: true })),
    ],
  },
})
