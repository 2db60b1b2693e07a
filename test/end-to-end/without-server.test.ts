import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Gateway, startGateway } from '../../serve/http/gateway.ts'
import { servedOn } from '../support/api/served.ts'
import { muteConsole } from '../support/console.ts'
import { startOwnServer } from '../support/servers/own-server.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../support/views/slow-view.ts'
import { Project, type Ran } from './support/project.ts'

// Operating commands on DATABASE_URL alone say what they say of a server.

const { server, sql, database } = await startOwnServer()
let gateway: Gateway
beforeAll(async () => {
  muteConsole()
  await sql.unsafe(`
    create table orders as select 1 + i % 3 as region, i as amount from generate_series(1, 30) i;
    create materialized view sales as select region, sum(amount) as total from orders group by region;
    create materialized view top as select * from sales order by total desc limit 2;
    create materialized view broken as select 1 / (region - region) as x from orders with no data`)
  await makeGatedView(sql, 'gated')
  gateway = await startGateway({ port: 0, served: servedOn(database) })
})
afterAll(async () => {
  await gateway.close()
  vi.restoreAllMocks()
})

const direct = (...args: string[]): Promise<Ran> =>
  new Project().run(args, { env: { DATABASE_URL: server.url } })
const served = (...args: string[]): Promise<Ran> =>
  new Project().run(args, { env: { PORT: new URL(gateway.url).port } })

test('one view is refreshed, and the record says who has asked', async () => {
  const { code, out, err } = await direct('refresh', 'sales')
  expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^✓ sales {3}.* {3}run 1\n/) })
  expect(err).toContain('the database of DATABASE_URL')
  expect(await sql`select trigger, status from viewkeeper.runs where id = 1`).toEqual([
    { trigger: 'cli', status: 'success' },
  ])
})

test('several views are refreshed as long as the command runs; a failure is its exit code', async () => {
  const ran = await direct('refresh', 'sales+')
  expect(ran).toMatchObject({ code: 0, out: expect.stringContaining('✓ 2 of 2 views refreshed') })
  expect(await direct('refresh', 'sales', 'broken')).toMatchObject({ code: 1 })
  expect(await direct('refresh', 'sales', 'top', '--no-wait')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/Nothing was begun: no server runs on the database of DATABASE_URL/),
  })
  expect(await direct('retry')).toMatchObject({ code: 1 })
})

test('a run is canceled from beside it', async () => {
  await withGateClosed(sql, 'gated', async () => {
    const refreshing = direct('refresh', 'gated')
    await untilAtGate(sql, 'gated')
    const [{ id }] = await sql<[{ id: number }]>`select id from viewkeeper.runs where status = 'running'`
    expect(await direct('cancel', String(id))).toMatchObject({ code: 0 })
    expect(await refreshing).toMatchObject({ code: 1 })
  })
})

test('what is paused stays so', async () => {
  expect(await direct('pause', 'top')).toMatchObject({ code: 0 })
  expect((await served('ls')).out).toMatch(/^top +paused/m)
  expect(await direct('resume', 'top')).toMatchObject({ code: 0 })
})

test.each([
  'ls',
  'show sales',
  'why broken',
  'runs',
  'runs broken',
  'batches',
  'actions',
  'metrics',
  'plan',
  'graph',
])('%s says the same as of a server', async (line) => {
  const [own, other] = await Promise.all([direct(...line.split(' ')), served(...line.split(' '))])
  const timeless = ({ code, out }: Ran) => ({
    code,
    out: out.replaceAll(/\d+(\.\d+)?( ?(ms|s|min))?/g, '0').replaceAll(/ +/g, ' '),
  })
  expect(timeless(own)).toEqual(timeless(other))
  expect(own.out.length).toBeGreaterThan(20)
})

test('a database without the schema is refused, with what to type', async () => {
  await sql`create database empty`
  const url = new URL(server.url)
  url.pathname = '/empty'
  const ran = await new Project().run(['ls'], { env: { DATABASE_URL: url.href } })
  expect(ran).toMatchObject({ code: 3, err: expect.stringContaining('npx viewkeeper migrate up') })
})
