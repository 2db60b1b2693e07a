import { count, names, utc } from '../../words/phrases.ts'

/** A channel of `viewkeeper serve` that has refused the message that waits longest for it. */
export interface FailingChannel {
  /** `mail ops@example.com`, `webhook cache`, `chat team` */
  channel: string
  since: Date
  /** Why the last try failed, without addresses and secrets. */
  error: string
}

/** That a channel fails, in the words of mails, of the page and of `ls`. */
export const failingText = (
  { channel, error }: Pick<FailingChannel, 'channel' | 'error'>,
  since: string,
): string => `${channel.replace(/^mail /, 'mail to ')} has been failing since ${since}: ${error}`

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
  /** Since when the oldest message or event has waited that is not sent, if that is too long; null: nothing has. */
  waitingSince: Date | null
}

const mostNamed = 3

/** Says what was found. */
export const silenceLines = ({
  unrefreshed,
  told,
  forgotten,
  waitingSince,
}: Omit<Silence, 'lines'>): string[] => [
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
  ...(waitingSince === null
    ? []
    : [
        `messages and events have waited since ${utc(waitingSince)} and are not sent: nobody hears of anything. The log of the function send, or of serve, says why`,
      ]),
  ...(told === false ? ['nobody is told what goes wrong: set alarmEmails or notify'] : []),
]
