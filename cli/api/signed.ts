import { DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { environments } from '../../infra/environments.ts'
import { nearest } from '../../src/plan/nearest.ts'
import { Problem } from '../../src/problem.ts'
import { regionOf } from '../target/region.ts'
import { isExpired, messageOf } from './answers.ts'
import type { Api } from './api.ts'
import { awsProblem, cloudFormationOf, type Signer, signerOf } from './aws.ts'
import { type AddressedRequest, clientOf, fetchOnce } from './client.ts'
import { plainPaths } from './plain-path.ts'
import { ApiUnavailable } from './unavailable.ts'

/**
 * An API whose requests are signed with the caller's AWS credentials. Without an address it is looked up in the outputs
 * of the environment's stack, for which the caller needs `cloudformation:DescribeStacks`.
 */
export async function signedApi(environment: string | undefined, address: string | undefined): Promise<Api> {
  const region =
    environment === undefined ? regionIn(address as string) : (regionOf(environment) ?? regionIn(address))
  const url = address ?? (await addressOfStack(environment as string, region))
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

/** What is signed may be read along on the way, and a token of a session is sent with it. */
function refuseOpenNetwork(url: string): void {
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' || /^(127\.\d+\.\d+\.\d+|\[::1\]|(.*\.)?localhost)$/.test(hostname)) return
  throw new Problem(
    'InvalidRequest',
    `${url} is not encrypted, and requests to it would carry your AWS credentials' signature. Write https://.`,
    { field: '--url' },
  )
}

async function addressOfStack(environment: string, region: string | undefined): Promise<string> {
  refuseOddName(environment)
  const stack = `viewkeeper-${environment}`
  const cloudFormation = cloudFormationOf(region)
  const { Stacks } = await cloudFormation
    .send(new DescribeStacksCommand({ StackName: stack }))
    .catch(async (error: Error) => {
      const where = await cloudFormation.config.region().catch(() => 'its region')
      throw whyNoStack(error, { environment, stack, where })
    })
  const url = Stacks?.[0]?.Outputs?.find(({ OutputKey }) => OutputKey === 'ApiUrl')?.OutputValue
  if (url === undefined)
    throw new Problem(
      'InvalidRequest',
      `Stack ${stack} has no output ApiUrl yet: it is being made, or its first deploy failed. Run \`npx cdk deploy -c env=${environment} --all\`.`,
      { field: '--env' },
    )
  return url.replace(/\/+$/, '')
}

/** Names of environments are short and plain: anything else is a slip, and stays out of what people are told to type. */
function refuseOddName(environment: string): void {
  if (/^[a-z][a-z0-9-]{0,19}$/.test(environment)) return
  throw new Problem(
    'InvalidRequest',
    `"${environment}" is not the name of an environment.${known(environment)}`,
    {
      field: '--env',
    },
  )
}

function whyNoStack(
  error: Error,
  { environment, stack, where }: { environment: string; stack: string; where: string },
): Error {
  if (error.name === 'ValidationError' && error.message.includes('does not exist'))
    return new Problem(
      'InvalidRequest',
      `There is no environment ${environment} in this account in ${where}.${known(environment)} ` +
        `\`npx cdk deploy -c env=${environment} --all\` deploys it; AWS_PROFILE chooses another account, AWS_REGION another region.`,
      { field: '--env', cause: error },
    )
  if (/AccessDenied|UnauthorizedOperation/.test(error.name))
    return new ApiUnavailable(
      'NotAllowed',
      `Your AWS credentials may not read stack ${stack} in ${where}. Either there is no such environment.${known(environment)} ` +
        `Or have the managed policy viewkeeper-${environment}-read attached to your user or role, and look at AWS_PROFILE.`,
      error,
    )
  return awsProblem(error)
}

function known(environment: string): string {
  const names = Object.keys(environments)
  const meant = nearest(environment, names)
  const listed = ` infra/environments.ts has ${names.join(', ')}`
  return meant === undefined || meant === environment ? `${listed}.` : `${listed}: did you mean ${meant}?`
}
