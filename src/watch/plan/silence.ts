import type { FailingChannel, NotedSilence, Silence } from '../../record/plan/watch.ts'
import { type CommandTarget, command } from '../../words/commands.ts'
import { count, names, utc } from '../../words/phrases.ts'

/** That a channel fails, in the words of mails, of the page and of `ls`. */
export const failingText = (
  { channel, error }: Pick<FailingChannel, 'channel' | 'error'>,
  since: string,
): string => `${channel.replace(/^mail /, 'mail to ')} has been failing since ${since}: ${error}`

const mostNamed = 3

/** Says what was found, with what to type on the target. */
export const silenceLines = (
  { unrefreshed, told, forgotten, waitingSince }: Omit<Silence, 'lines'>,
  typed: CommandTarget,
): string[] => [
  ...(unrefreshed.length === 0
    ? []
    : [
        `nothing refreshes ${count(unrefreshed.length, 'view')}: ${names(unrefreshed, mostNamed)}. Give them a schedule, or leave the option schedules out`,
      ]),
  ...(forgotten.length === 0
    ? []
    : [
        `paused for a week or longer, without an end: ${names(forgotten, mostNamed)}. Resume them, or say until when: ${command(['pause', ...forgotten.slice(0, mostNamed), '--for', '3d'], typed)}`,
      ]),
  ...(waitingSince === null
    ? []
    : [
        `messages and events have waited since ${utc(waitingSince)} and are not sent: nobody hears of anything. The log of the function send, or of serve, says why`,
      ]),
  ...(told === false ? ['nobody is told what goes wrong: set alarmEmails or notify'] : []),
]

/** What would be silence, and how it is said. Pure. */
export const silenceOf = ({ lacks, migrates, ...noted }: NotedSilence, typed: CommandTarget): Silence => ({
  ...noted,
  lines: [...silenceLines(noted, typed), ...lacksLine({ lacks, migrates })],
})

/** A hotswap changes the functions, and does not migrate. */
const lacksLine = ({ lacks, migrates }: Pick<NotedSilence, 'lacks' | 'migrates'>): string[] =>
  lacks === null
    ? []
    : [
        `migration ${lacks} is deployed, and this database lacks it: cdk deploy --hotswap does not migrate. Apply it: ${migrates}`,
      ]
