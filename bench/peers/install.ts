import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Binaries } from '../../local/embedded/binaries.ts'

export const execute = promisify(execFile)

/** What could be installed. A part that is missing is left out of the comparison. */
export interface Tools {
  /** Debian's PostgreSQL 15 with pg_cron. */
  debian?: Binaries & { basebackup: string }
  psql?: string
  dbt?: { command: string; version: string }
  /** What is missing, and why, in words. */
  missing: string[]
}

/** Later versions of dbt-core download a part of themselves from GitHub while pip installs them. */
const dbtPackages = ['dbt-core==1.10.*', 'dbt-postgres==1.9.*']

/** Installs pg_cron and dbt into `folder`, and nothing outside of it. */
export async function installTools(folder: string): Promise<Tools> {
  const missing: string[] = []
  const attempt = async <T>(what: string, install: () => Promise<T>): Promise<T | undefined> => {
    console.error(`bench: installing ${what} into ${folder}`)
    try {
      return await install()
    } catch (error) {
      const lines = `${(error as { stderr?: string }).stderr || (error as Error).message}`.trim().split('\n')
      missing.push(`${what}: ${lines.at(-1)}`)
      return undefined
    }
  }
  const debian = await attempt('pg_cron (Debian postgresql-15-cron)', () => installCron(folder))
  const psql = await attempt('psql', findPsql)
  const dbt = await attempt('dbt-postgres', () => installDbt(folder))
  return { ...(debian && { debian }), ...(psql && { psql }), ...(dbt && { dbt }), missing }
}

const lib = '/usr/lib/postgresql/15'
const share = '/usr/share/postgresql/15'

/** A copy of the distribution's server, which looks for its files beside itself, and the extension in it. */
async function installCron(folder: string): Promise<NonNullable<Tools['debian']>> {
  if (!existsSync(`${lib}/bin/postgres`)) throw new Error(`there is no ${lib}: apt-get install postgresql-15`)
  const root = join(folder, 'debian')
  for (const part of [lib, share]) cpSync(part, join(root, part), { recursive: true, verbatimSymlinks: true })
  mkdirSync(join(root, 'debs'))
  await execute('apt-get', ['download', 'postgresql-15-cron'], { cwd: join(root, 'debs') })
  const [deb] = globSync('*.deb', { cwd: join(root, 'debs') })
  await execute('dpkg', ['-x', join(root, 'debs', deb!), root])
  const bin = join(root, lib, 'bin')
  return {
    initdb: join(bin, 'initdb'),
    postgres: join(bin, 'postgres'),
    basebackup: join(bin, 'pg_basebackup'),
  }
}

async function findPsql(): Promise<string> {
  if (existsSync(`${lib}/bin/psql`)) return `${lib}/bin/psql`
  return execFileSync('which', ['psql'], { encoding: 'utf8' }).trim()
}

async function installDbt(folder: string): Promise<NonNullable<Tools['dbt']>> {
  const venv = join(folder, 'dbt')
  await execute('python3', ['-m', 'venv', venv])
  await execute(join(venv, 'bin/pip'), ['install', '--quiet', ...dbtPackages])
  const { stdout } = await execute(join(venv, 'bin/pip'), ['list', '--format=freeze'])
  const version = /^dbt-core==(.*)$/m.exec(stdout)![1]!
  return { command: join(venv, 'bin/dbt'), version }
}
