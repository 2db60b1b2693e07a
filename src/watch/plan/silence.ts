import { count, names } from '../../sql/words.ts'

/** What would be silence, and how it is said. */
export interface Silence {
  /** One line for each, the same everywhere; none if all is well. */
  lines: string[]
  /** The views that nothing refreshes: no schedule, no target lag, and no definition says that something else does. */
  unrefreshed: string[]
  /** Whether anybody is told what goes wrong; null: nobody knows. */
  told: boolean | null
  /** The views that have been paused for a week or longer, without an end. */
  forgotten: string[]
}

const mostNamed = 3

/** Says what was found. */
export const silenceLines = ({ unrefreshed, told, forgotten }: Omit<Silence, 'lines'>): string[] => [
  ...(unrefreshed.length === 0
    ? []
    : [
        `nothing refreshes ${count(unrefreshed.length, 'view')}: ${names(unrefreshed, mostNamed)}. Give them a schedule, or leave the option schedules out`,
      ]),
  ...(forgotten.length === 0
    ? []
    : [
        `paused for a week or longer, without an end: ${names(forgotten, mostNamed)}. Resume them, or say until when: viewkeeper pause --for 3d`,
      ]),
  ...(told === false ? ['nobody is told what goes wrong: set alarmEmails or notify'] : []),
]
