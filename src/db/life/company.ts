/**
 * What a run may have around it. `alone`: no batch, no other members of a group, and no twin that a later run exchanges. A
 * shorter envelope does for such a run, and claims no other run.
 */
export type Company = 'alone' | 'others'
