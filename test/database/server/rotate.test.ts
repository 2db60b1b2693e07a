import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { readConfiguration } from '../../../src/api/lambda/configuration.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import { type FakeSecret, startSecretsManager } from '../../support/aws/secrets-manager.ts'
import { startTlsServer, type TlsServer } from '../../support/servers/tls-server.ts'

let server: TlsServer
let admin: Sql
let secret: FakeSecret
let env: NodeJS.ProcessEnv
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
})
afterEach(() => {
  vi.unstubAllEnvs()
  secret.close()
  // The next file of this process gets a logger that is not silent.
  vi.resetModules()
})

/** The four steps of a rotation, as the function of AWS for PostgreSQL with a single user does them. */
const steps: Record<string, () => Promise<unknown>> = {
  async createSecret() {
    const SecretString = JSON.stringify({ ...JSON.parse(await read('AWSCURRENT')), password: 'the new one' })
    await clientOf().send(
      new PutSecretValueCommand({
        ...ofSecret(),
        ClientRequestToken: 'second',
        SecretString,
        VersionStages: ['AWSPENDING'],
      }),
    )
  },
  setSecret: () => admin.unsafe(`alter role viewkeeper_app password 'the new one'`),
  testSecret: () => read('AWSPENDING'),
  finishSecret: () =>
    clientOf().send(
      new UpdateSecretVersionStageCommand({
        ...ofSecret(),
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: 'second',
        RemoveFromVersionId: 'first',
      }),
    ),
}

const ofSecret = () => ({ SecretId: env.DATABASE_SECRET_ARN })
const clientOf = () => new SecretsManagerClient()
const read = async (VersionStage: string) =>
  String((await clientOf().send(new GetSecretValueCommand({ ...ofSecret(), VersionStage }))).SecretString)

/** A function of the environment with its own memory, as another process. */
async function aFunction() {
  vi.resetModules()
  const { readConfiguration: read } = (await import('../../../src/api/lambda/configuration.ts')) as {
    readConfiguration: typeof readConfiguration
  }
  const { database } = read(env)
  return () => database.withConnection(async (sql) => (await sql`select current_user::text as me`)[0])
}

test('a function that has the old password goes on at each moment of a rotation, and later', async () => {
  const look = await aFunction()
  expect(await look()).toEqual({ me: 'viewkeeper_app' })
  for (const [name, step] of Object.entries(steps)) {
    await step()
    const another = await aFunction()
    expect(await look(), name).toEqual({ me: 'viewkeeper_app' })
    expect(await another(), name).toEqual({ me: 'viewkeeper_app' })
  }
  expect(JSON.parse(secret.text('AWSCURRENT') ?? '{}').password).toBe('the new one')
})

test('it goes on if a rotation stopped before the server was told', async () => {
  const look = await aFunction()
  await steps.createSecret!()
  await admin.unsafe(`alter role viewkeeper_app password 'by hand'`)
  await expect(look()).rejects.toMatchObject({ code: 'CredentialsRefused' })
  await admin.unsafe(`alter role viewkeeper_app password 'the old one'`)
  expect(await look()).toEqual({ me: 'viewkeeper_app' })
})
