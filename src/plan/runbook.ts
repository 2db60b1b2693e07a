/** Headings of the runbook for several classes. */
const shared = [
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

/** The place in the runbook for an alarm or an error class, with the anchor that GitHub gives its heading. */
export function runbookOf(section: string): string {
  const heading = (shared.find((each) => each.includes(section)) ?? [section]).join(', ')
  return `docs/runbook.md#${heading.toLowerCase().replaceAll(',', '').replaceAll(' ', '-')}`
}
