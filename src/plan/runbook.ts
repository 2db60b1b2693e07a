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

/**
 * What to read about an alarm or an error class: the command that prints its section, or, if the runbook stands on the web, the
 * address, with the anchor that GitHub gives its heading.
 */
export function runbookOf(section: string, runbookUrl?: string): string {
  if (runbookUrl === undefined) return `viewkeeper docs ${section}`
  const heading = (shared.find((each) => each.includes(section)) ?? [section]).join(', ')
  return `${runbookUrl}#${heading.toLowerCase().replaceAll(',', '').replaceAll(' ', '-')}`
}
