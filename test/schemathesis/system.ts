import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { clientOf } from '../../cli/api/client.ts'
import { startEmbeddedPostgres } from '../../local/embedded/embedded.ts'
import { startEvents } from '../../serve/http/events.ts'
import { startGateway } from '../../serve/http/gateway.ts'
import { makeLogger } from '../../serve/process.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { schemaFolder } from '../../src/package-files.ts'
import { connectTo } from '../../src/server/connect.ts'
import type { Sql } from '../../src/server/database.ts'
import { mustStop } from '../deploy/support/cleanup.ts'
import { servedOn } from '../support/api/served.ts'
import { define } from '../support/record/rows.ts'
import { administrator } from '../support/servers/database.ts'

/** Everything of Viewkeeper that answers HTTP on one machine. */
export interface LocalSystem {
  gateway: string
  /** A server that passes on what it gets as the command line and the pages of `viewkeeper open` send it. */
  client: string
  sql: Sql
}

/** Views of every kind, under the names and ids that the OpenAPI file has as examples. */
const views = `
  create schema app;
  create table public.base as select i as id, i % 10 as day from generate_series(1, 100) i;
  create materialized view public.sales as select day, count(*) as n from public.base group by 1;
  create unique index on public.sales (day);
  create materialized view app.totals as select sum(n) as n from public.sales;
  create materialized view app."Odd.Name %2F <b>" as select id from public.base;
  create materialized view public.broken as select 1 / (day - 5) as n from public.base with no data;
  create materialized view public.slow as select id, pg_sleep(0.02)::text as slept from public.base;
  alter table viewkeeper.runs alter column id restart with 812`

/** Starts the local system on a server of its own, as `npm start` does; all of it ends with the test. */
export async function startSystem(folder: string): Promise<LocalSystem> {
  const { url } = mustStop('PostgreSQL', await startEmbeddedPostgres({ folder }))
  process.env.DATABASE_URL = url
  const database = connectTo(fromUrl(url))
  await migrate(database, schemaFolder)
  const sql = administrator(url)
  await sql.unsafe(views)
  const sales = 'select day, count(*) as n from public.base group by 1'
  await define(sql, 'sales', { sql: sales, checks: { notEmpty: true } })
  await define(sql, 'app.missing', { sql: 'select id from public.base' })
  mustStop('sql', { stop: () => sql.end({ timeout: 1 }) })
  const events = startEvents(database)
  mustStop('events', { stop: events.close })
  const served = { ...servedOn(database), logger: makeLogger('ERROR') }
  const gateway = await startGateway({ port: 0, served, events })
  mustStop('gateway', { stop: gateway.close })
  return { gateway: gateway.url, client: await startClient(gateway.url), sql }
}

const headersSent = ['content-type', 'prefer', 'idempotency-key']

/** Passes each request on by the client of the command line, and answers what that gets. */
async function startClient(url: string): Promise<string> {
  const api = clientOf({ name: 'local', environment: null, url })
  const server = createServer(async (asked, response) => {
    const { method = '', url: path = '', headers } = asked
    const given = headersSent.flatMap((name) => (headers[name] ? [[name, String(headers[name])]] : []))
    const request = { method, path, headers: Object.fromEntries(given) }
    const answer = await api
      .forward({ ...request, body: await buffer(asked) })
      .catch((error) => error as Error)
    if (answer instanceof Error) return void response.writeHead(404).end()
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  mustStop('client', { stop: async () => void server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
