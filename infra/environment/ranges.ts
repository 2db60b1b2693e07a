import * as z from 'zod'

/** The private ranges of RFC 1918. */
const privateRanges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(readRange)

/** An IPv4 range of private addresses from /16 to /24: `10.20.0.0/16`. */
export const privateCidr = z
  .cidrv4({ error: 'must look like "10.20.0.0/16"', abort: true })
  .superRefine((text, context) => {
    const range = readRange(text)
    const refuse = (message: string) => context.addIssue({ code: 'custom', message })
    if (range.prefix < 16 || range.prefix > 24)
      return refuse('must be from /16 to /24: AWS has nothing larger, and two zones need some room')
    if (
      !privateRanges.some(
        (whole) => whole.prefix <= range.prefix && first(range, whole.prefix) === whole.address,
      )
    )
      return refuse('must be private: within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16')
    if (first(range, range.prefix) !== range.address)
      return refuse('must begin with the first address of its range, such as "10.20.0.0/16"')
  })

/**
 * The prefix of the subnet of each zone: /24, or an eighth of the network if that is smaller. With four zones, half of
 * the network stays free for subnets of the user.
 */
export const subnetPrefix = (cidr: string): number => Math.max(24, readRange(cidr).prefix + 3)

interface Range {
  /** The address as a number. */
  address: number
  prefix: number
}

function readRange(cidr: string): Range {
  const [address = '', prefix] = cidr.split('/')
  return {
    address: address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0),
    prefix: Number(prefix),
  }
}

/** The first address of the range with this prefix around the address. */
const first = ({ address }: Range, prefix: number): number => address - (address % 2 ** (32 - prefix))
