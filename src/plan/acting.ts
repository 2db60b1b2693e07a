import { quoteIdentifier, type ViewName } from './names.ts'
import type { Statement } from './plan.ts'

/** Takes a role's place for these statements, and comes back; the role as SQL writes it. */
export const inPlaceOf = (role: string, statements: Statement[]): Statement[] =>
  statements.length === 0
    ? statements
    : [
        { phase: 'building', sql: `set local role ${role}`, hidden: true },
        ...statements,
        { phase: 'building', sql: 'reset role', hidden: true },
      ]

/** Has a role's statements that parse what somebody wrote done sealed, beside what they make. */
export const sealed = (
  role: string,
  { schema }: ViewName & { schema: string },
  statements: Statement[],
): Statement[] =>
  statements.map((statement) =>
    statement.userCode ? { ...statement, sealed: { role, schema: quoteIdentifier(schema) } } : statement,
  )
