import { readViews } from '../../src/api/ask.ts'
import { Problem } from '../../src/problem.ts'
import { parseName } from '../../src/sql/names.ts'
import { regionOf } from '../project/config.ts'
import { addressOfEnvironment } from './address.ts'
import { isExpired, messageOf } from './answers.ts'
import type { Api, Client } from './api.ts'
import { type Signer, signerOf } from './aws.ts'
import { type AddressedRequest, clientOf, fetchOnce } from './client.ts'

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

/** Characters that no program encodes. A name of dots only is left out, because URLs drop such a name. */
const isPlain = (segment: string): boolean => /^(?!\.+$)[A-Za-z0-9_.~-]+$/.test(segment)

/** For this long (ms) a view's id is known, so that a page about the view does not list all views each time. */
const knownForMs = 60_000

/**
 * Writes paths for requests that are signed: a view whose name needs percent-encoding is named by its id, because
 * programs that sign encode such names differently. UnknownView: no view has the name, or the view has no id yet.
 */
function plainPaths(api: Pick<Api, 'send'>): (path: string) => Promise<string> {
  const ids = new Map<string, { id: string; until: number }>()
  return async (path) => {
    const [route = '', ...query] = path.split('?')
    const [root, collection, item, ...rest] = route.split('/')
    if (item === undefined || isPlain(item)) return path
    if (collection !== 'views') throw new Problem('UnknownRoute', `There is no ${route}.`)
    const name = decode(item)
    let known = ids.get(name)
    if (known === undefined || known.until < Date.now()) {
      known = { id: await idOf(api, name), until: Date.now() + knownForMs }
      ids.set(name, known)
    }
    return [[root, collection, known.id, ...rest].join('/'), ...query].join('?')
  }
}

/** Decodes percent-encoded text. A text with a stray `%` stays as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

async function idOf(api: Pick<Api, 'send'>, written: string): Promise<string> {
  const { schema, name } = parseName(written)
  const { views } = await readViews(api)
  const found = views.filter((each) => each.name === name && (schema === null || each.schema === schema))
  const [view, ...others] = found
  if (view === undefined) throw new Problem('UnknownView', `${written} is not a materialized view.`)
  if (others.length > 0)
    throw new Problem(
      'InvalidRequest',
      `${written} is the name of ${found.map((each) => each.view).join(' and ')}: write it with its schema.`,
      { field: 'view' },
    )
  if (view.id === null)
    throw new Problem(
      'UnknownView',
      `${view.view} has no id yet, and its name cannot be signed. The monitor gives it an id within some minutes: try again then.`,
    )
  return String(view.id)
}
