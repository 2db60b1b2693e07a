import { readFileSync } from 'node:fs'
import type { App } from 'aws-cdk-lib'
import type { CloudFormationStackArtifact } from 'aws-cdk-lib/cx-api'
import { OptionsError } from './environment/valid-options.ts'

/** What CloudFormation takes, in one stack: resources, and bytes of the template. */
export const limits = { resources: 500, bytes: 1_000_000 }

/**
 * Synthesizes the app. Refuses, with the number, a stack that CloudFormation would refuse for its size. CDK's
 * own limit has to be off (`@aws-cdk/core:stackResourceLimit` 0), because its message has no cure.
 */
export function synthesizeWithinLimits(app: App): void {
  const problems = app.synth().stacks.flatMap(problemsOf)
  if (problems.length > 0) throw new OptionsError(problems.join('\n'))
}

function problemsOf({ stackName, templateFullPath }: CloudFormationStackArtifact): string[] {
  const template = readFileSync(templateFullPath)
  const resources: { Type: string }[] = Object.values(JSON.parse(template.toString()).Resources)
  const schedules = resources.filter(({ Type }) => Type === 'AWS::Scheduler::Schedule').length
  const cure =
    `${count(schedules)} resources are schedules. Views with the same schedule and timeZone share one: let more ` +
    'views share them, freeze, and synthesize again.'
  const problem = (number: number, what: string, most: number) =>
    number > most
      ? [
          `${stackName} cannot be deployed: it has ${count(number)} ${what}, and CloudFormation takes ${count(most)}. ${cure}`,
        ]
      : []
  return [
    ...problem(resources.length, 'resources', limits.resources),
    ...problem(template.byteLength, 'bytes in its template', limits.bytes),
  ]
}

const count = (number: number) => number.toLocaleString('en')
