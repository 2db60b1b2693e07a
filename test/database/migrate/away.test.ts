import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { waiting, withinLifetime } from '../../../src/api/lambda/lifetime.ts'
import { serveMigrations } from '../../../src/api/lambda/migrate.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { muteConsole } from '../../support/console.ts'
import { eachCase } from '../../support/deep.ts'
import { schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

const folder = useFolders()
const { url, sql } = useDatabase({ migrated: false })

beforeEach(muteConsole)
afterEach(() => void vi.restoreAllMocks())

/** A server that turns the first connections away in these manners, and lets all later ones in. */
async function comesUpAfter(refusals: ((socket: Socket) => void)[], changes: Partial<URL> = {}) {
  let attempts = 0
  const { hostname, port } = new URL(url)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    const refuse = refusals[attempts++]
    if (refuse) return refuse(socket)
    const real = connect(Number(port), hostname).on('error', () => socket.destroy())
    socket.pipe(real).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const here = new URL(url)
  Object.assign(here, changes, { port: String((server.address() as AddressInfo).port) })
  return { database: connectTo(fromUrl(here.href), { waiting }), attempts: () => attempts }
}

async function call(database: ReturnType<typeof connectTo>, event: object) {
  const folders = { schema: schemaFolder, views: (await folder('none')).url }
  return withinLifetime(event, lambdaContext(), () =>
    serveMigrations(event, folders, { database, administration: undefined, viewMigrations: true }),
  )
}

const hangUp = (socket: Socket) => void socket.destroy()

/** The answer of a server that is starting up, on the wire. */
function startUp(socket: Socket): void {
  const fields = 'SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0'
  const length = Buffer.alloc(4)
  length.writeInt32BE(fields.length + 4)
  socket.once('data', () => socket.end(Buffer.concat([Buffer.from('E'), length, Buffer.from(fields)])))
}

eachCase(
  [
    ['a deploy', {}],
    ['a command', { command: 'up' }],
  ],
  { quick: 1 },
)('%s waits for a server that first hangs up and then starts', async (_, event) => {
  const { database, attempts } = await comesUpAfter([hangUp, startUp])
  expect(await call(database, event)).toMatchObject({ views: { applied: [] } })
  expect(attempts()).toBeGreaterThan(2)
  expect(await sql`select from viewkeeper.schema_steps`).not.toHaveLength(0)
})

test('a rollback does not wait', async () => {
  const { database, attempts } = await comesUpAfter([startUp, startUp])
  expect(await refusalOf(call(database, { rollback: true }))).toMatchObject({ code: 'DatabaseUnavailable' })
  expect(attempts()).toBe(1)
})

test.each([
  ['a wrong password', { password: 'wrong' }, 'CredentialsRefused'],
  ['a database that does not exist', { pathname: '/nowhere' }, 'DatabaseUnavailable'],
])('%s fails a deploy at once', async (_, changes, code) => {
  const { database, attempts } = await comesUpAfter([], changes)
  expect(await refusalOf(call(database, {}))).toMatchObject({ code })
  expect(attempts()).toBeLessThan(3)
})
