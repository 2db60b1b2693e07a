import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)

const repository = fileURLToPath(new URL('../../', import.meta.url))
const commandLine = join(repository, 'cli/viewkeeper.js')

interface LocalSystem {
  /** The address of its PostgreSQL. */
  url: string
  /** Runs `viewkeeper` in the folder. */
  run: (...args: string[]) => Promise<string>
}

/** Runs `viewkeeper dev` on a temporary folder with these files while `work` runs. Leaves nothing. */
export async function withLocalSystem<T>(
  files: Record<string, string>,
  work: (system: LocalSystem) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-bench-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(repository, join(folder, 'node_modules/viewkeeper'))
  for (const [file, content] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), content)
  }
  const started = { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1' } }
  const dev = spawn(process.execPath, [commandLine, 'dev'], {
    ...started,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(dev, 'exit')
  const interrupt = () => dev.kill('SIGINT')
  process.once('SIGINT', interrupt)
  try {
    await isReady(dev.stdout, ended)
    const runIn = async (env: NodeJS.ProcessEnv, args: string[]) =>
      (
        await execute(process.execPath, [commandLine, ...args], {
          ...started,
          env: { ...started.env, ...env },
        })
      ).stdout
    const url = (await runIn({}, ['dev', '--database-url'])).trim()
    await runIn({ DATABASE_URL: url }, ['freeze', '-m', 'first'])
    await runIn({ DATABASE_URL: url }, ['migrate', 'up'])
    return await work({ url, run: (...args) => runIn({}, args) })
  } finally {
    interrupt()
    await ended
    process.off('SIGINT', interrupt)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Waits for the last line of the start. */
async function isReady(lines: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<void> {
  let printed = ''
  const seen = new Promise<void>((resolve) => {
    lines.on('data', (chunk) => {
      printed += chunk
      if (printed.includes('Ctrl-C stops everything')) resolve()
    })
  })
  await Promise.race([
    seen,
    ended.then(() => {
      throw new Error(`viewkeeper dev has ended:\n${printed}`)
    }),
  ])
}
