import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** A port on 127.0.0.1 that nobody uses at this moment. */
export const findFreePort = async (): Promise<number> => (await tryPort(0))!

/** Whether nobody listens on this port of 127.0.0.1. */
export const isPortFree = async (port: number): Promise<boolean> => (await tryPort(port)) !== undefined

async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer().listen(port, '127.0.0.1')
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
