import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readConfiguration } from '../../../src/api/lambda/configuration.ts'
import { fromSecret } from '../../../src/api/lambda/login.ts'

const fetchFresh = (env: NodeJS.ProcessEnv) =>
  fromSecret(String(env.DATABASE_SECRET_ARN), env)({ fresh: true })
const databaseOf = (env: NodeJS.ProcessEnv) => readConfiguration(env).database

describe('the secret', () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:000000000000:secret:db'
  let secret: string
  let fetched: string[]

  beforeEach(() => {
    fetched = []
    vi.stubEnv('AWS_REGION', 'eu-central-1')
    // There is no Secrets Manager on this machine: the test notes the request and makes up the answer.
    vi.spyOn(SecretsManagerClient.prototype, 'send').mockImplementation(async (command: unknown) => {
      fetched.push((command as GetSecretValueCommand).input.SecretId as string)
      expect(command).toBeInstanceOf(GetSecretValueCommand)
      return { SecretString: secret }
    })
    return () => vi.restoreAllMocks()
  })
  afterEach(() => vi.unstubAllEnvs())

  const env = { DATABASE_SECRET_ARN: arn, DATABASE_HOST: '127.0.0.1', DATABASE_PORT: '1', DATABASE_CA: 'PEM' }

  test('is fetched by its ARN, kept, and fetched again if a fresh one is required', async () => {
    secret = '{"username":"app","password":"one"}'
    expect(await fetchFresh(env)).toMatchObject({ user: 'app', password: 'one' })
    secret = '{"username":"app","password":"two"}'
    expect(await fetchFresh(env)).toMatchObject({ user: 'app', password: 'two' })
    await expect(databaseOf(env).withConnection(async () => {})).rejects.toMatchObject({
      code: 'DatabaseUnavailable', // port 1: the kept secret was used without fetching it
    })
    expect(fetched).toEqual([arn, arn])
  })

  test.each([
    ['no JSON', 'hunter2'],
    ['no password', '{"username":"hunter2"}'],
    ['a wrong port', '{"username":"u","password":"hunter2","port":"x"}'],
    ['a text instead of an object', '"hunter2"'],
  ])('with %s is refused without being shown', async (_, text) => {
    secret = text
    await expect(fetchFresh(env)).rejects.toMatchObject({
      code: 'CredentialsRefused',
      message: expect.not.stringContaining('hunter2'),
    })
  })

  test('says where the database is only if the environment does not: the server may have several databases', async () => {
    secret = '{"username":"u","password":"p","host":"127.0.0.2","port":2,"dbname":"first"}'
    const place = { DATABASE_HOST: '127.0.0.1', DATABASE_PORT: '1', DATABASE_NAME: 'second' }
    expect(await fetchFresh({ ...env, ...place })).toMatchObject({
      host: '127.0.0.1',
      port: 1,
      database: 'second',
    })
    expect(await fetchFresh({ DATABASE_SECRET_ARN: arn, DATABASE_CA: 'PEM' })).toMatchObject({
      host: '127.0.0.2',
      port: 2,
      database: 'first',
    })
  })

  test('that cannot be read says what to check', async () => {
    vi.spyOn(SecretsManagerClient.prototype, 'send').mockImplementation(async () => {
      throw new Error('AccessDenied')
    })
    await expect(fetchFresh(env)).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
      message: expect.stringContaining('may read it'),
    })
  })

  test('is not fetched if no ARN is set', async () => {
    await expect(databaseOf({}).withConnection(async () => {})).rejects.toThrow(/DATABASE_SECRET_ARN/)
  })
})
