import { Problem } from '../../src/problem.ts'
import { regionOf } from '../project/config.ts'
import { addressOfEnvironment } from './address.ts'
import { isExpired, messageOf } from './answers.ts'
import type { Client } from './api.ts'
import { type Signer, signerOf } from './aws.ts'
import { type AddressedRequest, clientOf, fetchOnce } from './client.ts'
import { plainPaths } from './plain-path.ts'

/**
 * An API whose requests are signed with the caller's AWS credentials. Without an address it is looked up in the
 * environment's parameter, for which the caller needs `ssm:GetParameter`.
 */
export async function signedApi(
  environment: string | undefined,
  address: string | undefined,
): Promise<Client> {
  const region =
    environment === undefined
      ? regionIn(address as string)
      : ((await regionOf(environment)) ?? regionIn(address))
  const url = address ?? (await addressOfEnvironment(environment as string, region))
  refuseOpenNetwork(url)
  const api = clientOf({
    name: environment ?? url,
    environment: environment ?? null,
    url,
    deliver: deliverWith(signerOf(region)),
  })
  const plainPath = plainPaths(api)
  return {
    ...api,
    send: async (method, path, options) => api.send(method, await plainPath(path), options),
    forward: async (request) => api.forward({ ...request, path: await plainPath(request.path) }),
  }
}

/** Signs and sends. If the credentials turn out to be too old, sends once more with those that are valid now. */
const deliverWith =
  (signer: Signer) =>
  async (request: AddressedRequest): Promise<Response> => {
    const answer = await fetchOnce(await signer.sign(request))
    if (answer.status !== 403 || !isExpired(messageOf(await answer.clone().text()))) return answer
    signer.outdate()
    return fetchOnce(await signer.sign(request))
  }

/** `eu-central-1` in `https://abc.execute-api.eu-central-1.amazonaws.com`; undefined if there is no region. */
const regionIn = (address: string | undefined): string | undefined =>
  /\.execute-api\.([a-z]{2}(?:-[a-z]+)+-\d)\./.exec(address ?? '')?.[1]

/** Refuses an address without TLS: others on the way could read the request, its signature and the session's token. */
function refuseOpenNetwork(url: string): void {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' || /^(127\.\d+\.\d+\.\d+|\[::1\]|(.*\.)?localhost)$/.test(hostname)) return
  throw new Problem(
    'InvalidRequest',
    `${url} is not encrypted, and requests to it would carry your AWS credentials' signature. Write https://.`,
    { field: '--url' },
  )
}
