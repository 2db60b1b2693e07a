import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findLiveUrl } from '../../local/embedded/print-url.ts'
import { findFreePort } from '../../serve/process/port.ts'

const program = fileURLToPath(new URL('../../local/start.ts', import.meta.url))

/** `npm start`, in a process of its own. */
export interface LocalSystem {
  url: string
  /** The address of its PostgreSQL, for the superuser. */
  databaseUrl: string
  /** The memory of the process that answers. */
  residentBytes(): number
}

/** Starts the local system with its demo in a temporary folder while `work` runs, and leaves nothing. */
export async function withLocalSystem<T>(work: (system: LocalSystem) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-bench-'))
  const child = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      DATABASE_URL: '',
      DATA_DIR: folder,
      PORT: `${await findFreePort()}`,
      NO_COLOR: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  try {
    let text = ''
    const isUp = new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (chunk) => {
          text += chunk
          if (text.includes('Ctrl-C stops everything')) resolve()
        })
      ended.then(() => reject(new Error(`npm start has ended:\n${text}`)))
    })
    await isUp
    return await work({
      url: /^ *api +(\S+)$/m.exec(text)![1]!,
      databaseUrl: findLiveUrl(folder)!,
      residentBytes: () =>
        1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]),
    })
  } finally {
    child.kill('SIGINT')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
}
