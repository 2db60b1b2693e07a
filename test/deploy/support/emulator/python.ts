import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { succeed } from '../command.ts'
import { Unable } from '../transcript.ts'

const emulator = fileURLToPath(new URL('requirements.txt', import.meta.url))

/** The interpreter of a virtual environment with the pinned packages, the emulator's by default; made once for each set of pins. */
export async function preparePython(
  cache: string,
  log: string,
  requirements = emulator,
  what = 'The emulator of AWS',
): Promise<string> {
  const pins = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12)
  const folder = join(cache, `python-${pins}`)
  if (!existsSync(folder)) {
    const python = findPython(what)
    // A folder of its own until it is whole, so that an interrupted installation is not taken for a good one.
    const half = `${folder}.half`
    rmSync(half, { recursive: true, force: true })
    mkdirSync(dirname(half), { recursive: true })
    await succeed(python, ['-m', 'venv', half], { log })
    await succeed(join(half, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '-r', requirements], {
      log,
    })
    renameSync(half, folder)
  }
  return join(folder, 'bin', 'python')
}

/** A Python on this machine that makes virtual environments; says otherwise what needs it. */
export function findPython(what: string): string {
  for (const python of ['python3', 'python'])
    try {
      execFileSync(python, ['-c', 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10)'], {
        stdio: 'ignore',
      })
      return python
    } catch {
      // the next one
    }
  throw new Unable(
    `${what} needs Python 3.10 or newer with venv, and PATH has none. On Debian: apt-get install python3-venv`,
  )
}
