import { findGateway, localGateway } from '../../serve/process.ts'
import type { CommandTarget } from '../../src/words/commands.ts'
import { Problem } from '../../src/words/problem.ts'
import { readConfig } from '../project/folders.ts'
import type { Api, Client } from './api.ts'
import { clientOf } from './client.ts'

/** The APIs that were looked up, each with its signer: a lookup asks AWS. */
const signed = new Map<string, Promise<Client>>()

/** What `--env` calls the local gateway. */
export const local = 'local'

interface Named {
  env?: string
  url?: string
}

/** The environment that a command works on: `--env`, or VIEWKEEPER_ENV; undefined: the local one. */
function environmentOf({ env, url }: Named): string | undefined {
  const named = env ?? (url === undefined ? otherwise() : undefined)
  return named === local ? undefined : named
}

/** The environment of a command that names none. */
const otherwise = (): string | undefined => process.env.VIEWKEEPER_ENV || undefined

/** What a suggested command has to name, so that it works on the same API as this one. */
export function targetOf({ env, url }: Named): CommandTarget {
  const environment =
    environmentOf({ ...(env !== undefined && { env }), ...(url !== undefined && { url }) }) ?? null
  return url !== undefined ? { environment, url } : (environment ?? localTarget())
}

/** The local gateway as a suggested command names it: not at all, unless commands work on another environment. */
export const localTarget = (): CommandTarget => ((otherwise() ?? local) === local ? null : local)

/** What a command says that works on an environment which it does not name; null if that is the local one. */
const choiceOf = ({ env, url }: Named): string | null =>
  env !== undefined || url !== undefined || localTarget() === null
    ? null
    : `${otherwise()}, chosen by VIEWKEEPER_ENV`

/**
 * The API that a command works on, the first of: `--url`; that of its environment, which `viewkeeper serve` may serve; the gateway of
 * the folder; the `serve.pageUrl` of the configuration; the database of DATABASE_URL; the usual port of this machine. With both `--env`
 * and `--url`, requests go to that address and are signed for that environment.
 */
export async function apiOf({ env, url }: { env?: string; url?: string }): Promise<Api> {
  const named = { ...(env !== undefined && { env }), ...(url !== undefined && { url }) }
  const environment = environmentOf(named)
  const served = environment === undefined ? undefined : (await readConfig()).serve
  if (served !== undefined && served.environment === environment && url === undefined)
    return naming(choiceOf(named), gatewayOf(served.pageUrl ?? localGateway(), targetOf(named)))
  const address = url === undefined ? undefined : addressOf(url)
  const typed = targetOf({
    ...(env !== undefined && { env }),
    ...(address !== undefined && { url: address }),
  })
  if (environment !== undefined || (address && isExecuteApi(address)))
    return naming(choiceOf(named), { ...(await signedOnce(environment, address)), typed })
  if (address !== undefined || env === local) return gatewayOf(address ?? localGateway(), typed)
  if (isHere()) return gatewayOf(localGateway(), typed)
  const { pageUrl } = (await readConfig()).serve
  if (pageUrl !== undefined)
    return naming(`${pageUrl}, the pageUrl of the configuration`, gatewayOf(pageUrl, typed))
  const { DATABASE_URL } = process.env
  if (!DATABASE_URL) return gatewayOf(localGateway(), typed)
  // What answers routes is loaded only if nothing else does.
  const { directApi } = await import('./direct.ts')
  return naming('the database of DATABASE_URL', { ...(await directApi(DATABASE_URL)), typed })
}

/** Whether a gateway runs on the folder, or PORT names one: it comes before the address that the configuration has. */
const isHere = (): boolean =>
  findGateway(process.env.DATA_DIR || '.viewkeeper') !== undefined || Boolean(process.env.PORT)

/** What `viewkeeper serve` or a local process answers at an address. */
const gatewayOf = (url: string, typed: CommandTarget): Api => ({
  ...clientOf({ name: url, environment: null, url }),
  typed,
})

/** Says on standard error which environment was chosen, before the first request that changes something there. */
function naming(choice: string | null, api: Api): Api {
  if (choice === null) return api
  let isNamed = false
  return {
    ...api,
    send(method, path, options) {
      if (method !== 'GET' && !isNamed) process.stderr.write(`${choice}\n`)
      isNamed ||= method !== 'GET'
      return api.send(method, path, options)
    },
  }
}

function signedOnce(environment: string | undefined, address: string | undefined): Promise<Client> {
  const key = JSON.stringify([environment, address])
  // The AWS SDK is loaded only if something has to be signed: loading takes longer than most commands.
  const api =
    signed.get(key) ?? import('./signed.ts').then(({ signedApi }) => signedApi(environment, address))
  signed.set(key, api)
  api.catch(() => signed.delete(key))
  return api
}

/** Whether an address is one of API Gateway itself, which only takes signed requests. */
const isExecuteApi = (address: string): boolean => new URL(address).hostname.includes('.execute-api.')

/** A whole address without query and without a slash at its end. */
function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (
    url === null ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.username !== '' ||
    url.password !== ''
  )
    throw new Problem(
      'InvalidRequest',
      `--url ${text} is not the address of an API: write https://<host> or http://127.0.0.1:<port>, without a password.`,
      { field: '--url' },
    )
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}
