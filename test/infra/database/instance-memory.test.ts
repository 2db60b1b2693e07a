import { expect, test } from 'vitest'
import { maxConnections, memoryGiB } from '../../../infra/database/database.ts'

// From "Hardware specifications for DB instance classes" of the user guide of RDS.
test.each([
  ['t4g.micro', 1],
  ['t3.small', 2],
  ['t4g.medium', 4],
  ['t4g.2xlarge', 32],
  ['m7g.large', 8],
  ['m6i.xlarge', 16],
  ['m8g.48xlarge', 768],
  ['r8g.large', 16],
  ['r6id.32xlarge', 1024],
  ['x2g.16xlarge', 1024],
])('%s has %i GiB', (instanceType, gib) => {
  expect(memoryGiB(instanceType)).toBe(gib)
})

test('a class that nobody knows has no memory that is known', () => {
  for (const instanceType of ['q1.large', 'm1.small', 't4g.huge']) {
    expect(memoryGiB(instanceType)).toBeUndefined()
    expect(maxConnections(instanceType)).toBeUndefined()
  }
})

test('the connections follow the memory, and end at 5000', () => {
  expect(['t4g.micro', 't4g.medium', 'm7g.large', 'r7g.2xlarge'].map(maxConnections)).toEqual([
    112, 450, 901, 5000,
  ])
})
