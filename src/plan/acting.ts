import type { Step } from './plan.ts'

/** Has steps done in the place of a role; roles as SQL writes them. */
export type ActingAs = (role: string, steps: Step[]) => Step[]

/** Takes the role's place for these steps, and comes back. */
export const inPlaceOf: ActingAs = (role, steps) =>
  steps.length === 0
    ? steps
    : [
        { phase: 'building', sql: `set local role ${role}`, hidden: true },
        ...steps,
        { phase: 'building', sql: 'reset role', hidden: true },
      ]
