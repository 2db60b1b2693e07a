import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LocalProblem } from '../../serve/process/options.ts'
import type { ServerUser } from './server-user.ts'

/**
 * Makes the data folder with `initdb` unless it exists. Text is UTF-8 and sorts by code point, so that
 * results are the same on every machine. The server requires a password that only the folder's owner can
 * read: without the password, another user of this machine could run programs as a superuser of PostgreSQL.
 */
export async function makeData(options: {
  data: string
  password: string
  initdb: string
  version: number
  user: ServerUser
}) {
  const { data, version, user } = options
  if (existsSync(data)) return
  // The folder gets its final name when it is complete: an initdb that is killed leaves no folder of that
  // name.
  const half = mkdtempSync(`${data}.`)
  user.own(half)
  const locale = version >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : []
  const { file, args, as } = user.command(
    options.initdb,
    `--pgdata=${half}`,
    '--username=postgres',
    `--pwfile=${options.password}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    ...locale,
    '--no-sync',
    '--no-instructions',
  )
  try {
    await promisify(execFile)(file, args, { ...as, cwd: '/', env: { PATH: process.env.PATH, LC_ALL: 'C' } })
    renameSync(half, data)
  } catch (cause) {
    rmSync(half, { recursive: true, force: true })
    if (existsSync(data)) return // another process has made the folder in the meantime
    const lines = (cause as { stderr?: string }).stderr?.trim().split('\n') ?? []
    throw new LocalProblem(
      `initdb could not make ${data}: ${lines.find((line) => /error:/.test(line)) ?? cause}`,
      { cause },
    )
  }
}

/**
 * The password of user `postgres`, generated the first time, and its file, which only the owner of the file
 * can read.
 */
export function keepPassword(folder: string, user: ServerUser): { file: string; password: string } {
  const file = join(folder, 'password')
  try {
    writeFileSync(file, randomBytes(18).toString('base64url'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  user.own(file)
  return { file, password: readFileSync(file, 'utf8') }
}
