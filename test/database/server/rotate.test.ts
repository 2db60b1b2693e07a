import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { readConfiguration } from '../../../src/api/lambda/configuration.ts'
import type { rotateSecret as RotateSecret } from '../../../src/api/lambda/rotate.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import { type FakeSecret, startSecretsManager } from '../../support/aws/secrets-manager.ts'
import { startTlsServer, type TlsServer } from '../../support/servers/tls-server.ts'

let server: TlsServer
let admin: Sql
let secret: FakeSecret
let env: NodeJS.ProcessEnv
let rotateSecret: typeof RotateSecret
let secrets = 0

beforeAll(async () => {
  server = await startTlsServer()
  admin = (await connectTo(fromUrl(server.url)).open({ statement_timeout: '60000' })).sql
})
afterAll(async () => {
  await admin?.end({ timeout: 1 })
  await server?.stop()
})

beforeEach(async () => {
  await admin.unsafe('drop role if exists viewkeeper_app')
  await admin.unsafe(`create role viewkeeper_app login password 'the old one'`)
  secret = await startSecretsManager('{"username":"viewkeeper_app","password":"the old one"}')
  vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', secret.url)
  vi.stubEnv('POWERTOOLS_LOG_LEVEL', 'SILENT')
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  env = {
    DATABASE_SECRET_ARN: `arn:aws:secretsmanager:eu-central-1:000000000000:secret:role-${secrets++}`,
    DATABASE_HOST: '127.0.0.1',
    DATABASE_PORT: String(server.port),
    DATABASE_CA: server.root,
  }
  // The clients take their endpoint when they are made.
  vi.resetModules()
  rotateSecret = (await import('../../../src/api/lambda/rotate.ts')).rotateSecret
})
afterEach(() => {
  vi.unstubAllEnvs()
  secret.close()
  // The next file of this process gets a logger that is not silent.
  vi.resetModules()
})

const step = (Step: string, token = 'second') =>
  rotateSecret({ Step, SecretId: env.DATABASE_SECRET_ARN, ClientRequestToken: token }, env)
const all = ['createSecret', 'setSecret', 'testSecret', 'finishSecret']
const passwordOf = (stage: string): string => JSON.parse(secret.text(stage) ?? '{}').password

/** Whether the server takes a password. */
const takes = (password: string): Promise<boolean> =>
  connectTo(async () => ({
    host: '127.0.0.1',
    port: server.port,
    database: 'postgres',
    user: 'viewkeeper_app',
    password,
    tls: { verify: true, roots: [server.root] },
  }))
    .withConnection(async () => true)
    .catch(() => false)

/** A function of the environment with its own memory, as another process. */
async function aFunction() {
  vi.resetModules()
  const { readConfiguration: read } = (await import('../../../src/api/lambda/configuration.ts')) as {
    readConfiguration: typeof readConfiguration
  }
  const { database } = read(env)
  return () => database.withConnection(async (sql) => (await sql`select current_user::text as me`)[0])
}

describe('a rotation', () => {
  test('gives the role a new password, and the secret the same one', async () => {
    for (const name of all) await step(name)
    expect(secret.text('AWSCURRENT')).toMatch(/^\{"username":"viewkeeper_app","password":"[\w-]{40}"\}$/)
    expect(await takes(passwordOf('AWSCURRENT'))).toBe(true)
    expect(await takes('the old one')).toBe(false)
    expect(passwordOf('AWSPREVIOUS')).toBe('the old one')
  })

  test('may repeat every step, as Secrets Manager does after a failure, and makes one password', async () => {
    const passwords = new Set<string>()
    for (const name of all) {
      for (const _ of [1, 2, 3]) await step(name)
      passwords.add(passwordOf('AWSPENDING'))
    }
    expect(passwords.size).toBe(1)
    expect(await takes(passwordOf('AWSCURRENT'))).toBe(true)
  })

  test('that ends half-way is done by the next one, with another token', async () => {
    for (const name of all.slice(0, 2)) await step(name)
    // Secrets Manager takes the label from the version that was not finished only when the next one has it.
    const halfWay = passwordOf('AWSPENDING')
    expect(await takes(halfWay)).toBe(true)
    for (const name of all.slice(2)) await step(name)
    for (const name of all) await step(name, 'third')
    expect(passwordOf('AWSCURRENT')).not.toBe(halfWay)
    expect(await takes(passwordOf('AWSCURRENT'))).toBe(true)
  })

  test('does not finish if the role has another password by then', async () => {
    for (const name of all.slice(0, 3)) await step(name)
    await admin.unsafe(`alter role viewkeeper_app password 'the old one'`)
    await expect(step('finishSecret')).rejects.toMatchObject({ code: 'CredentialsRefused' })
    expect(passwordOf('AWSCURRENT')).toBe('the old one')
  })

  test('changes nothing if the server takes neither password', async () => {
    await admin.unsafe(`alter role viewkeeper_app password 'somebody else chose this'`)
    await step('createSecret')
    await expect(step('setSecret')).rejects.toMatchObject({ code: 'CredentialsRefused' })
    expect(await takes('somebody else chose this')).toBe(true)
  })

  test('without a pending version says what to do', async () => {
    await expect(step('testSecret')).rejects.toThrow(/no pending version second.*rotate-secret/)
  })

  test.each([
    [{ Step: 'dropSecret' }, /Step/],
    [{ ClientRequestToken: undefined }, /ClientRequestToken/],
  ])('with %j is refused', async (change, message) => {
    const event = { Step: 'createSecret', SecretId: 'x', ClientRequestToken: 'y', ...change }
    await expect(rotateSecret(event, env)).rejects.toThrow(message)
  })

  test('never sends the password to the server, only its verifier', async () => {
    await admin.unsafe(`alter role viewkeeper_app set log_statement = 'all'`)
    for (const name of all) await step(name)
    expect(await server.log()).toMatch(/alter role current_user password 'SCRAM-SHA-256\$/)
    expect(await server.log()).not.toContain(passwordOf('AWSCURRENT'))
  })
})

describe('a function that has the old password', () => {
  test('goes on at each moment of a rotation, and later', async () => {
    const look = await aFunction()
    expect(await look()).toEqual({ me: 'viewkeeper_app' })
    for (const name of all) {
      await step(name)
      const another = await aFunction()
      expect(await look(), name).toEqual({ me: 'viewkeeper_app' })
      expect(await another(), name).toEqual({ me: 'viewkeeper_app' })
    }
  })

  test('goes on if a rotation stopped before the server was told', async () => {
    const look = await aFunction()
    await step('createSecret')
    await admin.unsafe(`alter role viewkeeper_app password 'by hand'`)
    await expect(look()).rejects.toMatchObject({ code: 'CredentialsRefused' })
    await admin.unsafe(`alter role viewkeeper_app password 'the old one'`)
    expect(await look()).toEqual({ me: 'viewkeeper_app' })
  })
})
