import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'

const me = process.getuid?.() ?? 0
const nobody = 65_534

/** Whether this system tells which user opened a connection. */
export const tellsUsers = existsSync('/proc/net/tcp')

/** Another user than the one that {@link connectAsStranger} connects as. */
export const notMe = me + 1

/** A connection to a server on loopback: of another user, if this process may become one, else of its own. */
export async function connectAsStranger(port: number): Promise<Socket> {
  if (me === 0) process.seteuid?.(nobody)
  try {
    const socket = createConnection(port, '127.0.0.1')
    await once(socket, 'connect')
    return socket
  } finally {
    if (me === 0) process.seteuid?.(me)
  }
}
