import { quoteIdentifier, type ViewName } from './names.ts'
import type { Step } from './plan.ts'

/** Takes a role's place for these steps, and comes back; the role as SQL writes it. */
export const inPlaceOf = (role: string, steps: Step[]): Step[] =>
  steps.length === 0
    ? steps
    : [
        { phase: 'building', sql: `set local role ${role}`, hidden: true },
        ...steps,
        { phase: 'building', sql: 'reset role', hidden: true },
      ]

/** Has a role's steps that parse what somebody wrote done sealed, beside what they make. */
export const sealed = (role: string, { schema }: ViewName & { schema: string }, steps: Step[]): Step[] =>
  steps.map((step) => (step.userCode ? { ...step, sealed: { role, schema: quoteIdentifier(schema) } } : step))
