import postgres from 'postgres'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { routeKey } from '../../../src/api/route.ts'
import { routes } from '../../../src/api/routes.ts'
import { httpEvent, lambdaContext, parsed, quietFunctionsOn } from '../../support/aws/lambda.ts'
import { eachCase } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { ofTestsThemselves } from '../../support/servers/settings.ts'
import { until } from '../../support/waiting/until.ts'

const { sql, as } = useDatabase()
const bounded = as('bounded').url
quietFunctionsOn(bounded)

beforeAll(() =>
  sql.unsafe(`
    create role bounded login password 'secret' connection limit 2;
    create role application login password 'secret';
    grant all on schema viewkeeper to bounded;
    grant all on all tables in schema viewkeeper to bounded;
    create materialized view sales as select 1 as id`),
)

/** Every route that needs the database, with the function that talks to it. */
const served = Object.values(routes)
  .filter(({ path }) => path !== '/openapi.json')
  .map((route) => [routeKey(route), route.function === 'start-batch' ? 'batch' : route.function] as const)

async function call(key: string, name: string) {
  const { handler } = await import(`../../../functions/${name}.ts`)
  const values = { view: 'sales', id: '7' }
  const named = Object.entries(values).filter(([place]) => key.includes(`{${place}}`))
  const event = httpEvent(key, { path: Object.fromEntries(named) })
  const answered = await handler(name === 'batch' ? { event, requestId: key } : event, lambdaContext())
  return parsed(name === 'batch' ? answered.answer : answered)
}

/** Holds all connections that the role may open, until the test ends or `free` is called. */
async function holdAll(): Promise<{ free(): Promise<void> }> {
  const held: postgres.Sql[] = []
  const free = async () => void (await Promise.all(held.map((each) => each.end({ timeout: 1 }))))
  onTestFinished(free)
  // A session that was refused, or that its client has left, counts until its process has ended.
  while (held.length < 2) await until('the role may open a connection', tryOne)
  return { free }

  async function tryOne(): Promise<boolean> {
    const one = postgres(bounded, { max: 1, fetch_types: false, connection: ofTestsThemselves })
    try {
      await one`select 1`
    } catch (error) {
      await one.end({ timeout: 1 })
      if ((error as { code?: string }).code === '53300') return false
      throw error
    }
    held.push(one)
    return true
  }
}

eachCase(served, { quick: 3 })(
  '%s answers 503 with Retry-After when the role may open no further connection',
  async (key, name) => {
    await holdAll()
    const { statusCode, headers, body } = await call(key, name)
    expect({ statusCode, code: body.code }).toEqual({ statusCode: 503, code: 'TooManyConnections' })
    expect(headers).toMatchObject({ 'retry-after': '5' })
    expect(body.detail).toMatch(/Try again in some seconds\..* connection limit of Viewkeeper's role/)
  },
)

test('the application connects meanwhile, and the request succeeds when a connection is free', async () => {
  const { free } = await holdAll()
  const application = postgres(as('application').url, {
    max: 1,
    fetch_types: false,
    connection: ofTestsThemselves,
  })
  onTestFinished(() => application.end({ timeout: 1 }))
  expect([...(await application`select 1 as one`)]).toEqual([{ one: 1 }])
  expect(await call('GET /views', 'api')).toMatchObject({ statusCode: 503 })
  await free()
  await expect.poll(async () => (await call('GET /views', 'api')).statusCode).toBe(200)
})

test('an event is thrown with the name of the problem, which the state machine retries', async () => {
  await holdAll()
  const { handler } = await import('../../../functions/batch.ts')
  const event = { trigger: 'deploy', key: 'version-1', all: true }
  await expect(handler({ event, requestId: 'r' }, lambdaContext())).rejects.toMatchObject({
    name: 'TooManyConnections',
  })
})
