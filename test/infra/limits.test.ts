import { expect, test } from 'vitest'
import { created } from './support/environments.ts'
import { createStack, kinds, type Resource, Synthesized } from './support/synth.ts'

test('1,000 scheduled views with long names that share 250 schedules are within what CloudFormation takes', () => {
  const scheduledViews = Array.from({ length: 1000 }, (_, at) => ({
    view: `${'s'.repeat(63)}.${String(at).padStart(63, 'v')}`,
    schedule: `${(at % 250) % 60} ${Math.floor((at % 250) / 60)} * * *`,
    timeZone: 'America/Argentina/ComodRivadavia',
  }))
  const template = new Synthesized(createStack(created, [], { scheduledViews })).template.toJSON()
  expect(Object.keys(template.Resources).length).toBeLessThanOrEqual(500)
  expect(Buffer.byteLength(JSON.stringify(template, null, 1))).toBeLessThanOrEqual(1_000_000)
})

test('an environment beside a server that there is has at most 119 resources', () => {
  expect(Object.keys(kinds.imported.template.toJSON().Resources).length).toBeLessThanOrEqual(119)
})

test('an alarm is made after the schedule of send, which calls the monitor, and waits for no other schedule', () => {
  const idOf = (name: string) =>
    kinds.created.one('AWS::Scheduler::Schedule', ({ Name }) => Name === `test-${name}`)[0]
  const schedules = new Set(kinds.created.resources('AWS::Scheduler::Schedule').map(([id]) => id))
  // Metrics of RDS do not wait for the monitor.
  const alarms = kinds.created
    .resources('AWS::CloudWatch::Alarm')
    .filter(([, { Properties }]) => Properties.Namespace !== 'AWS/RDS')
  expect(alarms.length).toBeGreaterThan(3)
  for (const [, { DependsOn }] of alarms as [string, Resource][])
    expect(DependsOn?.filter((id) => schedules.has(id))).toEqual([idOf('send')])
})
