import { Annotations, Validations } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { Definition } from '../src/catalog/plan/definition.ts'
import type { ScheduledView } from '../src/catalog/plan/scheduled.ts'
import { count } from '../src/sql/words.ts'
import type { ValidOptions } from './options.ts'

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

/** What the packs of cdk-nag for HIPAA and NIST find in every environment, and why it stays. */
const reasons: Record<string, string> = {
  IAMNoInlinePolicy:
    'Each role has one policy, which nobody else shares, and which is deleted with the role.',
  LambdaConcurrency:
    'The throttle of the API and the concurrency of batches bound how many functions run at once; reservedConcurrency keeps calls for the functions in which callers wait.',
  LambdaDLQ:
    'Events of schedules become dead letters; every other call has a caller who gets the error, and the next look does what a look left.',
  LambdaInsideVPC:
    'The functions deploy, send and start-batch do not use the database. They call EventBridge, Lambda, SNS and Step Functions, which would cost an endpoint each.',
}

/** Says to cdk-nag why the findings of the packs for HIPAA and NIST stay. */
export function acknowledgeFindings(scope: Construct): void {
  for (const pack of ['HIPAA.Security', 'NIST.800.53.R5'])
    for (const [rule, reason] of Object.entries(reasons))
      Validations.of(scope).acknowledge({ id: `${pack}-${rule}`, reason })
}
