import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const client = fileURLToPath(new URL('client.ts', import.meta.url))

/** Starts a process that refreshes a view or applies migrations, and kills it (-9) after `when`. */
export async function killClientWhen(
  url: string,
  request: object,
  when: () => Promise<unknown>,
): Promise<void> {
  const child = spawn(process.execPath, [client, url, JSON.stringify(request)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exit = once(child, 'exit')
  try {
    await when()
  } finally {
    child.kill('SIGKILL')
    await exit
  }
}
