import { beforeAll, describe, expect, test } from 'vitest'
import { deployedTarget } from '../../../cli/target/deployed.ts'
import { deployedSender } from '../../../src/api/lambda/send.ts'
import { deployedMachinery, startBatchWith } from '../../../src/api/lambda/start-batch.ts'
import { hurried, type LambdaAnswer, startLambda, useFakeClock, warmUp } from '../../support/aws/fake-aws.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'

beforeAll(() => warmUp([() => deployedTarget('nowhere').describe('all')]))
useFakeClock()

/** What Lambda says instead of calling a function. */
const refusals: [string, LambdaAnswer][] = [
  [
    'sleeps',
    {
      status: 502,
      type: 'ResourceNotReadyException',
      message: 'The function is inactive and its VPC connection is no longer available.',
    },
  ],
  [
    'sleeps, as seen in the wild',
    {
      status: 403,
      type: 'CodeArtifactUserPendingException',
      message: 'ERROR: Lambda is initializing your function. It will be ready to invoke shortly.',
    },
  ],
  [
    'is not ready yet',
    {
      status: 409,
      type: 'ResourceConflictException',
      message: 'The function is currently in the following state: Pending',
    },
  ],
  ['is throttled', { status: 429, type: 'TooManyRequestsException', message: 'Rate Exceeded.' }],
]

describe.each(refusals)('a function that %s', (_, refusal) => {
  const machinery = () => deployedMachinery({ BATCH_FUNCTION: 'open', STATE_MACHINE_ARN: 'machine' })
  const start = () =>
    startBatchWith(
      machinery(),
      httpEvent('POST /batches'),
      lambdaContext({ getRemainingTimeInMillis: () => 29_000 }),
    )
  const answer = { statusCode: 200, body: '{"batchId":"b-1"}' }
  const many = Array<LambdaAnswer>(4).fill(refusal)

  test('is called again by start-batch, with the same request, until it answers', async () => {
    const { received } = await startLambda([...many, { answer: { answer, batchId: null } }])
    expect(await hurried(start())).toEqual({ status: 'fulfilled', value: answer })
    expect(received).toHaveLength(5)
    expect(new Set(received.map((request) => JSON.stringify(request))).size).toBe(1)
  })

  test('to the end is a 503 with Retry-After, before API Gateway gives up', async () => {
    const { received } = await startLambda([refusal])
    const before = Date.now()
    const { value } = (await hurried(start())) as { value: Awaited<ReturnType<typeof start>> }
    const { statusCode, headers, body } = parsed(value)
    expect({ statusCode, code: body.code }).toEqual({ statusCode: 503, code: 'FunctionUnavailable' })
    expect(headers).toMatchObject({ 'retry-after': '5' })
    expect(body.detail).toMatch(/^open (is not ready|was not run): .* Nothing was begun: try again/)
    expect(Date.now() - before).toBeLessThan(25_000)
    expect(received.length).toBeGreaterThan(4)
  })

  test('is called again by the command line, for two minutes', async () => {
    const { received } = await startLambda([...many, { answer: { views: [] } }])
    expect(await hurried(deployedTarget('nowhere').describe('all'))).toEqual({
      status: 'fulfilled',
      value: [],
    })
    expect(received).toEqual(Array(5).fill({ command: 'describe', views: 'all' }))
  })

  test('to the end is refused by the command line, which says what to do', async () => {
    await startLambda([refusal])
    const before = Date.now()
    expect(await hurried(deployedTarget('nowhere').describe('all'))).toMatchObject({
      reason: {
        code: 'FunctionUnavailable',
        message: expect.stringMatching(/^migrate-of-nowhere .*: try again/),
      },
    })
    const seconds = (Date.now() - before) / 1000
    expect(seconds).toBeGreaterThan(100)
    expect(seconds).toBeLessThan(130)
  })
})

test('a call that is refused for good is not repeated', async () => {
  const { received } = await startLambda([
    { status: 404, type: 'ResourceNotFoundException', message: 'Function not found.' },
  ])
  expect(await hurried(deployedTarget('nowhere').describe('all'))).toMatchObject({
    reason: { code: 'InvalidRequest', message: expect.stringContaining('ResourceNotFoundException') },
  })
  expect(received).toHaveLength(1)
})

test('a monitor that is throttled is asked again three times at most: who asks on takes the concurrency that it lacks', async () => {
  const { received } = await startLambda([refusals.at(-1)![1]])
  const sender = deployedSender({ MONITOR_FUNCTION: 'monitor' })
  expect(await hurried(sender.look({ look: false }, Date.now() + 200_000))).toMatchObject({
    status: 'rejected',
    reason: { code: 'FunctionUnavailable', message: expect.stringContaining('no concurrency left') },
  })
  expect(received).toHaveLength(4)
})
