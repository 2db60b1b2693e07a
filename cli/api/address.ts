import { GetParameterCommand } from '@aws-sdk/client-ssm'
import { Problem } from '../../src/problem.ts'
import { nearest } from '../../src/sql/nearest.ts'
import { type Address, parameterName } from '../../src/sql/parameter.ts'
import { readConfig } from '../project/config.ts'
import { ApiUnavailable } from './api.ts'
import { awsProblem, parametersOf } from './aws.ts'

/** The address of an environment's API, without a slash at its end. */
export const addressOfEnvironment = async (
  environment: string,
  region: string | undefined,
): Promise<string> => (await findEnvironment(environment, region, 'apiUrl')).replace(/\/+$/, '')

/**
 * One thing of where an environment is. It stands in a parameter of SSM, in whatever stack the environment is; the caller needs
 * `ssm:GetParameter` on it.
 */
export async function findEnvironment(
  environment: string,
  region: string | undefined,
  what: Sought,
): Promise<string> {
  await refuseOddName(environment)
  const parameters = parametersOf(region)
  const { Parameter } = await parameters
    .send(new GetParameterCommand({ Name: parameterName(environment) }))
    .catch(async (error: Error) => {
      const where = await parameters.config.region().catch(() => 'its region')
      throw await whyNot(error, { environment, where })
    })
  return readAddress(Parameter?.Value ?? '', environment, what)
}

const titles = { apiUrl: 'an API', migrateArn: 'the function migrate' } satisfies Partial<
  Record<keyof Address, string>
>

type Sought = keyof typeof titles

function readAddress(text: string, environment: string, what: Sought): string {
  try {
    const found = (JSON.parse(text) as Partial<Address>)[what]
    if (found !== undefined && (what !== 'apiUrl' || URL.canParse(found))) return found
  } catch {
    // Told below.
  }
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
      ? `\`npx cdk deploy -c env=${environment} --all\` deploys it`
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
        `Or have the managed policy viewkeeper-${environment}-read attached to your user or role, and look at AWS_PROFILE.`,
      error,
    )
  return awsProblem(error)
}

/** That the configuration has no such environment, and which was meant; null if the name is no slip of a configured one. */
async function slipOf(environment: string): Promise<string | null> {
  const { file, environments } = await readConfig()
  const names = Object.keys(environments)
  const meant = names.includes(environment) ? undefined : nearest(environment, names)
  return meant === undefined
    ? null
    : `${file} has no environment ${environment}. Did you mean --env ${meant}?`
}

/** Which environments the configuration has, and which of them was meant. Empty if it has none. */
async function known(environment: string): Promise<string> {
  const { file, environments } = await readConfig()
  const names = Object.keys(environments)
  if (names.length === 0) return ''
  const meant = nearest(environment, names)
  const listed = ` ${file} has ${names.join(', ')}`
  return meant === undefined || meant === environment ? `${listed}.` : `${listed}: did you mean ${meant}?`
}
