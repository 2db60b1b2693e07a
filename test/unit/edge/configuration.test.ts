import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { databaseFromEnvironment, fromUrl, workingLogin } from '../../../src/edge/server/configuration.ts'

describe('DATABASE_URL', () => {
  const read = (url: string) => fromUrl(url)({ fresh: false })

  test('is read with everything decoded, and with defaults', async () => {
    expect(await read('postgres://us%40er:p%2Fw@db.example.com:6432/my%20db?sslmode=disable')).toEqual({
      host: 'db.example.com',
      port: 6432,
      database: 'my db',
      user: 'us@er',
      password: 'p/w',
      tls: { verify: false },
    })
    expect(await read('postgresql://[::1]')).toMatchObject({
      host: '::1',
      port: 5432,
      database: 'postgres',
      user: 'postgres',
    })
  })

  test('speaks in the clear only to this machine, unless told otherwise', async () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      expect((await read(`postgres://${host}/x`)).tls).toEqual({ verify: false })
    }
    for (const host of ['db.example.com', '10.0.0.1', 'localhost.example.com', '127.example.com']) {
      expect((await read(`postgres://${host}/x`)).tls, host).toEqual({ verify: true, roots: null })
    }
    expect((await read('postgres://localhost/x?sslmode=verify-full')).tls).toEqual({
      verify: true,
      roots: null,
    })
  })

  test.each([
    'nonsense',
    'mysql://u:hunter2@h/d',
    'postgres://u:hunter2@h/d?sslmode=require',
    'postgres://u:hunter2@h:x/d',
  ])('%s is refused without being shown', (url) => {
    expect(() => fromUrl(url)).toThrow(
      expect.objectContaining({ code: 'InvalidRequest', message: expect.not.stringContaining('hunter2') }),
    )
  })
})

test('DATABASE_URL with a file of roots that is not there is refused by its name, without the rest', () => {
  expect(() => fromUrl('postgres://u:hunter2@db.example.com/d?sslrootcert=nowhere/roots.pem')).toThrow(
    expect.objectContaining({
      code: 'InvalidRequest',
      message: expect.stringMatching(
        /^DATABASE_URL cannot be used: the file nowhere\/roots\.pem of its sslrootcert cannot be read \(ENOENT\)/,
      ),
      details: { field: 'DATABASE_URL' },
    }),
  )
})

describe('the secret', () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:000000000000:secret:db'
  let secret: string
  let asked: string[]

  beforeEach(() => {
    asked = []
    vi.stubEnv('AWS_REGION', 'eu-central-1')
    // No Secrets Manager on this machine: the request is looked at, and the answer made up.
    vi.spyOn(SecretsManagerClient.prototype, 'send').mockImplementation(async (command: unknown) => {
      asked.push((command as GetSecretValueCommand).input.SecretId as string)
      expect(command).toBeInstanceOf(GetSecretValueCommand)
      return { SecretString: secret }
    })
    return () => vi.restoreAllMocks()
  })
  afterEach(() => vi.unstubAllEnvs())

  const env = { DATABASE_SECRET_ARN: arn, DATABASE_HOST: '127.0.0.1', DATABASE_PORT: '1', DATABASE_CA: 'PEM' }

  test('is asked for by its ARN, kept, and asked for again when told to', async () => {
    secret = '{"username":"app","password":"one"}'
    expect(await workingLogin(env)).toEqual({ login: 'app', password: 'one' })
    secret = '{"username":"app","password":"two"}'
    expect(await workingLogin(env)).toEqual({ login: 'app', password: 'two' })
    await expect(databaseFromEnvironment(env).withConnection(async () => {})).rejects.toMatchObject({
      code: 'DatabaseUnavailable', // port 1: the kept secret was used without asking
    })
    expect(asked).toEqual([arn, arn])
  })

  test.each([
    ['no JSON', 'hunter2'],
    ['no password', '{"username":"hunter2"}'],
    ['a port that is none', '{"username":"u","password":"hunter2","port":"x"}'],
  ])('with %s is refused without being shown', async (_, text) => {
    secret = text
    await expect(workingLogin(env)).rejects.toMatchObject({
      code: 'CredentialsRefused',
      message: expect.not.stringContaining('hunter2'),
    })
  })

  test('from RDS, with a user and a password only, is completed by the environment; what the secret says wins', async () => {
    secret = '{"username":"u","password":"p","port":2,"host":"127.0.0.2"}'
    await workingLogin(env)
    await expect(databaseFromEnvironment(env).withConnection(async () => {})).rejects.toThrow(
      /127\.0\.0\.2:2/,
    )
    secret = '{"username":"u","password":"p"}'
    await workingLogin(env)
    await expect(databaseFromEnvironment(env).withConnection(async () => {})).rejects.toThrow(
      /127\.0\.0\.1:1/,
    )
  })

  test('that cannot be read says what to check', async () => {
    vi.spyOn(SecretsManagerClient.prototype, 'send').mockImplementation(async () => {
      throw new Error('AccessDenied')
    })
    await expect(workingLogin(env)).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
      message: expect.stringContaining('may read it'),
    })
  })

  test('is not looked for where nobody said which', async () => {
    await expect(databaseFromEnvironment({}).withConnection(async () => {})).rejects.toThrow(
      /DATABASE_SECRET_ARN/,
    )
  })
})
