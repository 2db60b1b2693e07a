import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest'
import { type Administration, readConfiguration } from '../../../src/api/lambda/configuration.ts'
import { fromToken } from '../../../src/api/lambda/login.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { createRole, type RoleMade, type RoleRequest } from '../../../src/own-schema/create-role.ts'
import { type Login, scramVerifier } from '../../../src/own-schema/db/role.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { Sql } from '../../../src/server/database.ts'
import { schemaFolder } from '../../support/servers/database.ts'
import { major } from '../../support/servers/test-server.ts'
import { makeCertificate } from '../../support/servers/tls.ts'
import { startTlsServer, type TlsServer } from '../../support/servers/tls-server.ts'

/**
 * The first three lines are RDS's own, in its order. PAM, which asks AWS about the token, is not on this machine: the
 * server compares the token with the role's password instead, which a test sets to the token that it expects.
 */
const hba = `
  hostssl all +rds_iam  127.0.0.1/32 password
  host    all +rds_iam  127.0.0.1/32 reject
  hostssl all all       127.0.0.1/32 scram-sha-256
  host    all postgres  127.0.0.1/32 scram-sha-256
`
const noon = new Date('2026-11-21T12:00:00Z')
const minutes = (number: number) => new Date(noon.getTime() + number * 60_000)

let server: TlsServer
let sql: Sql
let env: Record<string, string>

beforeAll(async () => {
  server = await startTlsServer({ hba })
  sql = (await connectTo(fromUrl(server.url)).open({ statement_timeout: '60000' })).sql
  env = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    AWS_SESSION_TOKEN: 'a/session+token=',
    DATABASE_HOST: '127.0.0.1',
    DATABASE_PORT: String(server.port),
    DATABASE_NAME: 'postgres',
    DATABASE_CA: server.root,
    DATABASE_IAM_USER: 'viewkeeper_app',
    DATABASE_ADMIN_IAM_USER: 'master',
  }
})
afterAll(async () => {
  await sql?.end({ timeout: 1 })
  await server?.stop()
})

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: noon })
  await sql.unsafe('drop database if exists app with (force)')
  const roles = await sql<{ name: string }[]>`
    select rolname as name from pg_roles where oid >= 16384 order by rolname = 'master', rolname = 'rds_iam'`
  for (const { name } of roles) await sql.unsafe(`drop role ${name}`)
  await sql.unsafe('create role rds_iam nologin')
  await sql.unsafe(`create role master login createrole createdb password 'hunter2'`)
  await sql.unsafe('grant rds_iam to master with admin option')
  await sql.unsafe('create database app owner master')
})
afterEach(() => {
  vi.useRealTimers()
})

const tokenOf = async (user: string) => (await fromToken(user, env)({ fresh: false })).password

/** From now on the server accepts this token of a role, and no other. */
const accept = (user: string, token: string) =>
  sql.unsafe(`alter role ${user} password '${scramVerifier(token)}'`)

const whoAmI = async (connection: Sql) =>
  (await connection`select current_user::text as me, ssl from pg_stat_ssl where pid = pg_backend_pid()`)[0]

/** Makes the role that Viewkeeper works with, as the function migrate does on a database that the stack created. */
async function makeRole(): Promise<RoleMade> {
  await accept('master', await tokenOf('master'))
  const { administration } = readConfiguration(env)
  const login = (await administration?.workingLogin()) as Login
  return (administration as Administration).database.withConnection((connection) =>
    createRole(connection, schemaFolder, { ...login, owners: null, ownViews: null, acceptsTokensOnly: true }),
  )
}

const stateOf = async (role: string) =>
  (
    await sql`select rolpassword is not null as "hasPassword", pg_has_role(oid, 'rds_iam', 'MEMBER') as "isMember"
                from pg_authid where rolname = ${role}`
  )[0]

describe('a login with a token', () => {
  test('sends the token of the moment for each connection, over TLS', async () => {
    await makeRole()
    const { database } = readConfiguration(env)
    await accept('viewkeeper_app', await tokenOf('viewkeeper_app'))
    expect(await database.withConnection(whoAmI)).toEqual({ me: 'viewkeeper_app', ssl: true })
    vi.setSystemTime(minutes(14))
    // The server still waits for the first token.
    await expect(database.withConnection(whoAmI)).rejects.toMatchObject({ code: 'CredentialsRefused' })
    await accept('viewkeeper_app', await tokenOf('viewkeeper_app'))
    expect(await database.withConnection(whoAmI)).toEqual({ me: 'viewkeeper_app', ssl: true })
  })

  test('has the authorities read once, and not for each connection', async () => {
    await makeRole()
    await accept('viewkeeper_app', await tokenOf('viewkeeper_app'))
    const { database } = readConfiguration(env)
    await database.withConnection(whoAmI)
    const read = vi.spyOn(tls, 'createSecureContext')
    onTestFinished(() => read.mockRestore())
    for (const _ of [1, 2])
      expect(await database.withConnection(whoAmI)).toEqual({ me: 'viewkeeper_app', ssl: true })
    expect(read).not.toHaveBeenCalled()
  })

  test('sends no token to a server whose certificate no authority of its file vouches for', async () => {
    await makeRole()
    await accept('viewkeeper_app', await tokenOf('viewkeeper_app'))
    const folder = await mkdtemp(join(tmpdir(), 'viewkeeper-unknown-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const unknown = await readFile(makeCertificate(folder, 'IP:127.0.0.1').certificate, 'utf8')
    const file = join(folder, 'authority.pem')
    const { DATABASE_CA, ...told } = env
    const { database } = readConfiguration({ ...told, DATABASE_CA_FILE: file })
    await writeFile(file, unknown)
    await expect(database.withConnection(whoAmI)).rejects.toMatchObject({ code: 'DatabaseUnavailable' })
    await writeFile(file, `${unknown}\n${DATABASE_CA}`)
    expect(await database.withConnection(whoAmI)).toEqual({ me: 'viewkeeper_app', ssl: true })
  })
})

describe('a role that logs in with IAM', () => {
  test('is made without a password, and is not changed the second time', async () => {
    const { done } = await makeRole()
    expect(done).toContain(
      `grant rds_iam to viewkeeper_app${major < 16 ? '' : ' with inherit true, set true'}`,
    )
    expect(await stateOf('viewkeeper_app')).toEqual({ hasPassword: false, isMember: true })
    expect((await makeRole()).done).toEqual([])
  })

  test('loses the password that it had', async () => {
    await sql.unsafe(`create role viewkeeper_app login password 'hunter2'`)
    if (major >= 16) await sql.unsafe('grant viewkeeper_app to master with admin option')
    await makeRole()
    expect(await stateOf('viewkeeper_app')).toEqual({ hasPassword: false, isMember: true })
  })

  test('gets a password again, and then counts as any other login', async () => {
    await makeRole()
    const { administration } = readConfiguration(env)
    await administration?.database.withConnection((connection) =>
      createRole(connection, schemaFolder, {
        login: 'viewkeeper_app',
        password: 'hunter2',
        owners: null,
        ownViews: null,
      }),
    )
    expect(await stateOf('viewkeeper_app')).toEqual({ hasPassword: true, isMember: false })
    const withPassword = connectTo(async () => ({
      ...(await fromToken('viewkeeper_app', env)({ fresh: false })),
      password: 'hunter2',
    }))
    expect(await withPassword.withConnection(whoAmI)).toEqual({ me: 'viewkeeper_app', ssl: true })
  })

  test('is refused by a server without IAM, before anything is changed', async () => {
    await sql.unsafe('drop role rds_iam')
    await expect(makeRole()).rejects.toMatchObject({
      code: 'InvalidRequest',
      message: expect.stringMatching(/no role rds_iam.*--enable-iam-database-authentication/),
    })
    expect(await sql`select from pg_roles where rolname like 'viewkeeper%'`).toEqual([])
  })

  test('keeps its password if the administrator may not grant rds_iam, and the grant is named', async () => {
    await sql.unsafe(`create role viewkeeper_app login password 'hunter2'; revoke rds_iam from master`)
    if (major >= 16) await sql.unsafe('grant viewkeeper_app to master with admin option')
    const { missing } = await makeRole()
    if (major < 16) {
      // Before 16, who may create roles may grant any.
      expect(await stateOf('viewkeeper_app')).toEqual({ hasPassword: false, isMember: true })
    } else {
      expect(missing.map(({ sql: text }) => text)).toContain(
        'grant rds_iam to viewkeeper_app with inherit true, set true;',
      )
      expect(await stateOf('viewkeeper_app')).toEqual({ hasPassword: true, isMember: false })
    }
  })

  test('makes its maker a member of rds_iam from 16 on: so it is refused, unless the maker can log in with a token', async () => {
    await sql.unsafe('revoke rds_iam from master')
    const asMaster = connectTo(async () => ({
      ...(await fromToken('master', env)({ fresh: false })),
      password: 'hunter2',
    }))
    const request = { login: 'viewkeeper_app', owners: null, ownViews: null }
    const make = (login: Partial<RoleRequest>) =>
      asMaster.withConnection((connection) =>
        createRole(connection, schemaFolder, { password: 'x', ...request, ...login }),
      )
    expect(await make({})).toMatchObject({ makerHasIam: false })
    if (major >= 16) {
      await expect(make({ password: null, iam: true })).rejects.toMatchObject({
        code: 'InvalidRequest',
        message: expect.stringMatching(
          /^From PostgreSQL 16 on.* RDS would refuse the password of master\. Nothing was changed/,
        ),
      })
      expect(await stateOf('viewkeeper_app')).toEqual({ hasPassword: true, isMember: false })
    }
    // On RDS the master user may grant rds_iam without being a member.
    await sql.unsafe('grant rds_iam to viewkeeper_app')
    expect(await make({ password: null, iam: true, acceptsTokensOnly: true })).toMatchObject({
      makerHasIam: major >= 16,
    })
  })
})
