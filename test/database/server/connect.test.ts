import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createKeeper } from '../../../src/engine.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import type { ConnectionOptions } from '../../../src/server/connection.ts'
import { unlessLocked } from '../../../src/server/transactions.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { breakableWay } from '../../support/servers/proxy.ts'
import { startTlsServer, type TlsServer } from '../../support/servers/tls-server.ts'

const settings = await fromUrl(inject('postgresUrl'))({ fresh: false })
const select1 = (changes: Partial<ConnectionOptions>) =>
  connectTo(async () => ({ ...settings, ...changes })).withConnection(
    async (sql) => (await sql`select 1 as one`)[0],
  )

const admin = connectTo(async () => settings)

describe('connecting', () => {
  test('reads the connection options again, once, if the password was refused', async () => {
    const reads: boolean[] = []
    const database = connectTo(async ({ fresh }) => {
      reads.push(fresh)
      return { ...settings, password: fresh ? settings.password : 'rotated away' }
    })
    expect(await database.withConnection(async (sql) => (await sql`select 1 as one`)[0])).toEqual({ one: 1 })
    expect(reads).toEqual([false, true])
  })

  test('with a password that is wrong both times fails, without showing the password', async () => {
    const reads: boolean[] = []
    const refused = connectTo(async ({ fresh }) => {
      reads.push(fresh)
      return { ...settings, password: 'hunter2' }
    }).withConnection(async () => {})
    await expect(refused).rejects.toMatchObject({
      code: 'CredentialsRefused',
      message: expect.not.stringContaining('hunter2'),
    })
    expect(reads).toEqual([false, true])
  })

  test('as a superuser is refused if so configured, with what to do instead', async () => {
    const refusing = connectTo(async () => settings, { superuser: 'refused' })
    await expect(refusing.withConnection(async () => {})).rejects.toMatchObject({
      code: 'SuperuserRefused',
      message: expect.stringMatching(/^You log in as postgres, .*npx viewkeeper create-role/),
    })
    await admin.withConnection((sql) => sql`create role modest login password 'secret'`)
    const modest = connectTo(async () => ({ ...settings, user: 'modest', password: 'secret' }), {
      superuser: 'refused',
    })
    expect(await modest.withConnection((sql) => sql`select 1 as one`)).toEqual([{ one: 1 }])
  })

  test('of the engine as a superuser is refused unless its options allow it', async () => {
    const databaseUrl = inject('postgresUrl')
    const keeper = await createKeeper({ databaseUrl })
    await expect(keeper.refreshView({ view: 'sales' })).rejects.toMatchObject({ code: 'SuperuserRefused' })
    const allowed = await createKeeper({ databaseUrl, allowSuperuser: true })
    await expect(allowed.refreshView({ view: 'sales' })).rejects.toMatchObject({ code: 'NotMigrated' })
  })

  test('to a port where nobody listens, or to a database that does not exist, is DatabaseUnavailable', async () => {
    await expect(select1({ port: 1 })).rejects.toMatchObject({ code: 'DatabaseUnavailable' })
    await expect(select1({ database: 'no_such_database' })).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
    })
  })

  test('to a database that is closed for connections is DatabaseUnavailable, with the way to open it', async () => {
    await admin.withConnection((sql) => sql`create database closed allow_connections false`)
    await expect(select1({ database: 'closed' })).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
      details: { sqlstate: '55000' },
      message: expect.stringMatching(
        /database "closed" is not currently accepting connections\..* alter database "closed" allow_connections true\.$/,
      ),
    })
    await admin.withConnection((sql) => sql`alter database closed allow_connections true`)
    expect(await select1({ database: 'closed' })).toEqual({ one: 1 })
  })

  test('to a database that does not let the login in is CredentialsRefused, with the grant that it needs', async () => {
    await admin.withConnection((sql) => sql`create role outsider login password 'secret'`)
    await admin.withConnection((sql) => sql`create database private`)
    await admin.withConnection((sql) => sql`revoke connect on database private from public`)
    const outsider = { database: 'private', user: 'outsider', password: 'secret' }
    await expect(select1(outsider)).rejects.toMatchObject({
      code: 'CredentialsRefused',
      message: expect.stringMatching(
        /permission denied for database "private"\..* grant connect on database "private" to "outsider"\.$/,
      ),
    })
    await admin.withConnection((sql) => sql`grant connect on database "private" to "outsider"`)
    expect(await select1(outsider)).toEqual({ one: 1 })
  })

  test('as a role that does not exist or may not log in is CredentialsRefused', async () => {
    await admin.withConnection((sql) => sql`create role lazy nologin password 'secret'`)
    for (const user of ['nobody_at_all', 'lazy']) {
      await expect(select1({ user, password: 'secret' })).rejects.toMatchObject({
        code: 'CredentialsRefused',
      })
    }
  })

  test('with TLS to a server that has none is refused at once, in the words of psql, unless TLS is optional', async () => {
    const waiting = { answerBy: () => Date.now() + 60_000, onWaited: () => expect.unreachable() }
    const encrypted = (tls: ConnectionOptions['tls']) =>
      connectTo(async () => ({ ...settings, tls }), { waiting }).withConnection((sql) => sql`select 1 as one`)
    for (const tls of [
      { verify: true, roots: null },
      { verify: false, encrypts: 'require' },
    ] as const) {
      await expect(encrypted(tls)).rejects.toMatchObject({
        code: 'DatabaseUnavailable',
        message: expect.stringMatching(
          /^The server does not support TLS: server does not support SSL, but SSL was required\. .* sslmode=disable/,
        ),
      })
    }
    expect(await encrypted({ verify: false, encrypts: 'prefer' })).toEqual([{ one: 1 }])
  })

  test('to a server that is starting up is DatabaseUnavailable, and says to try again', async () => {
    const { server, port } = await listenAnd((socket) => socket.once('data', () => socket.end(startingUp)))
    await expect(select1({ port })).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
      message: expect.stringMatching(/the database system is starting up\..* Try again in some seconds\.$/),
    })
    server.close()
  })

  test('as a role whose triggers do not fire is refused, with what to do instead, unless the role may change that', async () => {
    await admin.withConnection(async (sql) => {
      await sql`create role replicating login password 'secret'`
      await sql`alter role replicating set session_replication_role = 'replica'`
    })
    const replicating = connectTo(async () => ({ ...settings, user: 'replicating', password: 'secret' }))
    const role = () => replicating.withConnection((sql) => sql`show session_replication_role`)
    await expect(role()).rejects.toMatchObject({
      code: 'InsufficientPrivilege',
      message: expect.stringMatching(/alter role \.\.\. reset session_replication_role/),
    })
    await admin.withConnection((sql) => sql`grant set on parameter session_replication_role to replicating`)
    expect(await role()).toEqual([{ session_replication_role: 'origin' }])
    await admin.withConnection(
      (sql) => sql`revoke set on parameter session_replication_role from replicating`,
    )
  })

  test('reads committed data, whatever isolation the role is set to', async () => {
    await admin.withConnection(async (sql) => {
      await sql`create role repeating login password 'secret'`
      await sql`alter role repeating set default_transaction_isolation = 'repeatable read'`
    })
    const repeating = connectTo(async () => ({ ...settings, user: 'repeating', password: 'secret' }))
    const isolation = await repeating.withConnection((sql) => sql`show transaction_isolation`)
    expect(isolation[0]).toEqual({ transaction_isolation: 'read committed' })
  })

  test('has a short lock time-out while it only looks, and its own one again afterwards', async () => {
    await admin.withConnection(
      async (sql) => {
        expect(await unlessLocked(sql, async () => (await sql`show lock_timeout`)[0])).toEqual({
          lock_timeout: '100ms',
        })
        expect((await sql`show lock_timeout`)[0]).toEqual({ lock_timeout: '1min' })
      },
      { startUp: { lock_timeout: '60000' } },
    )
  })

  test('to a server without a free connection is TooManyConnections', async () => {
    await admin.withConnection(async (sql) => {
      await sql`create role crowded login password 'secret' connection limit 0`
    })
    await expect(select1({ user: 'crowded', password: 'secret' })).rejects.toMatchObject({
      code: 'TooManyConnections',
      message: expect.stringContaining('pg_stat_activity'),
    })
  })

  test('checks that the server took the start-up settings: a pooler that drops them is refused', async () => {
    // The server cuts a name of more than 63 bytes, so the setting comes back changed.
    const odd = admin.withConnection(async () => {}, { startUp: { application_name: 'x'.repeat(80) } })
    await expect(odd).rejects.toMatchObject({
      code: 'NotDirect',
      message: expect.stringContaining('application_name'),
    })
    await expect(
      admin.withConnection(async () => {}, { startUp: { 'viewkeeper.run': '7' } }),
    ).resolves.toBeUndefined()
  })

  test('to a port that accepts and hangs up again and again ends at the deadline', async () => {
    const { server, port } = await listenAnd((socket) => socket.destroy())
    await expect(select1({ port })).rejects.toMatchObject({ code: 'DatabaseUnavailable' })
    server.close()
  })

  test('to a port that accepts and says nothing ends at the deadline', async () => {
    const { server, port } = await listenAnd(() => {})
    const started = Date.now()
    await expect(select1({ port })).rejects.toMatchObject({ code: 'DatabaseUnavailable' })
    expect(Date.now() - started).toBeLessThan(60_000) // ten seconds, and what the machine takes
    server.close()
  })
})

/** The answer of a server that is starting up, on the wire. */
const startingUp = (() => {
  const fields = 'SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0'
  const length = Buffer.alloc(4)
  length.writeInt32BE(fields.length + 4)
  return Buffer.concat([Buffer.from('E'), length, Buffer.from(fields)])
})()

async function listenAnd(
  greet: (socket: import('node:net').Socket) => void,
): Promise<{ server: Server; port: number }> {
  const server = createServer(greet)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return { server, port: (server.address() as { port: number }).port }
}

describe('a connection', () => {
  test('finds the names of the catalog first, so that nobody can slip in a function or a type that runs as our role', async () => {
    expect(await admin.withConnection((sql) => sql`show search_path`)).toEqual([
      { search_path: 'pg_catalog, pg_temp' },
    ])
  })

  test('that breaks is not silently opened again: the new session would lack its settings', async () => {
    const broken = admin.withConnection(async (sql) => {
      await sql`select pg_terminate_backend(pg_backend_pid())`.catch(() => {})
      return sql`select 1`
    })
    await expect(broken).rejects.toMatchObject({ code: 'DatabaseUnavailable' })
  })

  test('to a server that stops answering ends at the deadline', async () => {
    const silent = admin.withConnection((sql) => sql`select pg_sleep(60)`, {
      deadline: Date.now() + 300,
      startUp: { statement_timeout: '0' },
    })
    await expect(silent).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
      message: expect.stringContaining('stopped answering'),
    })
  })

  test('to a server where everything is read only can write all the same, or fails with the reason', async () => {
    await expect(
      admin.withConnection((sql) => sql`create temporary table x ()`, {
        startUp: { default_transaction_read_only: 'on' },
      }),
    ).rejects.toMatchObject({ code: 'DatabaseReadOnly' })
    await admin.withConnection((sql) => sql`create temporary table x ()`)
  })
})

describe('a database without schema viewkeeper', () => {
  const { database } = useDatabase({ migrated: false })

  test('is NotMigrated', async () => {
    await expect(listViews(database)).rejects.toMatchObject({ code: 'NotMigrated' })
  })
})

describe('TLS is verify-full', () => {
  let server: TlsServer
  let roots: string[]
  let tls: ConnectionOptions

  beforeAll(async () => {
    server = await startTlsServer()
    roots = [server.root]
    tls = { ...(await fromUrl(server.url)({ fresh: false })), tls: { verify: true, roots } }
  })
  afterAll(() => server?.stop())

  const connect = (changes: Partial<ConnectionOptions>) =>
    connectTo(async () => ({ ...tls, ...changes })).withConnection(
      async (sql) => (await sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`)[0],
    )

  test('a certificate for the address, from a known root, is accepted', async () => {
    expect(await connect({})).toEqual({ ssl: true })
  })

  test('a connection that breaks fails the statements of that moment, and later ones', async () => {
    const way = await breakableWay(server.url)
    const { withConnection } = connectTo(async () => ({ ...tls, port: way.port }))
    const settled = await withConnection((idle) =>
      withConnection(async (busy) => {
        const waits = busy`select pg_sleep(10)`.execute()
        way.reset()
        await waits.catch(() => {})
        const sent = [idle`select 1`.execute(), busy`select 1`.execute()]
        await Promise.allSettled(sent)
        return Promise.allSettled([...sent, idle`select 1`, busy`select 1`])
      }),
    )
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected'])
  })

  test("another name for the same server is refused: the certificate is not that name's", async () => {
    await expect(connect({ host: 'localhost' })).rejects.toMatchObject({ code: 'DatabaseUnavailable' })
  })

  test('an unknown root is refused', async () => {
    await expect(connect({ tls: { verify: true, roots: null } })).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
    })
  })

  test('roots are asked for once more, as a secret is, before a certificate is refused', async () => {
    const asked: boolean[] = []
    const database = connectTo(async ({ fresh }) => {
      asked.push(fresh)
      return { ...tls, tls: { verify: true, roots: fresh ? roots : null } }
    })
    expect(await database.withConnection(async (sql) => (await sql`select 1 as one`)[0])).toEqual({ one: 1 })
    expect(asked).toEqual([false, true])
  })

  test('a server without TLS is refused', async () => {
    await expect(select1({ tls: { verify: true, roots } })).rejects.toMatchObject({
      code: 'DatabaseUnavailable',
    })
  })
})
