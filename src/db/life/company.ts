import type { Plan } from '../../plan/plan.ts'

/**
 * What a run may have around it. `alone`: no batch, no other members of a group, and no twin that a later run exchanges. A
 * shorter envelope does for such a run, and claims no other run: `isAlone` in `claim.ts` says the same in SQL.
 */
export type Company = 'alone' | 'others'

/** The company of a run that is in no batch. */
export const companyOf = ({ members, builds }: Plan): Company =>
  members === undefined && builds === undefined ? 'alone' : 'others'
