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
  ['Unauthenticated', 'NotAllowed', 'TooManyRefusals'],
  ['MigrationFailed', 'InternalError'],
]

/** Where a place in the docs is in a folder that has installed Viewkeeper: `views.md`, `views.md#check-in-ci`. */
export const docsOf = (place: string): string => `node_modules/viewkeeper/docs/${place}`

/**
 * What to read about an alarm or an error class: the section of the runbook in the installed package, or on the web, if it stands
 * there, with the anchor that GitHub gives its heading.
 */
export function runbookOf(section: string, runbookUrl: string = docsOf('runbook.md')): string {
  const heading = (shared.find((each) => each.includes(section)) ?? [section]).join(', ')
  return `${runbookUrl}#${heading.toLowerCase().replaceAll(',', '').replaceAll(' ', '-')}`
}
