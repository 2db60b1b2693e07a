import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Signer } from '@aws-sdk/rds-signer'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readConfiguration } from '../../../src/api/lambda/configuration.ts'
import { fromToken, rootsOfRds } from '../../../src/api/lambda/login.ts'
import { rdsRoots } from '../../../src/keeper/rds-roots.ts'

const env = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  AWS_SESSION_TOKEN: 'a/session+token=',
  DATABASE_HOST: 'app.abcdefghijkl.eu-central-1.rds.amazonaws.com',
  DATABASE_PORT: '6432',
  DATABASE_NAME: 'app',
  DATABASE_CA: 'PEM',
}
const noon = new Date('2026-11-21T12:00:00Z')

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: noon })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const signedByAws = (
  username: string,
  port = 6432,
  sessionToken: string | undefined = env.AWS_SESSION_TOKEN,
) =>
  new Signer({
    hostname: env.DATABASE_HOST,
    port,
    username,
    region: env.AWS_REGION,
    credentials: {
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
      ...(sessionToken && { sessionToken }),
    },
  }).getAuthToken()

test.each(['viewkeeper_app', 'Odd Name+&=/"ü', "!'()*~"])('the token of %s is that of AWS', async (user) => {
  expect(await fromToken(user, env)({ fresh: false })).toEqual({
    host: env.DATABASE_HOST,
    port: 6432,
    database: 'app',
    user,
    password: await signedByAws(user),
    tls: { verify: true, roots: ['PEM'] },
  })
})

test('the token is also right with keys without a session, and for the usual port', async () => {
  const { AWS_SESSION_TOKEN, DATABASE_PORT, ...rest } = env
  const { password, port } = await fromToken('app', rest)({ fresh: false })
  expect(port).toBe(5432)
  expect(password).toBe(await signedByAws('app', 5432, ''))
})

test('the token is valid for 15 minutes, and each connection gets a new one', async () => {
  const source = fromToken('app', env)
  const first = (await source({ fresh: false })).password
  expect(first).toContain('&X-Amz-Date=20261121T120000Z&X-Amz-Expires=900&')
  vi.setSystemTime(noon.getTime() + 1000)
  const second = (await source({ fresh: false })).password
  expect(second).toContain('&X-Amz-Date=20261121T120001Z&')
  expect(second).toBe(await signedByAws('app'))
})

const variables = ['AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
test.each(variables)('without %s the variables are named, not shown', async (name) => {
  const refused = fromToken('app', { ...env, [name]: undefined })({ fresh: false })
  await expect(refused).rejects.toMatchObject({
    code: 'InternalError',
    message: expect.stringContaining(name),
  })
  await expect(refused).rejects.not.toMatchObject({
    message: expect.stringMatching(/AKIDEXAMPLE|wJalr/),
  })
})

test('a function with IAM reads no secret, and migrate makes its role without a password', async () => {
  const fetched = vi.spyOn(SecretsManagerClient.prototype, 'send')
  const { database, administration } = readConfiguration({
    ...env,
    DATABASE_HOST: '127.0.0.1',
    DATABASE_PORT: '1',
    DATABASE_IAM_USER: 'viewkeeper_app',
    DATABASE_ADMIN_IAM_USER: 'viewkeeper_admin',
  })
  const unavailable = { code: 'DatabaseUnavailable' }
  await expect(database.withConnection(async () => {})).rejects.toMatchObject(unavailable)
  await expect(administration?.database.withConnection(async () => {})).rejects.toMatchObject(unavailable)
  expect(await administration?.workingLogin()).toEqual({ login: 'viewkeeper_app', password: null, iam: true })
  expect(fetched).not.toHaveBeenCalled()
})

describe('the roots of RDS are', () => {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-roots-'))
  const file = join(folder, 'ca-cert.pem')
  writeFileSync(file, 'those of Lambda')
  afterAll(() => rmSync(folder, { recursive: true }))

  test('those of Lambda, and if they were not enough, also those that were built in', async () => {
    expect(await rootsOfRds(false, file)).toEqual(['those of Lambda'])
    expect(await rootsOfRds(true, file)).toEqual(['those of Lambda', ...rdsRoots])
  })

  test('those that were built in where Lambda has none', async () => {
    expect(await rootsOfRds(false, `${file}.missing`)).toEqual(rdsRoots)
  })
})
