import { Annotations } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { Definition } from '../../src/catalog/plan/definition.ts'
import type { ScheduledView } from '../../src/catalog/plan/scheduled.ts'
import { count } from '../../src/sql/words.ts'
import type { ValidOptions } from '../environment/valid-options.ts'

/** Warns if nothing refreshes the views by the clock, and if nobody is told of what goes wrong. */
export function warnOfSilence(
  scope: Construct,
  { schedules }: Pick<ValidOptions, 'schedules'>,
  {
    definitions,
    scheduled,
    isTold,
  }: { definitions: Definition[]; scheduled: ScheduledView[]; isTold: boolean },
): void {
  const warn = (id: string, text: string) => Annotations.of(scope).addWarningV2(`viewkeeper:${id}`, text)
  const { nightly, views } = schedules || { nightly: false, views: false }
  const hasOwn = scheduled.length > 0 || definitions.some(({ targetLagSeconds }) => targetLagSeconds !== null)
  if (!nightly && !(views && hasOwn))
    warn(
      'nothing-refreshes',
      `nothing refreshes ${definitions.length === 0 ? 'the views' : count(definitions.length, 'view')}: neither every night nor by ` +
        'schedules of their own. Leave `schedules` out to refresh every view each night, or acknowledge this warning.',
    )
  if (!isTold)
    warn(
      'nobody-told',
      'nobody is told what goes wrong: `alarmEmails` is empty. Name an address, or acknowledge this warning.',
    )
}
