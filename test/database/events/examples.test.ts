import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test, vi } from 'vitest'
import { handler as exportToS3 } from '../../../docs/examples/export-to-s3.ts'
import { handler as invalidateCache } from '../../../docs/examples/invalidate-cache.ts'
import { handler as postToChat } from '../../../docs/examples/post-to-chat.ts'
import { handOut, sendWaiting } from '../../../src/events/hand-out.ts'
import type { WaitingEvent } from '../../../src/record/plan/watch.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { muchLater } from '../../support/waiting/until.ts'

// The examples of docs/events.md, with the events of real runs.

const { url, database, sql } = useDatabase()
let stop = () => {}
afterEach(() => {
  stop()
  vi.unstubAllEnvs()
})

/** A server that notes what it is asked. */
async function startServer(status = 200) {
  const asked: { method: string; path: string; body: string; headers: IncomingMessage['headers'] }[] = []
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request
    asked.push({ method, path, body: await text(request), headers })
    response.writeHead(status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stop = () => {
    server.close()
    server.closeAllConnections()
  }
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** What a rule's target gets of everything that has happened, as EventBridge calls it. */
async function delivered() {
  const bus: WaitingEvent[] = []
  await sendWaiting({
    until: muchLater(),
    ask: (request) => handOut(database, request, 'production'),
    async put(events) {
      bus.push(...events)
      return events.map(() => null)
    },
  })
  return bus.map(
    ({ type, id, sequence, at, detail }) =>
      ({
        'detail-type': type,
        detail: { type, id, sequence, environment: 'production', at, ...detail },
      }) as never,
  )
}

test('a refreshed view is forgotten by a cache and exported to S3, under the name that it has', async () => {
  await sql`create materialized view "Odd.Name" as select 1 as id, 'a,b' as text`
  await refresh({ view: '"Odd.Name"' }, callOn(database))
  const [event] = await delivered()
  const server = await startServer()
  vi.stubEnv('CACHE_URL', server.url)
  vi.stubEnv('DATABASE_URL', url)
  vi.stubEnv('BUCKET', 'exports')
  vi.stubEnv('AWS_ENDPOINT_URL', server.url)
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
  await invalidateCache(event!)
  await exportToS3(event!)
  expect(server.asked.map(({ method, path }) => `${method} ${decodeURIComponent(path)}`)).toEqual([
    'PURGE /public."Odd.Name"',
    expect.stringMatching(/^PUT \/.*production\/public\."Odd\.Name"\.csv/),
  ])
  expect(server.asked[1]!.body).toContain('id,text\n1,"a,b"\n')
})

test('a failed view and its batch are posted to a chat; a chat that is away makes Lambda call again', async () => {
  await sql.unsafe(`
    create function broken() returns integer language plpgsql as $$ begin return 1 / 0; end $$;
    create materialized view failing as select broken() as id with no data;
    create materialized view fine as select 1 as id with no data`)
  const batchId = await begin(database, { views: ['failing'], retries: 0 })
  await advanceToEnd(database, batchId)
  await advanceToEnd(database, await begin(database, { views: ['fine'] }))
  const events = (await delivered()).filter(({ 'detail-type': type }) => type !== 'ViewRefreshed')
  const server = await startServer()
  vi.stubEnv('CHAT_URL', server.url)
  for (const event of events) await postToChat(event)
  expect(server.asked.map(({ body }) => JSON.parse(body).text)).toEqual([
    expect.stringMatching(
      /^public\.failing failed in production: .+ Type: viewkeeper why public\.failing --env production$/,
    ),
    `Batch ${batchId} of production: 0 views refreshed, 1 failed, 0 skipped. Type: viewkeeper batches ${batchId} --env production`,
  ])
  stop()
  vi.stubEnv('CHAT_URL', (await startServer(503)).url)
  await expect(postToChat(events[0]!)).rejects.toThrow('503')
})
