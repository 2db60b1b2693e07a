import { expect, test } from 'vitest'
import { eachGroup } from '../support/deep.ts'
import { created, imported, type TestEnvironment } from './support/environments.ts'
import { createStack, Synthesized } from './support/synth.ts'

const places = [
  { partition: 'aws', region: 'eu-central-1', suffix: 'amazonaws.com' },
  { partition: 'aws-us-gov', region: 'us-gov-west-1', suffix: 'amazonaws.com' },
  { partition: 'aws-cn', region: 'cn-north-1', suffix: 'amazonaws.com.cn' },
]

/** A template with the values that its region gives it. */
const inPlace = (stack: Synthesized, { partition, suffix }: (typeof places)[number]): string =>
  JSON.stringify(stack.template.toJSON(), (_, value) => {
    if (value?.Ref === 'AWS::Partition') return partition
    if (value?.Ref === 'AWS::URLSuffix') return suffix
    if (typeof value?.['Fn::Sub'] === 'string')
      return value['Fn::Sub'].replaceAll(/\$\{AWS::Partition\}/g, partition)
    return value
  })
    // The parts of a Fn::Join, as one text.
    .replaceAll('","', '')

eachGroup(places, { quick: 1 })('in $region', (place) => {
  const { partition, region, suffix } = place
  const env = { account: '123456789012', region }
  const options: Record<string, TestEnvironment> = {
    created: { ...created, env, tracing: true, refreshOnDeploy: true },
    imported: { ...imported, env },
  }
  const stacks = new Map<string, Synthesized>()
  const stackOf = (kind: string): Synthesized => {
    const stack = stacks.get(kind) ?? new Synthesized(createStack(options[kind]!))
    stacks.set(kind, stack)
    return stack
  }

  test.each(Object.keys(options))(`%s: every ARN is of partition ${partition}`, (kind) => {
    const text = inPlace(stackOf(kind), place)
    const partitions = [...text.matchAll(/arn:([\w-]*):/g)].map(([, found]) => found)
    expect(partitions.length).toBeGreaterThan(10)
    expect([...new Set(partitions)]).toEqual([partition])
  })

  test.each(Object.keys(options))('%s: every address ends as addresses do there', (kind) => {
    const text = inPlace(stackOf(kind), place)
    const addresses = [...text.matchAll(/execute-api\.[\w-]+\.(amazonaws[a-z.]*)/g)].map(([, end]) => end)
    expect([...new Set(addresses)]).toEqual([suffix])
  })

  test('a secret with a customer key is read through Secrets Manager of this region', () => {
    const stack = stackOf('imported')
    const host = `secretsmanager.${region}.amazonaws.com`
    expect(stack.permissions('api')).toContainEqual({
      action: 'kms:Decrypt',
      resource: `arn:${partition}:kms:${region}:123456789012:key/1234`,
      condition: {
        StringEquals: { 'kms:ViaService': partition === 'aws-cn' ? [host, `${host}.cn`] : host },
      },
    })
  })
})
