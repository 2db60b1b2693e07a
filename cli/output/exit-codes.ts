import { Problem, type ProblemCode } from '../../src/problem.ts'

/** What was asked for was done, but failed: a run failed, views differ. */
export const failed = 1
/** The call is wrong: an argument, an option, a file, or a name that nothing has. Nothing was begun. */
export const wrongCall = 2
/** The API or the database cannot be had, or lets nobody in. */
export const unavailable = 3
/** Ctrl-C ended the command. */
export const interrupted = 130

const wrongCalls: ProblemCode[] = [
  'InvalidRequest',
  'InvalidName',
  'UnknownRoute',
  'UnknownView',
  'UnknownRun',
  'UnknownBatch',
  'DefinitionRequired',
  'IdempotencyKeyReused',
]

const unavailables: ProblemCode[] = [
  'FunctionUnavailable',
  'DatabaseUnavailable',
  'DatabaseReadOnly',
  'CredentialsRefused',
  'SuperuserRefused',
  'NotDirect',
  'NotMigrated',
  'TooManyConnections',
  'Unauthenticated',
  'NotAllowed',
  'TooManyRefusals',
]

/** The exit code for something that was thrown. A problem with a record of its own is the failure of a run or a batch. */
export function exitCodeOf(thrown: unknown): number {
  if (!(thrown instanceof Problem)) return failed
  const { code, details } = thrown
  if (details.runId !== undefined || details.batchId !== undefined) return failed
  if (wrongCalls.includes(code)) return wrongCall
  return unavailables.includes(code) ? unavailable : failed
}
