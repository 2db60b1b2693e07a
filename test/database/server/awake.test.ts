import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { functionNames } from '../../../src/api/functions.ts'
import { logger } from '../../../src/api/lambda/lifetime.ts'
import { httpEvent, lambdaContext, quietFunctionsOn } from '../../support/aws/lambda.ts'
import { deep } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { url, sql } = useDatabase()
quietFunctionsOn(url)

beforeAll(() => sql.unsafe('create materialized view sleepy as select 1 as id'))
afterAll(() => sql.unsafe('drop materialized view if exists sleepy'))

const view = 'public.sleepy'
const scheduled = { trigger: 'schedule', schedule: 'test', scheduledTime: '2030-01-01T00:00:00Z' }

/** An event for each function that talks to the database, and what it gets from it. */
const events = {
  create: [{ ...scheduled, view }, /the view exists already/],
  refresh: [{ ...scheduled, view }, /"runId"/],
  drop: [{ ...scheduled, view: 'public.nothing' }, /"runId"/],
  batch: [{ event: { ...scheduled, views: [view] }, requestId: 'test' }, /"batchId"/],
  api: [httpEvent('GET /views'), /"statusCode":200/],
  monitor: [{}, /"due":0/],
  prune: [{}, /"done"/],
  migrate: [{ command: 'status' }, /"applied"/],
} satisfies Record<string, [object, RegExp]>

/** The shortest life that a deploy gives to any of them. */
const lifeMs = 29_000

type Handler = (event: object, context: object) => Promise<unknown>

/** Calls all functions at once; what each has answered or thrown, as text. */
async function callAll(): Promise<Record<string, string>> {
  const handlers = new Map<string, Handler>()
  for (const name of Object.keys(events))
    handlers.set(name, (await import(`../../../functions/${name}.ts`)).handler)
  const life = Date.now() + lifeMs
  const context = lambdaContext({ getRemainingTimeInMillis: () => life - Date.now() })
  const answers = Object.entries(events).map(async ([name, [event]]) => {
    const handler = handlers.get(name) as Handler
    // A fresh moment: the gateway counts from when it got the request.
    if ('requestContext' in event)
      (event as { requestContext: { timeEpoch: number } }).requestContext.timeEpoch = Date.now()
    const answer = await handler(event, context).catch(({ code, message }) => ({ code, message }))
    return [name, JSON.stringify(answer)]
  })
  return Object.fromEntries(await Promise.all(answers))
}

/** Puts a server before the real one that treats connections like this until `isAwake`. */
async function before(treat: (socket: Socket) => void, isAwake: (attempts: number) => boolean) {
  const { hostname, port } = new URL(url)
  let attempts = 0
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    if (!isAwake(++attempts)) return treat(socket)
    const real = connect(Number(port), hostname).on('error', () => socket.destroy())
    sockets.push(real)
    socket.pipe(real).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const there = new URL(url)
  there.port = String((server.address() as AddressInfo).port)
  process.env.DATABASE_URL = there.href
  vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'test')
  onTestFinished(() => {
    process.env.DATABASE_URL = url
    vi.unstubAllEnvs()
    server.close()
    for (const socket of sockets) socket.destroy()
  })
}

const expectAllServed = (answers: Record<string, string>) =>
  expect(
    Object.entries(events).flatMap(([name, [, due]]) =>
      due.test(answers[name]!) ? [] : [[name, answers[name]]],
    ),
  ).toEqual([])

test('every function that is deployed into the network is called here', () => {
  const outside = ['start-batch', 'send']
  expect(Object.keys(events).toSorted()).toEqual(
    functionNames.filter((name) => !outside.includes(name)).toSorted(),
  )
})

test(
  'every function waits for a silent server for at least 20 s, asks it again meanwhile, and says so',
  deep,
  async () => {
    const begun = Date.now()
    const toldAfter: number[] = []
    vi.spyOn(logger, 'warn').mockImplementation((...[message, waited]) => {
      if (message !== 'waited for the database') return
      toldAfter.push(Date.now() - begun)
      expect(waited).toMatchObject({ connected: false })
    })
    let asked = 0
    await before(
      () => asked++,
      () => false,
    )
    const answers = Object.values(await callAll())
    expect(answers.filter((answer) => !answer.includes('DatabaseUnavailable'))).toEqual([])
    expect(toldAfter.length).toBeGreaterThanOrEqual(answers.length)
    // A busy machine may call some functions late: these have less time left, and wait until the same moment.
    expect(toldAfter.filter((ms) => ms < 20_000)).toEqual([])
    expect(asked).toBeGreaterThan(answers.length)
  },
)

test('every function waits for a server that hangs up', async () => {
  await before(
    (socket) => void socket.destroy(),
    (attempts) => attempts > 2 * Object.keys(events).length,
  )
  expectAllServed(await callAll())
})
