import { LambdaClient } from '@aws-sdk/client-lambda'
import { SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

// Files share a worker: what others have loaded is loaded anew with the mock, and is gone with it.
vi.resetModules()
vi.doMock('../../../src/config/load-config.ts', () => ({
  loadConfig: async () => ({
    environments: { stated: { region: 'eu-west-3' }, unstated: {}, profiled: { profile: 'shop' } },
  }),
}))
const { deployedTarget } = await import('../../../cli/target/deployed.ts')
afterAll(() => {
  vi.doUnmock('../../../src/config/load-config.ts')
  vi.resetModules()
})

beforeEach(() => {
  vi.stubEnv('AWS_REGION', 'eu-north-1')
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const Parameter = { Value: 'none,none,made-up' }
  vi.spyOn(SSMClient.prototype, 'send').mockResolvedValue({ Parameter } as never)
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

test('an environment is reached with its profile, unless variables say whose credentials are used', async () => {
  const answer = { Payload: { transformToString: () => '{"views":[]}' } }
  vi.spyOn(LambdaClient.prototype, 'send').mockResolvedValue(answer as never)
  const profileWith = async (variables: Record<string, string | undefined>) => {
    for (const name of ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID']) vi.stubEnv(name, variables[name])
    await deployedTarget('profiled').describe('all')
    return process.env.AWS_PROFILE
  }
  expect(await profileWith({})).toBe('shop')
  expect(await profileWith({ AWS_PROFILE: 'mine' })).toBe('mine')
  expect(await profileWith({ AWS_ACCESS_KEY_ID: 'key' })).toBeUndefined()
})

const clientOf = (send: { mock: { contexts: unknown[] } }) => send.mock.contexts[0] as LambdaClient

describe.each([
  ['stated', 'eu-west-3', 'that it states'],
  ['unstated', 'eu-north-1', 'of the credentials'],
  ['unknown', 'eu-north-1', 'of the credentials'],
])('the environment %s is looked for in %s', (env, region, whose) => {
  test(`by what works on its database, the region ${whose}`, async () => {
    const answer = { Payload: { transformToString: () => '{"views":[]}' } }
    const send = vi.spyOn(LambdaClient.prototype, 'send').mockResolvedValue(answer as never)
    expect(await deployedTarget(env).describe('all')).toEqual([])
    expect(await clientOf(send).config.region()).toBe(region)
    expect(send.mock.calls[0]?.[0].input).toMatchObject({ FunctionName: 'made-up' })
  })
})

test('a database with more migrations than the deployed version is refused, whatever the folder has', async () => {
  const answer = { applied: [], pending: [], ahead: ['002_sales', '003_rates'] }
  vi.spyOn(LambdaClient.prototype, 'send').mockResolvedValue({
    Payload: { transformToString: () => JSON.stringify(answer) },
  } as never)
  await expect(deployedTarget('unstated').status()).rejects.toMatchObject({
    code: 'MigrationFailed',
    message:
      'unstated: its database has 002_sales, 003_rates, and the deployed version lacks them. Deploy a version that has them.',
  })
})
