import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { endianness, release } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { isOfOtherUser, rowOf } from '../../../cli/api/proxy.ts'
import { connectAsStranger, notMe, tellsUsers } from '../../support/api/stranger.ts'

// As a kernel of a machine with little-endian numbers writes it.
const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:C001 0200007F:1F90 01 00000000:00000000 00:00000000 00000000  1003        0 5 1 0 20 4 30 10 -1
   2: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 2 1 0 20 4 30 10 -1
   3: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1
   4: 0200007F:C002 0100007F:1F90 05 00000000:00000000 00:00000000 00000000     0        0 0 2 0 20 4 30 10 -1
   5: 0000000000000000FFFF00000100007F:C003 0000000000000000FFFF00000100007F:1F90 01 0:0 0:0 0 1002 0 4 1 0 20 4 30 10 -1
`

test('the row of a connection is that of its other end, also if a port is in use twice, and if it is one of IPv6', () => {
  const find = (remoteAddress: string, remotePort: number) =>
    rowOf(table, { remoteAddress, remotePort, localAddress: '127.0.0.1', localPort: 0x1f90 })
  const found = [
    find('127.0.0.1', 0xc001),
    find('127.0.0.2', 0xc002),
    find('127.0.0.1', 0xc003),
    find('127.0.0.1', 0xc002),
  ]
  const expected = [
    { state: '01', user: 1001 },
    { state: '05', user: 0 },
    { state: '01', user: 1002 },
    undefined,
  ]
  expect(found).toEqual(endianness() === 'LE' ? expected : expected.map(() => undefined))
})

test('a connection of this process is its own', async () => {
  const { socket } = await connected((port) => createConnection(port, '127.0.0.1'))
  expect(isOfOtherUser(socket)).toBe(false)
})

test('a connection of another user is not', async () => {
  const { socket } = await connected(connectAsStranger)
  expect(isOfOtherUser(socket, notMe)).toBe(tellsUsers)
})

test.each(['destroy', 'resetAndDestroy'] as const)('a closed connection is nobody’s: %s', async (end) => {
  const { client, ends } = await connected((port) => createConnection(port, '127.0.0.1'))
  client[end]()
  await once(client, 'close')
  const isReset = end === 'resetAndDestroy'
  // A connection that Linux does not know is one of Windows, seen from WSL.
  expect(isOfOtherUser(ends)).toBe(tellsUsers && !(isReset && /microsoft/i.test(release())))
})

/** Both sockets of a connection, and the ends that the server's socket had while the connection was open. */
async function connected(connect: (port: number) => Socket | Promise<Socket>) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const accepted = once(server, 'connection')
  const client = await connect((server.address() as AddressInfo).port)
  const [socket] = (await accepted) as [Socket]
  // A reset connection is an error of the socket.
  socket.on('error', () => {})
  onTestFinished(() => {
    client.destroy()
    socket.destroy()
  })
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return { client, socket, ends: { remoteAddress, remotePort, localAddress, localPort } }
}
