import { expect, test } from 'vitest'
import { maxConnectionsOf, memoryGiBOf } from '../../../infra/database/instance-memory.ts'

test.each([
  ['t4g.micro', 1, 112],
  ['t3.small', 2, 225],
  ['t4g.medium', 4, 450],
  ['t4g.2xlarge', 32, 3604],
  ['c6gd.medium', 2, 225],
  ['m7g.large', 8, 901],
  ['m6idn.xlarge', 16, 1802],
  ['r8g.large', 16, 1802],
  ['r6g.xlarge', 32, 3604],
  ['r5b.24xlarge', 768, 5000],
  ['x2g.large', 32, 3604],
  ['x2iedn.xlarge', 128, 5000],
])('%s has %i GiB, and RDS allows %i connections there', (instanceType, gib, connections) => {
  expect(memoryGiBOf(instanceType)).toBe(gib)
  expect(maxConnectionsOf(instanceType)).toBe(connections)
})

test.each(['t4g.4xlarge', 'u7i.large', 'm7g.metal', 'serverless', 'm4.large', ''])(
  'nothing is claimed of "%s", which follows no rule that we know',
  (instanceType) => {
    expect(memoryGiBOf(instanceType)).toBeUndefined()
    expect(maxConnectionsOf(instanceType)).toBeUndefined()
  },
)
