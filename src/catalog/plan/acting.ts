import { quoteIdentifier, type ViewName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { creatingQuery } from './rights.ts'

/** Executes statements as `role`, then resets the role. `role` is written as in SQL. */
export const inPlaceOf = (role: string, statements: Statement[]): Statement[] =>
  statements.length === 0
    ? statements
    : [
        { kind: 'command', phase: 'building', sql: `set local role ${role}`, hidden: true },
        ...statements,
        { kind: 'command', phase: 'building', sql: 'reset role', hidden: true },
      ]

/**
 * Seals the statements that parse SQL of others, as `role`. The sandbox's helper is made in the view's schema.
 */
export const sandboxed = (
  role: string,
  { schema }: ViewName & { schema: string },
  statements: Statement[],
): Statement[] =>
  statements.map((statement) =>
    statement.kind === 'userCode'
      ? {
          ...statement,
          kind: 'sandboxed',
          rolePath: true,
          sandbox: { role, schema: quoteIdentifier(schema) },
          obstacles: creatingQuery(schema, role),
        }
      : statement,
  )
