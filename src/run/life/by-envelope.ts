import type { Transition } from './transition.ts'

// What the envelope does to a run: `envelope.sql` has the statements.

/** A server process begins to work on a run, and on the runs of the other members of its group. */
export const claim: Transition = {
  from: ['pending', 'built'],
  to: ['running'],
  proof:
    'the server process holds the lock of the run, its role wrote the plan, no other run of the view is running, and it is the turn of the run',
}

/** A run ends because another run of its view is running. */
export const alreadyRunning: Transition = {
  from: ['pending'],
  to: ['skipped'],
  proof: 'another run of the view, or of a member of the group, is running, and the plan says to skip',
}

/** The work of a run is done. A run that only fills a shadow is built. */
export const success: Transition = {
  from: ['running'],
  to: ['success', 'built'],
  proof: 'the server process that claimed the run has done the work in this transaction',
}

/** The work of a run has failed, or was canceled. */
export const failure: Transition = {
  from: ['running'],
  to: ['failed', 'canceled'],
  proof: 'the server process that claimed the run has undone the work; canceled: a caller has asked for it',
}

/** The runs of the other members of a group end, because the view has to be refreshed without them, or its refresh has failed. */
export const leavingOut: Transition = {
  from: ['running'],
  to: ['skipped'],
  proof: 'the server process that claimed the run goes on with a plan for one view, or has undone the work',
}

/** A text of an error holds at most so many characters in the record: an answer lists many runs. */
export const mostCharacters = 2000
