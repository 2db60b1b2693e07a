import { Problem } from '../../src/problem.ts'
import type { Api } from './api.ts'
import { clientOf } from './client.ts'

/** The APIs that were looked up, each with its signer: a lookup asks AWS. */
const signed = new Map<string, Promise<Api>>()

/**
 * The API that a command works on: `--url`, `--env`, VIEWKEEPER_ENV, or else the local gateway. With both `--env` and
 * `--url`, requests go to that address and are signed for that environment.
 */
export async function apiOf({ env, url }: { env?: string; url?: string }): Promise<Api> {
  const environment = env ?? (url === undefined ? process.env.VIEWKEEPER_ENV || undefined : undefined)
  const address = url === undefined ? undefined : addressOf(url)
  if (environment !== undefined || (address && isExecuteApi(address))) return signedOnce(environment, address)
  const local = address ?? `http://127.0.0.1:${process.env.PORT || 8787}`
  return clientOf({ name: local, environment: null, url: local })
}

function signedOnce(environment: string | undefined, address: string | undefined): Promise<Api> {
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
