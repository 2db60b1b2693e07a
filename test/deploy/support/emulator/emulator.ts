import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findFreePort } from '../../../../serve/process.ts'
import { mustStop } from '../cleanup.ts'
import { poll } from '../transcript.ts'

export interface Emulator {
  url: string
  port: number
}

/** Who may do everything there. */
export const rootKey = 'test'

/** The emulator of AWS on a port of 127.0.0.1; it keeps nothing, and it refuses what IAM would refuse. */
export async function startEmulator(python: string, folder: string): Promise<Emulator> {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  const temporary = join(folder, 'tmp')
  mkdirSync(temporary, { recursive: true })
  // The emulator unpacks functions there; below our package.json their CommonJS would be taken for ES
  // modules.
  writeFileSync(join(temporary, 'package.json'), '{}')
  const output = openSync(join(folder, 'emulator.log'), 'w')
  const child = spawn(python, ['-m', 'ministack'], {
    cwd: folder,
    stdio: ['ignore', output, output],
    // A process group of its own, because functions run in processes of its own.
    detached: true,
    env: {
      // Functions run with the first `node` of the path: this one, which is Lambda's.
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      HOME: folder,
      TMPDIR: temporary,
      BIND_HOST: '127.0.0.1',
      // APIs have the addresses that they have in AWS.
      MINISTACK_HOST: 'us-east-1.amazonaws.com',
      GATEWAY_PORT: String(port),
      AUTH: 'true',
      AWS_ACCESS_KEY_ID: rootKey,
      AWS_SECRET_ACCESS_KEY: rootKey,
      IOT_MTLS_ENABLED: '0',
      SFTP_ENABLED: '0',
      // Where CDK's own handlers find the AWS SDK, which Lambda brings along.
      NODE_PATH: join(import.meta.dirname, '../../../../node_modules'),
    },
  })
  closeSync(output)
  const ended = once(child, 'exit')
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    process.kill(-child.pid!, 'SIGTERM')
    const kill = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), 5_000)
    await ended
    clearTimeout(kill)
  }
  mustStop('emulator', { stop })
  await poll('the emulator answers', async () => {
    if (child.exitCode !== null) throw new Error(`the emulator ended by itself: ${folder}/emulator.log`)
    return await fetch(`${url}/_ministack/health`).then(
      (response) => response.ok || undefined,
      () => undefined,
    )
  })
  return { url, port }
}
