import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** A port on 127.0.0.1 that nobody uses at this moment. */
export const findFreePort = async (): Promise<number> => (await tryPort(0))!

/** Whether nobody listens on this port of an address of this machine. */
export const isPortFree = async (port: number, host?: string): Promise<boolean> =>
  (await tryPort(port, host)) !== undefined

async function tryPort(port: number, host = '127.0.0.1'): Promise<number | undefined> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
  } catch {
    return undefined
  }
  const found = (server.address() as AddressInfo).port
  server.close()
  await once(server, 'close')
  return found
}
