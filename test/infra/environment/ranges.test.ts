import { expect, test } from 'vitest'
import { subnetPrefix } from '../../../infra/environment/ranges.ts'
import { created, parse } from '../support/environments.ts'

const withNetwork = (network: object) =>
  parse({ ...created, database: { ...created.database, ...network } } as never).database

test.each(['10.0.0.0/16', '10.255.16.0/20', '172.16.0.0/16', '172.31.255.0/24', '192.168.0.0/16'])(
  'the network may have %s',
  (cidr) => {
    expect(withNetwork({ cidr })).toMatchObject({ cidr })
  },
)

test.each([
  ['10.0.0.0', 'must look like "10.20.0.0/16"'],
  ['10.0.0.256/16', 'must look like "10.20.0.0/16"'],
  ['10.0.0.0/15', 'must be from /16 to /24'],
  ['10.0.0.0/25', 'must be from /16 to /24'],
  ['8.8.0.0/16', 'must be private'],
  ['172.32.0.0/16', 'must be private'],
  ['172.15.0.0/16', 'must be private'],
  ['192.169.0.0/16', 'must be private'],
  ['11.0.0.0/16', 'must be private'],
  ['10.0.1.0/16', 'must begin with the first address of its range'],
])('%s is refused', (cidr, message) => {
  expect(() => withNetwork({ cidr })).toThrow(`database.cidr: ${message}`)
})

test.each([
  [['eu-central-1a'], 'database.availabilityZones: '],
  [['eu-central-1a', 'eu-central-1a'], 'database.availabilityZones: must name each zone once'],
  [['eu-central-1a', 'Frankfurt'], 'database.availabilityZones.1: must look like "eu-central-1a"'],
  [['a', 'b', 'c', 'd', 'e'], 'database.availabilityZones: '],
])('zones %j are refused', (availabilityZones, message) => {
  expect(() => withNetwork({ availabilityZones })).toThrow(message)
})

test('the subnets of four zones leave at least half of the network free', () => {
  for (const prefix of [16, 20, 21, 22, 24]) {
    const ofSubnet = subnetPrefix(`10.0.0.0/${prefix}`)
    expect(4 * 2 ** (32 - ofSubnet)).toBeLessThanOrEqual(2 ** (32 - prefix) / 2)
    expect(ofSubnet).toBeGreaterThanOrEqual(24)
  }
})
