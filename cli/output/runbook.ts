import type { ProblemCode } from '../../src/problem.ts'

/** Classes that docs/runbook.md treats in one section. */
const together: ProblemCode[][] = [
  ['DatabaseUnavailable', 'CredentialsRefused', 'SuperuserRefused', 'NotDirect'],
  [
    'IdempotencyKeyReused',
    'RunEnded',
    'BatchEnded',
    'InvalidRequest',
    'InvalidName',
    'UnknownView',
    'UnknownRun',
    'UnknownBatch',
    'UnknownRoute',
  ],
  ['MigrationFailed', 'InternalError'],
]

/** Where docs/runbook.md says what to do about a class of failures: `docs/runbook.md#viewsqlfailed`. */
export const runbookOf = (code: ProblemCode): string =>
  `docs/runbook.md#${(together.find((codes) => codes.includes(code)) ?? [code]).join('-').toLowerCase()}`
