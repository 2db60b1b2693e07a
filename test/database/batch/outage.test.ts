import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { App, Stack } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { handler as batch } from '../../../functions/batch.ts'
import { BatchMachine } from '../../../infra/functions/batch-machine.ts'
import { execute, readDefinition } from '../../infra/support/machine.ts'
import { lambdaContext, quietFunctionsOn } from '../../support/aws/lambda.ts'
import { eachCase } from '../../support/deep.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { url, sql } = useDatabase()
quietFunctionsOn(url)

beforeAll(() => sql`create materialized view sales as select 1 as id`)

/** The state machine as a deploy makes it. */
function synthesize() {
  const stack = new Stack(new App(), 'batches')
  const lambda = (name: string) =>
    new LambdaFunction(stack, name, {
      runtime: Runtime.NODEJS_24_X,
      handler: 'index.handler',
      code: Code.fromInline('0'),
    })
  new BatchMachine(stack, 'Batches', {
    physicalName: 'test',
    batch: lambda('batch'),
    startBatch: lambda('start'),
    deadLetters: new Queue(stack, 'DeadLetters'),
    logRetention: RetentionDays.ONE_DAY,
    tracing: false,
  })
  const [machine] = Object.values(Template.fromStack(stack).findResources('AWS::StepFunctions::StateMachine'))
  return readDefinition(machine?.Properties)
}

/** A way to the server on which every connection breaks at once while the server is away. */
async function startAway(): Promise<{ isAway: boolean }> {
  const { hostname, port } = new URL(url)
  const state = { isAway: true }
  const clients = new Set<Socket>()
  const way = createServer((client) => {
    if (state.isAway) return void client.destroy()
    const server = connect(Number(port), hostname)
    clients.add(client)
    client.pipe(server).pipe(client)
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
  }).listen(0, '127.0.0.1')
  await once(way, 'listening')
  const here = new URL(url)
  here.port = String((way.address() as AddressInfo).port)
  process.env.DATABASE_URL = here.href
  onTestFinished(() => {
    process.env.DATABASE_URL = url
    way.close()
    for (const client of clients) client.destroy()
  })
  return state
}

const context = lambdaContext({ getRemainingTimeInMillis: () => 90_000 })
const definition = synthesize()
/** Half an hour of refusals. */
const refusals = 33

test('a nightly batch is opened and done after an outage of the database, once', async () => {
  const server = await startAway()
  const tried = { open: 0, advance: 0 }
  const seen: string[] = []
  const outcome = await execute(
    definition,
    { trigger: 'schedule', schedule: 'nightly', scheduledTime: '2026-11-20T09:00:00Z', all: true },
    {
      async open(event) {
        server.isAway = ++tried.open <= refusals
        return batch(event as never, context).catch((error) => {
          seen.push(error.name)
          throw error
        })
      },
      async advance(event) {
        server.isAway = ++tried.advance <= refusals
        return batch(event as never, context)
      },
    },
  )
  expect(outcome).toMatchObject({ done: true, status: 'success', error: null })
  expect(tried).toEqual({ open: refusals + 1, advance: refusals + 1 })
  expect(seen).toEqual(Array(refusals).fill('DatabaseUnavailable'))
  expect(await sql`select status, trigger, requested_by as by from viewkeeper.batches`).toEqual([
    { status: 'success', trigger: 'schedule', by: 'nightly' },
  ])
  expect(await sql`select status, count(*)::int as count from viewkeeper.runs group by 1`).toEqual([
    { status: 'success', count: 1 },
  ])
})

eachCase(
  [
    [{ trigger: 'schedule', schedule: 'typo', scheduledTime: 'x', views: ['no_such_view'] }, 'UnknownView'],
    [{ trigger: 'schedule', schedule: 'typo', veiws: ['sales'] }, 'InvalidRequest'],
    [{}, 'InvalidRequest'],
  ],
  { quick: 1 },
)('the execution for %j is refused at once', async (event, name) => {
  let tries = 0
  const outcome = execute(definition, event, {
    open: (given) => {
      tries++
      return batch(given as never, context)
    },
    advance: () => expect.unreachable(),
  })
  await expect(outcome).rejects.toMatchObject({ cause: { name } })
  expect(tries).toBe(1)
})

test('the batch of a deploy refreshes as many views at once as the environment says', async () => {
  process.env.BATCH_CONCURRENCY = '5'
  onTestFinished(() => {
    delete process.env.BATCH_CONCURRENCY
  })
  for (const [event, concurrency] of [
    [{ trigger: 'deploy', key: 'version-1', all: true }, 5],
    [{ trigger: 'schedule', schedule: 'other', scheduledTime: '2026-11-20T11:00:00Z', all: true }, 2],
  ] as const) {
    const { batchId } = (await batch({ event, requestId: 'r' }, context)) as { batchId: string }
    expect(await sql`select concurrency from viewkeeper.batches where id = ${batchId}`).toEqual([
      { concurrency },
    ])
    await batch({ batchId }, context)
  }
})
