import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { mustStop } from '../cleanup.ts'

/** How many came so far. */
interface Counted {
  refused: number
  passed: number
}

/** A port of 127.0.0.1 that leads to another one, once it is open; it counts who comes. */
export async function startGate(
  name: string,
  port: number,
  isOpen: (counted: Counted) => boolean = () => true,
  /** Told all that guests say. */
  hear: (said: Buffer) => void = () => {},
) {
  const sockets = new Set<Socket>()
  const counted: Counted = { refused: 0, passed: 0 }
  const keep = (socket: Socket) => {
    sockets.add(socket)
    // Either side may leave at any moment.
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    return socket
  }
  const server = createServer((guest) => {
    keep(guest)
    if (!isOpen(counted)) {
      counted.refused++
      guest.destroy()
      return
    }
    counted.passed++
    const host = keep(connect(port, '127.0.0.1'))
    guest.on('data', hear)
    guest.pipe(host).pipe(guest)
    guest.on('close', () => host.destroy())
    host.on('close', () => guest.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  mustStop(name, { stop })
  return { port: (server.address() as AddressInfo).port, counted }
}
