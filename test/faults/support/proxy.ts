import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** A network between a client and a server that can be spoiled, and mended again. */
export interface Network {
  port: number
  /** Resets every connection. */
  cut(): void
  /** Passes nothing on until `mend`; what came meanwhile comes then. */
  stall(): void
  /** Loses everything from now on, without a word to either side. */
  blackHole(): void
  /** Each piece takes so long. */
  delay(ms: number): void
  /** Connections lead to another server from now on. */
  leadTo(port: number): void
  /** New connections are as good as on the first day; those that lost something are closed. */
  mend(): void
  close(): void
}

/** Starts a network before the server on this port of this machine. */
export async function startNetwork(target: number): Promise<Network> {
  let to = target
  let delayMs = 0
  let stalled: PromiseWithResolvers<void> | undefined
  const lines = new Set<{ ends: Socket[]; lost: boolean }>()
  let losing = false
  const server = createServer((client) => {
    const there = connect(to, '127.0.0.1')
    const line = { ends: [client, there], lost: losing }
    lines.add(line)
    for (const [from, other] of [
      [client, there],
      [there, client],
    ] as const) {
      from.setNoDelay(true)
      let last = Promise.resolve()
      const inOrder = (act: () => void) => {
        last = last.then(async () => {
          await stalled?.promise
          if (delayMs > 0) await pause(delayMs)
          if (!line.lost && !other.destroyed) act()
        })
      }
      from.on('data', (piece) => inOrder(() => other.write(piece)))
      from.on('end', () => inOrder(() => other.end()))
      from.on('error', () => other.destroy())
      from.on('close', () => lines.delete(line))
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const reset = (which: (line: { lost: boolean }) => boolean) => {
    for (const line of [...lines]) if (which(line)) for (const end of line.ends) end.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => reset(() => true),
    stall() {
      stalled ??= Promise.withResolvers()
    },
    blackHole() {
      losing = true
      for (const line of lines) line.lost = true
    },
    delay(ms) {
      delayMs = ms
    },
    leadTo(port) {
      to = port
    },
    mend() {
      delayMs = 0
      losing = false
      stalled?.resolve()
      stalled = undefined
      reset(({ lost }) => lost)
    },
    close() {
      server.close()
      reset(() => true)
    },
  }
}
