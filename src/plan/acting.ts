import type { Step } from './plan.ts'
import type { SwapRights } from './swap-facts.ts'

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

/** A superuser may do everything as itself; anybody else takes the place of the role whose object it is. */
export const actingAs =
  (rights: SwapRights): ActingAs =>
  (role, steps) =>
    rights.isSuperuser || role === rights.self ? steps : inPlaceOf(role, steps)
