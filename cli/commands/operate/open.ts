import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Command } from 'commander'
import { hrefOf } from '../../../page/address.ts'
import { dim, paint, report } from '../../../src/terminal/report.ts'
import type { Api } from '../../api/api.ts'
import { apiOf, local } from '../../api/api-of.ts'
import { startProxy } from '../../api/proxy.ts'
import { print, printJson } from '../../output/terminal.ts'
import { readConfig } from '../../project/folders.ts'
import { type Format, formatted, operating, positive } from '../asking.ts'

// What leads to an environment: `env` lists them, `open` shows the page of one.

interface ListOptions {
  json?: boolean
  output?: Format
}

/** Declares `env`. */
export function addEnv(program: Command): void {
  const env = program
    .command('env')
    .description('list environments')
    .action(() => list({}))
  formatted(env.command('list'), ['json', 'name'])
    .description('list the environments of the configuration')
    .action((options) => list(options))
}

/** Lists the environments of the configuration, and says which one commands work on that name none. */
async function list({ json, output }: ListOptions): Promise<void> {
  const { file, environments } = await readConfig()
  const chosen = process.env.VIEWKEEPER_ENV || local
  const names = [...new Set([local, ...Object.keys(environments), chosen])]
  if (json) return printJson({ environments: names, chosen })
  if (output === 'name') return print(...names)
  print(...names.map((name) => (name === chosen ? paint('bold', `* ${name}`) : `  ${name}`)))
  if (process.env.VIEWKEEPER_ENV) print('', 'VIEWKEEPER_ENV chooses it.')
  if (file === null)
    print('', 'There is no viewkeeper.config.ts here: any deployed environment can be named with --env.')
}

/** The program that opens an address in the browser, with its first arguments; undefined if there is no screen. */
function openerOf(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): [string, ...string[]] | undefined {
  if (platform === 'darwin') return ['open']
  // `start` is no program but a word of the shell, which would read `%` and `&` in an address in its own way.
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  return env.DISPLAY || env.WAYLAND_DISPLAY ? ['xdg-open'] : undefined
}

/** Opens an address in the browser of this machine. False: it has no screen, or no program that opens addresses. */
async function openBrowser(address: string): Promise<boolean> {
  const opener = openerOf(process.platform, process.env)
  if (opener === undefined) return false
  const [program, ...first] = opener
  const child = spawn(program, [...first, address], { stdio: 'ignore', detached: true })
  try {
    await once(child, 'spawn')
  } catch {
    return false
  }
  child.unref()
  return true
}

interface OpenOptions {
  /** The page of this view. Default: the page of all views. */
  view?: string
  env?: string
  url?: string
  /** The port of the proxy. Default: a free one. */
  port?: number
  /** False: only print the address. */
  browser?: boolean
}

/** Declares `open`. */
export function addOpen(program: Command): void {
  operating(program, 'open', [])
    .argument('[view]', 'the page of this view')
    .description('open the page in the browser')
    .option('--port <n>', 'the port of the proxy that signs (default: a free one)', positive)
    .option('--no-browser', 'only print the address')
    .action((view, options) => open({ view, ...options }))
}

/**
 * Opens the page in the browser. The local gateway serves the page itself. For any other API this command serves the
 * page through a proxy on loopback, which signs, until Ctrl-C.
 */
export async function open({ view, env, url, port = 0, browser = true }: OpenOptions): Promise<void> {
  const api = await apiOf({ env, url })
  const place = view === undefined ? '' : hrefOf('view', view)
  if (isLocalGateway(api)) {
    // What a gateway answers without its database, so that the page can say what is wrong.
    await api.send('GET', '/openapi.json')
    return show(`${api.url}/${place}`, browser)
  }
  const proxy = await startProxy({ api, port })
  const ended = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, resolve)
  })
  await show(`${proxy.address}${place}`, browser)
  report.line(
    dim(`The address has a token, with which anybody acts on ${api.name} as you. Ctrl-C ends the proxy.`),
  )
  await ended
  await proxy.close()
}

/** Whether the API is a gateway on this machine, which has a page of its own and wants no signature. */
const isLocalGateway = ({ environment, url }: Api): boolean =>
  environment === null && ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)

async function show(address: string, browser: boolean): Promise<void> {
  report.line(`page  ${address}`)
  if (browser && !(await openBrowser(address)))
    report.line(dim('No browser can be started here: open the address yourself.'))
}
