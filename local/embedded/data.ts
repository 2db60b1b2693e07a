import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LocalProblem } from '../process/problem.ts'
import type { ServerUser } from './server-user.ts'

/**
 * Makes the data folder with `initdb`, the first time. Text is UTF-8 and sorts by code point, so that results are the
 * same on every machine. Nobody but the owner of the folder can read the password, which other users of this machine
 * would need: a superuser of Postgres can run programs.
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
  const half = mkdtempSync(`${data}.`) // renamed when complete: a killed initdb leaves nothing that looks whole
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
    if (existsSync(data)) return // another process was quicker
    const said = (cause as { stderr?: string }).stderr?.trim().split('\n') ?? []
    throw new LocalProblem(
      `initdb could not make ${data}: ${said.find((line) => /error:/.test(line)) ?? cause}`,
      { cause },
    )
  }
}

/** The password of user `postgres`, in a file that only its owner reads; made up the first time. */
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
