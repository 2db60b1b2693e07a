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

/** A superuser may do everything as itself; anybody else takes the place of the role whose object it is. Null: as ourselves. */
export const placeToTake = ({ isSuperuser, self }: SwapRights, role: string): string | null =>
  isSuperuser || role === self ? null : role

/** Has steps done by whom `placeToTake` says. */
export const actingAs =
  (rights: SwapRights): ActingAs =>
  (role, steps) =>
    placeToTake(rights, role) === null ? steps : inPlaceOf(role, steps)
