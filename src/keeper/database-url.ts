import { existsSync, readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { homedir, userInfo } from 'node:os'
import type { ConnectionSource } from '../server/connect.ts'
import type { ConnectionOptions } from '../server/connection.ts'
import { Problem } from '../words/problem.ts'

/**
 * A secret: a variable, or the content of the file that `<variable>_FILE` names, as orchestrators mount it. Undefined if there is
 * neither. Refuses (InvalidRequest) both at once, and a file that cannot be read.
 */
export function readSecret(variable: string, env: NodeJS.ProcessEnv): string | undefined {
  const { [variable]: value, [`${variable}_FILE`]: file } = env
  if (value && file)
    throw refusedSecret(variable, `${variable} and ${variable}_FILE are both set. Unset one of them.`)
  if (!file) return value || undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw refusedSecret(`${variable}_FILE`, `${variable}_FILE names ${file}, which cannot be read (${code}).`)
  }
}

/** The same for a secret that has to be there. `what` says what it is. */
export function requireSecret(variable: string, what: string, env: NodeJS.ProcessEnv): string {
  const secret = readSecret(variable, env)
  if (secret !== undefined) return secret
  throw refusedSecret(
    variable,
    `${variable} is not set: it is ${what}. Set it, or ${variable}_FILE to a file that has it.`,
  )
}

const refusedSecret = (field: string, message: string) => new Problem('InvalidRequest', message, { field })

/** The parameters of libpq that are honoured, each with its variable. */
const honoured: Record<string, string> = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  options: 'PGOPTIONS',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
}

/** The variables of parameters that would make a difference, and are not honoured. */
const refused: Record<string, string> = {
  channel_binding: 'PGCHANNELBINDING',
  gssencmode: 'PGGSSENCMODE',
  sslnegotiation: 'PGSSLNEGOTIATION',
  service: 'PGSERVICE',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslcrl: 'PGSSLCRL',
  require_auth: 'PGREQUIREAUTH',
}

/** Values that say what is done anyway, each with what to do about another one. */
const already: Record<string, [RegExp, string]> = {
  channel_binding: [
    /^(prefer|disable)$/,
    'leave it out, and write sslmode=verify-full, which proves the server, too',
  ],
  gssencmode: [/^(prefer|disable)$/, 'leave it out'],
  sslnegotiation: [/^postgres$/, 'leave it out'],
  client_encoding: [/^(utf-?8|auto)$/i, 'leave it out'],
}

const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']

/** The grammar of libpq. In a password, an @ counts if another one follows. */
const grammar =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^/?#]*))?@)?(?<hosts>(?:\[[^\]]*\]|[^:@/?#,]*)(?::\d*)?(?:,(?:\[[^\]]*\]|[^:@/?#,]*)(?::\d*)?)*)(?:\/(?<dbname>[^@?#]*))?(?:\?(?<parameters>[^#]*))?$/

/**
 * Connection options from `postgres://user:password@host:port/database?…`, with the parameters, variables and password file of
 * libpq. Two defaults are stricter: without `sslmode` a server on another machine has to prove its name (`verify-full`), and
 * without roots of yours those of Node count, or of RDS. Refuses (InvalidRequest) by name what cannot be honoured.
 */
export function fromUrl(text: string, env: NodeJS.ProcessEnv = process.env): ConnectionSource {
  const options = read(text, env)
  return () => completed(options)
}

/** The server in DATABASE_URL, or in the file that DATABASE_URL_FILE names; undefined if neither is set. */
export function fromEnvironment(env: NodeJS.ProcessEnv): ConnectionSource | undefined {
  if (env.DATABASE_URL) return fromUrl(env.DATABASE_URL, env)
  // Read at each connection: a mounted secret may be exchanged at any time.
  return env.DATABASE_URL_FILE
    ? async () => completed(read(readSecret('DATABASE_URL', env) ?? '', env))
    : undefined
}

function read(text: string, env: NodeJS.ProcessEnv): ConnectionOptions {
  const said = parametersOf(text, env)
  const attributes = said.target_session_attrs ?? 'any'
  if (!/^(any|read-write|primary|prefer-standby)$/.test(attributes))
    throw badUrl(
      `target_session_attrs=${attributes} cannot be honoured: Viewkeeper writes, so write read-write`,
    )
  const [hosts = [], addresses = [], ports = []] = [said.host, said.hostaddr, said.port].map((each) =>
    each?.split(','),
  )
  const many = Math.max(1, hosts.length, addresses.length)
  if (addresses.length > 0 && hosts.length > 0 && addresses.length !== hosts.length)
    throw badUrl('it has not as many hosts as hostaddr')
  if (ports.length > 1 && ports.length !== many) throw badUrl('it has not as many ports as hosts')
  const [first, ...others] = Array.from({ length: many }, (_, at) => ({
    ...serverOf({
      ...said,
      host: hosts[at],
      hostaddr: addresses[at],
      port: ports[at] ?? (ports.length === 1 ? ports[0] : undefined),
    }),
    // One of several is taken only if it writes: nobody else is of use to Viewkeeper.
    ...(many > 1 && { writes: true as const }),
  })).toReversed()
  return others.reduce((next, server) => ({ ...server, next }), first as ConnectionOptions)
}

/** The options for one server. */
function serverOf(said: Partial<Record<string, string | undefined>>): ConnectionOptions {
  const host = (said.host || said.hostaddr || 'localhost').replace(/^\[|\]$/g, '')
  const port = Number(said.port || 5432)
  if (!(port >= 1 && port <= 65_535)) throw badUrl('its port is none')
  const user = said.user || userOfSystem()
  const isHere = isSocket(host) || (isLoopback(host) && isLoopback(said.hostaddr || host))
  const { options, connect_timeout: seconds = '0' } = said
  if (!/^\d+$/.test(seconds)) throw badUrl('connect_timeout is no number of seconds')
  return {
    host,
    ...(said.hostaddr && { hostaddr: said.hostaddr }),
    ...(isSocket(host) && { path: `${host}/.s.PGSQL.${port}` }),
    port,
    database: said.dbname || user,
    user,
    password: said.password ?? '',
    tls: isSocket(host)
      ? { verify: false }
      : tlsOf(said.sslmode || (isHere ? 'disable' : 'verify-full'), said.sslrootcert),
    ...(options && { options }),
    ...(Number(seconds) > 0 && { connectMs: Number(seconds) * 1000 }),
  }
}

/** What the URL says, and what the variables add. */
function parametersOf(text: string, env: NodeJS.ProcessEnv): Partial<Record<string, string>> {
  if (!/^postgres(ql)?:\/\//.test(text)) throw badUrl('it does not start with postgres://')
  const { parameters, hosts, ...parts } = grammar.exec(text)?.groups ?? { parameters: '@' }
  const servers = (hosts ?? '').split(',').map((each) => /^(.*?)(?::(\d*))?$/.exec(each) ?? [])
  if (servers.some(([, host]) => host)) parts.host = servers.map(([, host]) => host).join(',')
  if (servers.some(([, , port]) => port)) parts.port = servers.map(([, , port]) => port || '5432').join(',')
  const given = Object.entries(parts).flatMap(([name, value]) => (value ? [[name, value]] : []))
  const more = (parameters ?? '').split('&').filter(Boolean).map(pairOf)
  const names = more.map(([name]) => name)
  if (names.some((name) => !/^\w+$/.test(name)))
    throw badUrl(
      'a character of the user or the password must be percent-encoded: # is %23, / is %2F, ? is %3F, % is %25. ' +
        'Or leave the password out: PGPASSWORD, --password-from or --secret gives it',
    )
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (twice !== undefined) throw badUrl(`it has ${twice} twice, and which one counts is not certain`)
  const ofVariables = Object.entries({ ...honoured, ...refused }).flatMap(([name, variable]) =>
    env[variable] ? [[name, env[variable]]] : [],
  )
  const said: Record<string, string> = {
    ...Object.fromEntries(ofVariables),
    ...Object.fromEntries([...given, ...more].map(([name, value]) => [name, decoded(value!)])),
  }
  for (const [name, value] of Object.entries(said)) {
    const [same, instead] = already[name] ?? [/^$/, 'leave it out']
    if (name in honoured || same.test(value)) continue
    const place = names.includes(name) ? '' : ` (variable ${refused[name]})`
    throw badUrl(`${name}${place} cannot be honoured: ${instead}`)
  }
  return said
}

function pairOf(pair: string): [string, string] {
  const at = pair.indexOf('=')
  return at < 0 ? [`${pair}?`, ''] : [pair.slice(0, at), pair.slice(at + 1)]
}

/** `allow` is `prefer`: a server that can encrypts. */
function tlsOf(mode: string, file: string | undefined): ConnectionOptions['tls'] {
  if (!modes.includes(mode)) throw badUrl(`sslmode is one of ${modes.join(', ')}`)
  if (mode === 'disable') return { verify: false }
  if (mode === 'allow' || mode === 'prefer') return { verify: false, encrypts: 'prefer' }
  const usual = `${homedir()}/.postgresql/root.crt`
  const named = file ?? (existsSync(usual) ? usual : undefined)
  const roots = named === undefined || named === 'system' ? null : [readRoots(named)]
  if (mode === 'verify-full') return { verify: true, roots }
  // As in libpq, roots make `require` verify.
  if (roots !== null) return { verify: true, roots, anyName: true }
  if (mode === 'verify-ca')
    throw badUrl(
      'sslmode=verify-ca needs sslrootcert, a file of your own authority: any site has a certificate of a public one',
    )
  warnOnce(
    'sslmode=require encrypts, and does not prove who the server is. sslmode=verify-full does: try it first.',
  )
  return { verify: false, encrypts: 'require' }
}

function readRoots(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw badUrl(
      `the file ${file}, which sslrootcert names, cannot be read (${(error as NodeJS.ErrnoException).code})`,
    )
  }
}

/** Adds the roots of RDS for a server of RDS, and the password of the password file (`PGPASSFILE`, `~/.pgpass`). */
async function completed(given: ConnectionOptions): Promise<ConnectionOptions> {
  if (given.next) given = { ...given, next: await completed(given.next) }
  const { tls } = given
  const options =
    tls.verify && tls.roots === null && /\.rds\.amazonaws\.com(\.cn)?$/.test(given.host)
      ? { ...given, tls: { ...tls, roots: (await import('./rds-roots.ts')).rdsRoots } }
      : given
  if (options.password) return options
  const { default: ofFile } = await import('pgpass')
  const host = isSocket(options.host) ? 'localhost' : options.host
  return new Promise((resolve) =>
    ofFile({ ...options, host }, (password = '') => resolve({ ...options, password })),
  )
}

let warned = false

function warnOnce(text: string): void {
  if (!warned) process.stderr.write(`viewkeeper: ${text}\n`)
  warned = true
}

/** Refuses a stray `%` instead of guessing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw badUrl('a % in it does not begin a percent-encoded character; write %25 for %')
  }
}

function userOfSystem(): string {
  try {
    return userInfo().username
  } catch {
    throw badUrl('it names no user')
  }
}

/** Whether only this machine can reach the address. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

const isSocket = (host: string): boolean => host.startsWith('/')

/** The message does not show the URL, because the URL holds the password. */
const badUrl = (why: string): Problem =>
  new Problem(
    'InvalidRequest',
    `DATABASE_URL cannot be used: ${why}. Write postgres://user:password@host:5432/database.`,
    { field: 'DATABASE_URL' },
  )
