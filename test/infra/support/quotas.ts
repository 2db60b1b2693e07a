import type { Synthesized } from './synth.ts'

/** What an account has in a region unless AWS has raised it, by the type of the resource. */
const quotas: [name: string, type: string, most: number, source: string][] = [
  ['roles', 'AWS::IAM::Role', 1000, 'IAM/latest/UserGuide/reference_iam-quotas.html'],
  ['managed policies', 'AWS::IAM::ManagedPolicy', 1500, 'IAM/latest/UserGuide/reference_iam-quotas.html'],
  ['alarms', 'AWS::CloudWatch::Alarm', 5000, 'AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html'],
  ['HTTP APIs', 'AWS::ApiGatewayV2::Api', 600, 'apigateway/latest/developerguide/limits.html'],
  ['rules of a bus', 'AWS::Events::Rule', 300, 'eventbridge/latest/userguide/eb-quota.html'],
  [
    'groups of schedules',
    'AWS::Scheduler::ScheduleGroup',
    500,
    'scheduler/latest/UserGuide/scheduler-quotas.html',
  ],
]

/** What environments use of the quotas of an account, and of a stack. */
export function quotaTable(environments: Record<string, Synthesized>): string {
  const all = Object.values(environments)
  const counts = (type: string) => all.map((each) => each.resources(type).length)
  const row = (name: string, cells: (number | string)[]) => `| ${name} | ${cells.join(' | ')} |\n`
  const most = (number: number) => number.toLocaleString('en')
  return [
    row('of these', ['an account or stack may have', ...Object.keys(environments)]),
    row('---', ['---', ...all.map(() => '---')]),
    ...quotas.map(([name, type, quota, source]) =>
      row(name, [`[${most(quota)}](https://docs.aws.amazon.com/${source})`, ...counts(type)]),
    ),
    row('functions', ['as many as fit into 75 GB', ...counts('AWS::Lambda::Function')]),
    row('resources of a stack', [
      '[500](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)',
      ...all.map(({ template }) => Object.keys(template.toJSON().Resources).length),
    ]),
  ].join('')
}
