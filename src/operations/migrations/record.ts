import { journalStatement } from '../../db/migrations/journal.ts'
import {
  authorStatement,
  releaseStatement,
  removeStatement,
  renameStatement,
} from '../../db/views/definitions.ts'
import type { FrozenMigration, FrozenText } from '../../plan/migrations/frozen.ts'
import { frozenState, type QualifiedView } from '../../plan/migrations/frozen.ts'
import { literal, quoteName } from '../../plan/names.ts'
import type { Plan, Step } from '../../plan/plan.ts'

/** What is written down in the same transaction as the change. */
export function recordStatements(
  migrations: FrozenMigration[],
  migration: FrozenMigration,
  way: 'up' | 'down',
): string[] {
  const { step } = (way === 'up' ? migration.up : migration.down) as FrozenText
  return [journalStatement(migration, way), ...definitionStatements()]

  function definitionStatements(): string[] {
    switch (step.does) {
      case 'define':
        return [authorStatement(step.definition, migration.checksum), adoptRun(step.definition)]
      case 'drop':
        return [removeStatement(step.view), adoptRun(step.view)]
      case 'release':
        return [releaseStatement(step.view)]
      case 'rename': {
        const state = frozenState(migrations.slice(0, migration.number - 1))
        const definition = state.get(quoteName(step.view)) ?? state.get(quoteName(step.to))
        return [
          renameStatement(step.view, step.to),
          ...(definition === undefined
            ? []
            : [authorStatement({ ...definition, ...step.to }, migration.checksum)]),
          adoptRun(step.to),
        ]
      }
      case 'sql':
        return []
    }
  }
}

/** A run that makes a view is there before its definition. Does nothing outside a run. */
const adoptRun = ({ schema, name }: QualifiedView): string => `
update viewkeeper.runs
   set definition_id = (select id from viewkeeper.definitions where schema_name = ${literal(schema)} and name = ${literal(name)})
 where id = nullif(current_setting('viewkeeper.run', true), '')::bigint`

/** The plan with what is written down about it. */
export const withRecord = (plan: Plan, record: string[]): Plan => ({
  ...plan,
  cutOver: {
    ...plan.cutOver,
    steps: [...plan.cutOver.steps, ...record.map((sql): Step => ({ phase: 'cut-over', sql, hidden: true }))],
  },
})
