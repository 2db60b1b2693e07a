import type { App } from 'aws-cdk-lib'
import { describe, expect, test } from 'vitest'
import { limits, synthesizeWithinLimits } from '../../infra/limits.ts'
import { created } from './support/environments.ts'
import { createStack, kinds, type Resource } from './support/synth.ts'

/** An app of 1,000 views that have so many different schedules. */
function appOf(schedules: number): App {
  const scheduledViews = Array.from({ length: 1000 }, (_, at) => ({
    view: `${'s'.repeat(63)}.${String(at).padStart(63, 'v')}`,
    schedule: `${(at % schedules) % 60} ${Math.floor((at % schedules) / 60)} * * *`,
    timeZone: 'America/Argentina/ComodRivadavia',
  }))
  return createStack(created, [], { scheduledViews }).node.root as App
}

describe('1,000 scheduled views with long names', () => {
  test('can be deployed if they share 250 schedules: resources and bytes are within the limits', () => {
    expect(() => synthesizeWithinLimits(appOf(250))).not.toThrow()
  })

  test('are refused if each has a schedule of its own, with the numbers and a cure', () => {
    expect(() => synthesizeWithinLimits(appOf(1000))).toThrow(
      /^viewkeeper-test cannot be deployed: it has 1,\d\d\d resources, and CloudFormation takes 500\. 1,004 resources are schedules\. Views with the same schedule and timeZone share one/,
    )
  })
})

test('a template of too many bytes is refused with the number', () => {
  const stack = createStack(created)
  stack.templateOptions.metadata = { long: 'x'.repeat(limits.bytes) }
  expect(() => synthesizeWithinLimits(stack.node.root as App)).toThrow(
    /^viewkeeper-test cannot be deployed: it has 1,\d{3},\d{3} bytes in its template, and CloudFormation takes 1,000,000\. 4 resources are schedules/,
  )
})

test('an alarm is made after the schedule of the monitor, and waits for no other schedule', () => {
  const idOf = (name: string) =>
    kinds.created.one('AWS::Scheduler::Schedule', ({ Name }) => Name === `test-${name}`)[0]
  const schedules = new Set(kinds.created.resources('AWS::Scheduler::Schedule').map(([id]) => id))
  // Metrics of RDS do not wait for the monitor.
  const alarms = kinds.created
    .resources('AWS::CloudWatch::Alarm')
    .filter(([, { Properties }]) => Properties.Namespace !== 'AWS/RDS')
  expect(alarms.length).toBeGreaterThan(10)
  for (const [, { DependsOn }] of alarms as [string, Resource][])
    expect(DependsOn?.filter((id) => schedules.has(id))).toEqual([idOf('monitor')])
})
