import type { EnvironmentOptions } from '../../../src/config/options.ts'
import { created } from './environments.ts'
import { createStack, type Properties, Synthesized } from './synth.ts'

/** An environment with every alarm that one may have. */
export const withEveryAlarm = new Synthesized(
  createStack({
    ...created,
    database: { ...created.database, rotateSecretDays: 30 },
  } as EnvironmentOptions),
)

/** The alarms of an environment, as CloudWatch gets them. */
export const alarmsOf = (from: Synthesized) => from.properties('AWS::CloudWatch::Alarm')

/** Its name without the environment. */
export const nameOf = ({ AlarmName }: Properties): string => AlarmName.replace('viewkeeper-test-', '')

/** What the description of an alarm says happened, and its section of the runbook. */
const saidBy = ({ AlarmDescription }: Properties) => {
  const [, happened = '', section = ''] = /^(.+) First: .+ More: .+#(.+)\.$/s.exec(AlarmDescription) ?? []
  return { happened, section }
}

/** What alarms say that happened, by the sections of the runbook, which begin with it. */
export const happenedBySection = (): [section: string, text: string][] =>
  [...Map.groupBy(alarmsOf(withEveryAlarm), (alarm) => saidBy(alarm).section)].map(([section, alarms]) => [
    section,
    alarms.map((alarm) => `> *${nameOf(alarm)}*: ${saidBy(alarm).happened}\n`).join('>\n'),
  ])

/** The alarms as a table: what each tells in short, with a link to all of it, and when it is mailed. */
export const alarmTable = (): string =>
  [
    '| alarm | tells | mail at |\n|---|---|---|\n',
    ...alarmsOf(withEveryAlarm)
      .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
      .map((alarm) => {
        const isMailed = (actions: object[]) => actions.length > 1
        const at = [
          ...(isMailed(alarm.AlarmActions) ? ['begin'] : []),
          ...(isMailed(alarm.OKActions) ? ['end'] : []),
        ]
        const { happened, section } = saidBy(alarm)
        const short = happened.split(/[,:;]/)[0]?.replace(/\.$/, '')
        return `| [*${nameOf(alarm)}*](runbook.md#${section}) | ${short} | ${at.join(', ') || 'the monitor mails'} |\n`
      }),
  ].join('')
