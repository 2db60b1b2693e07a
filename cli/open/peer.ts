import { readFileSync } from 'node:fs'
import { endianness, release } from 'node:os'

/** The two ends of a connection of IPv4, as a server's socket sees them. */
export interface Connection {
  remoteAddress?: string
  remotePort?: number
  localAddress?: string
  localPort?: number
}

/** How Linux writes that a connection is open at both ends. */
const established = '01'

/**
 * Whether a connection on loopback is opened by another user of this machine than `user`; root may do anything anyway.
 * Linux tells the users of connections. Other systems do not: there the answer is false. A connection that is closed
 * already counts as another user's, because Linux has forgotten its user.
 */
export function isOfOtherUser(connection: Connection, user = process.getuid?.()): boolean {
  const table = readTable()
  if (table === undefined || user === undefined) return false
  const row = rowOf(table, connection)
  // The browser of Windows is no process of the Linux in WSL.
  if (row === undefined) return !/microsoft/i.test(release())
  return row.state !== established || (row.user !== user && row.user !== 0)
}

/** The row of the other end in the table of TCP connections (proc_net_tcp(5)); undefined if there is none. */
export function rowOf(
  table: string,
  { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 }: Connection,
): { state: string; user: number } | undefined {
  const far = `${hexAddress(remoteAddress)}:${hexPort(remotePort)}`
  // The own address is compared, too: the same port of 127.0.0.2 may be a server of somebody else.
  const near = `${hexAddress(localAddress)}:${hexPort(localPort)}`
  for (const line of table.split('\n')) {
    const [, local = '', remote = '', state = '', , , , user = ''] = line.trim().split(/\s+/)
    // A row of IPv6 has the same address with zeros and FFFF before it.
    if (local.endsWith(far) && remote.endsWith(near)) return { state, user: Number(user) }
  }
  return undefined
}

/** Undefined: this system has no such table, or keeps it to itself. A Linux without IPv6 has only the first one. */
function readTable(): string | undefined {
  const ipv4 = read('/proc/net/tcp')
  return ipv4 === undefined ? undefined : ipv4 + (read('/proc/net/tcp6') ?? '')
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** `127.0.0.1` becomes `0100007F`: the kernel writes the address as a number of this machine. */
function hexAddress(address: string): string {
  const bytes = address.split('.').map(Number)
  return Buffer.from(endianness() === 'LE' ? bytes.reverse() : bytes)
    .toString('hex')
    .toUpperCase()
}

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
