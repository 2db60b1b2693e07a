import type { FailingChannel, FailingStep, Heard, NotedSilence, Silence } from '../../record/plan/watch.ts'
import { type CommandTarget, command, type Said } from '../../words/commands.ts'
import { stepName } from '../../words/event.ts'
import { count, names, utc } from '../../words/phrases.ts'

/** That a channel fails, in the words of mails, of the page and of `ls`. */
export const failingText = (
  { channel, error }: Pick<FailingChannel, 'channel' | 'error'>,
  since: string,
): string => `${channel.replace(/^mail /, 'mail to ')} has been failing since ${since}: ${error}`

/** The same of a step of the monitor. */
export const failingStepText = ({ step, since, error }: FailingStep): string =>
  `${stepName(step)} has failed at each look since ${utc(since)}: ${error}`

const mostNamed = 3

const said = (text: string, next: string | null = null): Said => ({ text, next })

/** Says what was found, with what to type on the target. */
export const silenceLines = (
  { unrefreshed, told, forgotten, waitingSince }: Omit<Silence, 'lines'>,
  typed: CommandTarget,
): Said[] => [
  ...(unrefreshed.length === 0
    ? []
    : [
        said(
          `nothing refreshes ${count(unrefreshed.length, 'view')}: ${names(unrefreshed, mostNamed)}. Give them a schedule, or leave the option schedules out`,
        ),
      ]),
  ...(forgotten.length === 0
    ? []
    : [
        said(
          `paused for a week or longer, without an end: ${names(forgotten, mostNamed)}. Resume them, or say until when`,
          command(['pause', ...forgotten.slice(0, mostNamed), '--for', '3d'], typed),
        ),
      ]),
  ...(waitingSince === null
    ? []
    : [
        said(
          `messages and events have waited since ${utc(waitingSince)} and are not sent: nobody hears of anything. The log of the function send, or of serve, says why`,
        ),
      ]),
  ...(told === false ? [said('nobody is told what goes wrong: set alarmEmails or notify')] : []),
]

/** What would be silence, and how it is said. Pure. */
export function silenceOf(
  { lacks, migrates, heard, steps, ...noted }: NotedSilence,
  typed: CommandTarget,
): Silence {
  const unheard = unheardOf(heard, noted.told)
  const told = unheard.length > 0 ? false : isHeard(heard) || noted.told
  const lines = [
    ...silenceLines({ ...noted, told: unheard.length > 0 ? null : told }, typed),
    ...unheard.map(({ text, next }) => said(`${text.charAt(0).toLowerCase()}${text.slice(1)}`, next)),
    ...lacksLine({ lacks, migrates }),
    ...steps.map((each) => said(failingStepText(each))),
  ]
  return { ...noted, told, lines }
}

/** A topic of which nobody hears, why, and what to type. */
export interface Unheard extends Said {
  /** What it is called among incidents. */
  channel: string
  next: string
}

/** The topics of which it counts who listens: that of mails if addresses of the environment subscribe to it. */
const listened = (heard: Heard | null) => heard?.topics.slice(0, heard.mailed ? 1 : undefined) ?? []

const isHeard = (heard: Heard | null): boolean =>
  listened(heard).some(({ confirmed }) => confirmed !== null && confirmed > 0)

const isGone = ({ error }: { error: string | null }): boolean => error?.startsWith('NotFound') ?? false

const nameOfTopic = (arn: string): string => arn.slice(arn.lastIndexOf(':') + 1)

/** The topics that are gone; and that of mails, if somebody was to be told (`told`) and nobody listens. Pure. */
export function unheardOf(heard: Heard | null, told: boolean | null): Unheard[] {
  const gone = heard?.topics.filter(isGone) ?? []
  const silent = listened(heard)
  const isSilent = told !== false && silent.length > 0 && silent.every(({ confirmed }) => confirmed === 0)
  return [
    ...gone.map(({ topic }) => ({
      channel: `topic ${nameOfTopic(topic)}`,
      text: `Topic ${topic} is gone, and what is published to it is lost. Make it again, then its subscriptions`,
      next: `aws sns create-topic --name ${nameOfTopic(topic)}`,
    })),
    ...(isSilent ? silent.slice(0, 1) : []).map(({ topic }) => ({
      channel: `topic ${nameOfTopic(topic)}`,
      text: `Nobody hears what goes wrong: no subscription of topic ${topic} is confirmed. Subscribe, and open the link in the mail that comes`,
      next: `aws sns subscribe --topic-arn ${topic} --protocol email --notification-endpoint <address>`,
    })),
  ]
}

/** That nobody can count who listens. Pure. */
export const uncountedLines = (heard: Heard | null): Said[] =>
  isHeard(heard)
    ? []
    : listened(heard)
        .filter((each) => each.confirmed === null && !isGone(each))
        .map(({ topic, error }) =>
          said(
            `it cannot be counted who hears what goes wrong: the policy of ${topic} does not let the role of the function send call sns:GetTopicAttributes (${error})`,
          ),
        )

/** A hotswap changes the functions, and does not migrate. */
const lacksLine = ({ lacks, migrates }: Pick<NotedSilence, 'lacks' | 'migrates'>): Said[] =>
  lacks === null
    ? []
    : [
        said(
          `migration ${lacks} is deployed, and this database lacks it: cdk deploy --hotswap does not migrate. Apply it`,
          migrates,
        ),
      ]
