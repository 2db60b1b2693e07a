import { GetParameterCommand } from '@aws-sdk/client-ssm'
import { readViews } from '../../src/api/ask.ts'
import { type Address, addressKeys, parameterName, policyName } from '../../src/api/lambda/aws-names.ts'
import { nearest, parseName } from '../../src/words/names.ts'
import { Problem } from '../../src/words/problem.ts'
import { readConfig, regionOf } from '../project/folders.ts'
import { type Api, ApiUnavailable, type Client, isExpired, messageOf } from './api.ts'
import { awsProblem, parametersOf, type Signer, signerOf } from './aws.ts'
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
  const parameter = address === undefined ? await readParameter(environment as string, region) : ''
  const url = address ?? readAddress(parameter, environment as string, 'apiUrl').replace(/\/+$/, '')
  refuseOpenNetwork(url)
  const where = await regionHere(region)
  const api = clientOf({
    name: environment ?? url,
    environment: environment ?? null,
    url,
    policyFor:
      environment === undefined
        ? undefined
        : (policy) => policyName(partOf(parameter, 'physicalName') ?? environment, policy, where),
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

/** One thing of where an environment is. */
export const findEnvironment = async (
  environment: string,
  region: string | undefined,
  what: Sought,
): Promise<string> => readAddress(await readParameter(environment, region), environment, what)

/**
 * Where an environment is. It stands in a parameter of SSM, in whatever stack the environment is; the caller needs `ssm:GetParameter`
 * on it.
 */
async function readParameter(environment: string, region: string | undefined): Promise<string> {
  await refuseOddName(environment)
  const parameters = parametersOf(region)
  const { Parameter } = await parameters
    .send(new GetParameterCommand({ Name: parameterName(environment) }))
    .catch(async (error: Error) => {
      throw await whyNot(error, { environment, where: await regionHere(region) })
    })
  return Parameter?.Value ?? ''
}

/** The region that is asked. */
const regionHere = (region: string | undefined): Promise<string> =>
  parametersOf(region)
    .config.region()
    .catch(() => '<region>')

const partOf = (parameter: string, key: keyof Address): string | undefined =>
  parameter.split(',')[addressKeys.indexOf(key)]

const titles = {
  apiUrl: 'an API',
  migrateArn: 'the function migrate',
  mailTopicArn: 'the topic of mails',
} satisfies Partial<Record<keyof Address, string>>

type Sought = keyof typeof titles

function readAddress(text: string, environment: string, what: Sought): string {
  const found = partOf(text, what)
  if (found === 'none')
    throw new Problem(
      'InvalidRequest',
      `${environment} has no HTTP API (api: false): with --env, only migrate, drift, adopt and doctor work there.`,
      { field: '--env' },
    )
  if (found !== undefined && (what !== 'apiUrl' || URL.canParse(found))) return found
  throw new Problem(
    'InvalidRequest',
    `The parameter ${parameterName(environment)} does not say where ${titles[what]} is: somebody has changed it. Deploy ${environment} again.`,
    { field: '--env' },
  )
}

/** Names of environments are short and plain: anything else is a slip, and stays out of what people are told to type. */
async function refuseOddName(environment: string): Promise<void> {
  if (/^[a-z][a-z0-9-]{0,19}$/.test(environment)) return
  throw new Problem(
    'InvalidRequest',
    `"${environment}" is not the name of an environment.${await known(environment)}`,
    { field: '--env' },
  )
}

async function whyNot(
  error: Error,
  { environment, where }: { environment: string; where: string },
): Promise<Error> {
  const slip = await slipOf(environment)
  if (slip !== null) return new Problem('InvalidRequest', slip, { field: '--env', cause: error })
  if (error.name === 'ParameterNotFound') {
    const isConfigured = Object.hasOwn((await readConfig()).environments, environment)
    const deploys = isConfigured
      ? `\`npx cdk deploy -c env=${environment}\` deploys it`
      : 'A deploy of the stack that has it makes it'
    return new Problem(
      'InvalidRequest',
      `There is no environment ${environment} in this account in ${where}.${await known(environment)} ` +
        `${deploys}; AWS_PROFILE chooses another account, AWS_REGION another region.`,
      { field: '--env', cause: error },
    )
  }
  if (/AccessDenied|UnauthorizedOperation/.test(error.name))
    return new ApiUnavailable(
      'NotAllowed',
      `Your AWS credentials may not read parameter ${parameterName(environment)} in ${where}. Either there is no such environment.${await known(environment)} ` +
        `Or have the managed policy ${policyName(environment, 'read', where)} (with its \`physicalName\`, if it has one) attached to your user or role, and look at AWS_PROFILE.`,
      error,
    )
  const isConfigured = Object.hasOwn((await readConfig()).environments, environment)
  if (error.message.includes('Region is missing') && !isConfigured)
    return new Problem(
      'InvalidRequest',
      `The configuration of this folder has no environment ${environment}.${await known(environment)} Set AWS_REGION if it is in AWS all the same.`,
      { field: '--env', cause: error },
    )
  return awsProblem(error)
}

/** That the configuration has no such environment, and which was meant; null if the name is no slip of a configured one. */
async function slipOf(environment: string): Promise<string | null> {
  const { file, names } = await configured()
  const meant = names.includes(environment) ? undefined : nearest(environment, names)
  return meant === undefined
    ? null
    : `${file} has no environment ${environment}. Did you mean --env ${meant}?`
}

/** The names that `--env` takes in this folder. */
async function configured(): Promise<{ file: string | null; names: string[] }> {
  const { file, environments, serve } = await readConfig()
  return { file, names: [...Object.keys(environments), ...(serve.environment ? [serve.environment] : [])] }
}

/** Which environments the configuration has, and which of them was meant. Empty if it has none. */
async function known(environment: string): Promise<string> {
  const { file, names } = await configured()
  if (names.length === 0) return ''
  const meant = nearest(environment, names)
  const listed = ` ${file} has ${names.join(', ')}`
  return meant === undefined || meant === environment ? `${listed}.` : `${listed}: did you mean ${meant}?`
}
