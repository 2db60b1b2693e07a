import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createRole } from '../../../cli/commands/author/create-role.ts'
import { takeLogin } from '../../../cli/program.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { major } from '../../support/servers/test-server.ts'
import { startTlsServer, type TlsServer } from '../../support/servers/tls-server.ts'

/**
 * A server of RDS has no certificate for the end of a tunnel, takes nothing unencrypted, and from members of `rds_iam` only tokens: its
 * first lines, in its order. Its passwords are random, with characters that an address cannot hold.
 */
const name = 'shop.abc.eu-central-1.example.com'
const hba = `
  hostssl all +rds_iam  127.0.0.1/32 password
  host    all +rds_iam  127.0.0.1/32 reject
  hostssl all all       127.0.0.1/32 scram-sha-256
  host    all postgres  127.0.0.1/32 scram-sha-256
  local   all all       scram-sha-256
`
const password = `${randomBytes(12).toString('base64')}#%:?[]<>`

const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-libpq-'))
const roots = join(folder, 'roots.pem')
let server: TlsServer
beforeAll(async () => {
  chmodSync(folder, 0o777)
  server = await startTlsServer({ hba, name: `DNS:${name}`, sockets: folder })
  await connectTo(fromUrl(server.url)).withConnection(async (sql) => {
    await sql.unsafe(`create role master login createrole password '${password}'`)
    await sql`create role rds_iam`
    await sql`create database app owner master`
  })
  writeFileSync(roots, server.root)
})
afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true })
})

const through = (parameters: Record<string, string>, env: Record<string, string> = {}) =>
  connectTo(
    fromUrl(
      `postgres://master${env.PGPASSWORD || env.PGPASSFILE ? '' : `:${encodeURIComponent(password)}`}@${name}:${server.port}/postgres?${new URLSearchParams({ hostaddr: '127.0.0.1', ...parameters }).toString().replaceAll('+', '%20')}`,
      env,
    ),
  ).withConnection(
    async (sql) =>
      (
        await sql`
          select ssl, current_setting('geqo') as geqo, current_setting('statement_timeout') as "statementTimeout"
            from pg_stat_ssl where pid = pg_backend_pid()`
      )[0],
  )

test('through a tunnel, hostaddr leads to the server, and verify-full checks its true name', async () => {
  expect(await through({ sslmode: 'verify-full', sslrootcert: roots })).toMatchObject({ ssl: true })
  const wrong = through({ host: 'other.example.com', sslmode: 'verify-full', sslrootcert: roots })
  await expect(wrong).rejects.toMatchObject({ code: 'DatabaseUnavailable' })
})

test('verify-ca checks the authority alone, and roots make require do so, too', async () => {
  for (const sslmode of ['verify-ca', 'require']) {
    expect(await through({ host: 'other.example.com', sslmode, sslrootcert: roots })).toMatchObject({
      ssl: true,
    })
  }
})

test('require encrypts without verifying, and recommends verify-full in one line, once', async () => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  expect(await through({ sslmode: 'require' })).toMatchObject({ ssl: true })
  expect(await through({ sslmode: 'require' })).toMatchObject({ ssl: true })
  expect(said.mock.calls).toEqual([
    [expect.stringMatching(/^viewkeeper: sslmode=require .*sslmode=verify-full does.*\n$/)],
  ])
  said.mockRestore()
})

test('prefer and allow encrypt where the server can, and disable does not', async () => {
  for (const sslmode of ['prefer', 'allow']) expect(await through({ sslmode })).toMatchObject({ ssl: true })
  await expect(through({ sslmode: 'disable' })).rejects.toMatchObject({ code: 'CredentialsRefused' })
})

test('options are those of the session, unless they are ours', async () => {
  const options = '-c geqo=off -c statement_timeout=1'
  expect(await through({ sslmode: 'prefer', options })).toMatchObject({
    geqo: 'off',
    statementTimeout: '15s',
  })
})

test('the password comes from PGPASSWORD, or from the password file', async () => {
  expect(await through({ sslmode: 'prefer' }, { PGPASSWORD: password })).toMatchObject({ ssl: true })
  const file = join(folder, 'pgpass')
  writeFileSync(file, `${name}:*:*:master:${password.replaceAll(':', '\\:')}\n`)
  chmodSync(file, 0o600)
  vi.stubEnv('PGPASSFILE', file)
  expect(await through({ sslmode: 'prefer' }, { PGPASSFILE: file })).toMatchObject({ ssl: true })
  vi.unstubAllEnvs()
})

test('a host with a slash is the folder of a socket', async () => {
  const url = `postgres://master:${encodeURIComponent(password)}@/postgres?host=${encodeURIComponent(folder)}&port=${server.port}`
  const from = await connectTo(fromUrl(url)).withConnection(
    async (sql) => (await sql`select inet_client_addr() as address`)[0],
  )
  expect(from).toEqual({ address: null })
})

describe("with the secret of a master user, as RDS makes it, and an administrator's DATABASE_URL without a password", () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:000000000000:secret:rds!db-1-AbCdEf'
  const kept: unknown[] = []
  /** The text of the secret that is there. */
  let present: string | undefined
  let out: string
  beforeEach(() => {
    out = ''
    kept.length = 0
    present = undefined
    vi.stubEnv(
      'DATABASE_URL',
      `postgres://${name}:${server.port}/app?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=${roots}`,
    )
    for (const variable of ['PGUSER', 'PGPASSWORD', 'VIEWKEEPER_PASSWORD']) vi.stubEnv(variable, undefined)
    // There is no Secrets Manager on this machine: the test notes what is sent, and makes up the answer.
    vi.spyOn(SecretsManagerClient.prototype, 'send').mockImplementation(async (command: unknown) => {
      const { input } = command as { input: { SecretId?: string; SecretString?: string } }
      if (input.SecretString === undefined && input.SecretId === arn)
        return { SecretString: JSON.stringify({ username: 'master', password }) }
      if (input.SecretString === undefined) {
        if (present !== undefined) return { SecretString: present }
        throw Object.assign(new Error('there is none'), { name: 'ResourceNotFoundException' })
      }
      kept.push({ ...input, SecretString: JSON.parse(input.SecretString) })
      return { ARN: 'arn:of:viewkeeper' }
    })
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      out += text
      return true
    })
  })
  afterEach(() => {
    vi.restoreAllMocks()
    vi.unstubAllEnvs()
  })

  test('create-role works through the tunnel, and keeps the login in a secret of its own', async () => {
    await takeLogin({ secret: arn })
    await createRole({ createSecret: 'viewkeeper/production', kmsKey: 'alias/shop', tag: { team: 'data' } })
    expect(out).toBe('arn:of:viewkeeper\n')
    const login = {
      engine: 'postgres',
      host: name,
      port: server.port,
      dbname: 'app',
      username: 'viewkeeper_app',
      password: expect.any(String),
    }
    const [made] = kept
    expect(made).toEqual({
      Name: 'viewkeeper/production',
      KmsKeyId: 'alias/shop',
      Tags: [{ Key: 'team', Value: 'data' }],
      SecretString: login,
    })
    // Somebody adds what alternating users need, and the address within the network.
    present = JSON.stringify({
      ...(made as { SecretString: object }).SecretString,
      host: 'db.internal',
      masterarn: 'arn:x',
    })
    await createRole({ createSecret: 'viewkeeper/production', rotate: true })
    expect(kept[1]).toEqual({
      SecretId: 'viewkeeper/production',
      SecretString: { ...login, host: 'db.internal', masterarn: 'arn:x' },
    })
    expect(kept[1]).not.toMatchObject({ SecretString: { password: JSON.parse(present).password } })
  })

  test('a secret that cannot be read, or is no JSON, is refused before the role is made', async () => {
    await takeLogin({ secret: arn })
    present = 'no JSON'
    await expect(
      createRole({ createSecret: 'viewkeeper/production', login: 'nobody_yet' }),
    ).rejects.toMatchObject({
      message: expect.stringMatching(
        /viewkeeper\/production cannot be read \(it is no JSON object\)\. Nothing was changed/,
      ),
    })
    const [{ found }] = (await connectTo(fromUrl(server.url)).withConnection(
      (sql) => sql`select count(*)::int as found from pg_roles where rolname = 'nobody_yet'`,
    )) as unknown as [{ found: number }]
    expect(found).toBe(0)
  })

  test.runIf(major >= 16)(
    'create-role --iam refuses to lock the master user out, before the first statement',
    async () => {
      await takeLogin({ secret: arn })
      const refused = createRole({ iam: true })
      await expect(refused).rejects.toMatchObject({
        message: expect.stringMatching(/Nothing was changed.*--create-secret/),
      })
    },
  )

  test('whoever becomes a member of rds_iam is locked out with the password, encrypted or not', async () => {
    const asSuperuser = (statement: string) =>
      connectTo(fromUrl(server.url)).withConnection((sql) => sql.unsafe(statement))
    // The server of RDS asks AWS about the token; here nobody has set one.
    await asSuperuser(`grant rds_iam to master; alter role master password 'token'`)
    for (const sslmode of ['prefer', 'disable'])
      await expect(through({ sslmode })).rejects.toMatchObject({ code: 'CredentialsRefused' })
    await asSuperuser(`revoke rds_iam from master; alter role master password '${password}'`)
    expect(await through({ sslmode: 'prefer' })).toMatchObject({ ssl: true })
  })

  test('a password in a file counts, and one beside that of the URL is refused', async () => {
    const file = join(folder, 'password')
    writeFileSync(file, `${password}\n`)
    vi.stubEnv('PGUSER', 'master')
    await takeLogin({ passwordFrom: file })
    expect(process.env.PGPASSWORD).toBe(password)
    vi.stubEnv('DATABASE_URL', 'postgres://you:other@localhost/app')
    await expect(takeLogin({ passwordFrom: file })).rejects.toMatchObject({ code: 'InvalidRequest' })
    await expect(takeLogin({ secret: arn })).rejects.toMatchObject({ details: { field: 'DATABASE_URL' } })
  })
})
