import { Topic } from 'aws-cdk-lib/aws-sns'
import { created } from './environments.ts'
import { instanceIn, ownStack, viewkeeperOn } from './own-app.ts'
import { createStack, type Properties, Synthesized } from './synth.ts'

/** An environment with every alarm that one may have. */
export const withEveryAlarm = new Synthesized(createStack(created))

/** An environment with a pager, which may be without a monitor. */
export function withPager(monitor = true): { paged: Synthesized; pager: unknown } {
  const { stack, vpc } = ownStack()
  const pager = new Topic(stack, 'Pager')
  viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, { pager, monitor })
  return { paged: new Synthesized(stack), pager: stack.resolve(pager.topicArn) }
}

/** The alarms of an environment, as CloudWatch gets them. */
export const alarmsOf = (from: Synthesized) => from.properties('AWS::CloudWatch::Alarm')

/** Each alarm that there is. */
export const everyAlarm = () => {
  const all = [withEveryAlarm, withPager().paged, withPager(false).paged].flatMap(alarmsOf)
  return [...new Map(all.map((alarm) => [nameOf(alarm), alarm])).values()]
}

/** Its name without the environment. */
export const nameOf = ({ AlarmName }: Properties): string => AlarmName.replace('viewkeeper-test-', '')

/** What the description of an alarm says happened, and its section of the runbook. */
const saidBy = ({ AlarmDescription }: Properties) => {
  const [, happened = '', section = ''] = /^(.+) First: .+ More: .+#(.+)\.$/s.exec(AlarmDescription) ?? []
  return { happened, section }
}

/** The alarms as a table: what each tells in short, with a link to all of it, and when it is mailed. */
export const alarmTable = (): string =>
  [
    '| alarm | tells | mail at |\n|---|---|---|\n',
    ...everyAlarm()
      .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
      .map((alarm) => {
        const isMailed = (actions: object[] = []) => actions.length > 1
        const at = [
          ...(isMailed(alarm.AlarmActions) ? ['begin'] : []),
          ...(isMailed(alarm.OKActions) ? ['end'] : []),
        ]
        const { happened, section } = saidBy(alarm)
        const short = happened.split(/[,:;]/)[0]?.replace(/\.$/, '')
        return `| [*${nameOf(alarm)}*](runbook.md#${section}) | ${short} | ${at.join(', ') || 'never: the monitor mails'} |\n`
      }),
  ].join('')
