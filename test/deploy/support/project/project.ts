import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { awsEnvironment } from '../apps/cdk.ts'
import { mustStop } from '../cleanup.ts'
import { type Finished, finish, succeed } from '../command.ts'
import type { Emulator } from '../emulator/emulator.ts'
import type { Credentials } from '../emulator/signed-curl.ts'

const cli = fileURLToPath(new URL('../../../../cli/viewkeeper.js', import.meta.url))
const apiName = new URL('api-name.mjs', import.meta.url).href

export type Project = ReturnType<typeof createProject>

/** A user's folder with `views/` and `migrations/`, and the real command line in it. */
export function createProject(
  folder: string,
  { url, emulator, environment }: { url: string; emulator: Emulator; environment: string },
) {
  const migrationsFolder = join(folder, 'migrations')
  mkdirSync(join(folder, 'views'), { recursive: true })
  mkdirSync(migrationsFolder)
  const log = join(folder, 'viewkeeper.log')
  const { PATH } = process.env
  const program = ['--import', apiName, cli]
  const from = (as: Credentials) => ({ PATH, EMULATOR_URL: emulator.url, ...awsEnvironment(emulator, as) })
  return {
    migrationsFolder,

    /** Writes a file of `views/`, or writes it anew. */
    author: (file: string, text: string): void => writeFileSync(join(folder, 'views', file), text),

    /** Freezes what has changed; gives the names of the new files. */
    async freeze(...options: string[]): Promise<string[]> {
      const before = new Set(readdirSync(migrationsFolder))
      const env = { PATH, DATABASE_URL: url }
      await succeed(process.execPath, [cli, 'freeze', ...options], { cwd: folder, env, log })
      return readdirSync(migrationsFolder).filter((file) => !before.has(file))
    },

    /** Takes frozen files away, which is for those that nobody could ever apply. */
    discard(files: string[]): void {
      for (const file of files) rmSync(join(migrationsFolder, file))
    },

    /** Works on the deployed environment. */
    command: (as: Credentials, ...args: string[]): Promise<Finished> =>
      finish(process.execPath, [...program, ...args, '--env', environment], {
        cwd: folder,
        env: from(as),
        log,
      }),

    /** Starts the proxy of the page; gives the address that it prints. */
    async open(as: Credentials): Promise<{ address: string; stop(): Promise<void> }> {
      const args = [...program, 'open', '--no-browser', '--env', environment]
      const child = spawn(process.execPath, args, {
        cwd: folder,
        env: from(as),
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const ended = once(child, 'exit')
      const stop = async () => {
        child.kill()
        await ended
      }
      mustStop('viewkeeper open', { stop })
      for await (const line of createInterface(child.stdout)) {
        const address = /^ *page +(\S+)$/.exec(line)?.[1]
        if (address !== undefined) return { address, stop }
      }
      throw new Error('viewkeeper open ended before it printed an address')
    },
  }
}
