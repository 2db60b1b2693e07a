import http, { createServer } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { migrateFor } from '../../../src/api/lambda/deploy.ts'
import { hurried, type LambdaAnswer, startLambda } from '../../support/aws/fake-aws.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { muteConsole } from '../../support/console.ts'

const migrate = 'arn:aws:lambda:eu-central-1:123456789012:function:migrate'
const failed: LambdaAnswer = {
  answer: { errorType: 'DatabaseUnavailable', errorMessage: 'Nobody answers.' },
  threw: true,
}

beforeEach(() => {
  muteConsole()
  vi.spyOn(https, 'request').mockImplementation(http.request as never)
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

/** What CloudFormation is answered, and what `migrate` was sent, when the version of `migrate` goes from one to another. */
async function change(from: string | null, to: string, answers: LambdaAnswer[], more: object = {}) {
  const { received, called } = await startLambda(answers)
  const address = await startCloudFormation()
  await migrateFor(eventOf(address.url, from, to, more), lambdaContext())
  return { answer: address.answers[0], bytes: address.bytes[0], received, called }
}

function eventOf(url: string, from: string | null, to: string, more: object = {}) {
  return {
    RequestType: from === null ? 'Create' : 'Update',
    ResponseURL: url,
    StackId: 'stack',
    RequestId: 'request',
    ResourceType: 'Custom::ViewkeeperMigration',
    LogicalResourceId: 'Call',
    ...(from !== null && { PhysicalResourceId: 'Call', OldResourceProperties: { Migrate: from } }),
    ResourceProperties: { ServiceToken: 'arn', Migrate: to },
    ...more,
  }
}

/** Stands for CloudFormation, which fails with the first answers. */
async function startCloudFormation(failures = 0) {
  const answers: unknown[] = []
  const bytes: number[] = []
  const server = createServer(async (request, response) => {
    // The address is signed for no type of the content.
    const refused = request.method !== 'PUT' || request.headers['content-type'] !== ''
    const body = await text(request)
    answers.push(JSON.parse(body))
    bytes.push(Buffer.byteLength(body))
    response.writeHead(refused ? 403 : answers.length > failures ? 200 : 500).end()
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  onTestFinished(() => void server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/answer?Signature=x`,
    answers,
    bytes,
  }
}

const same = { StackId: 'stack', RequestId: 'request', LogicalResourceId: 'Call', PhysicalResourceId: 'Call' }

test.each([
  ['the first deploy', null, `${migrate}:1`],
  ['a later deploy', `${migrate}:9`, `${migrate}:10`],
])('%s calls migrate, and ends as migrate does', async (_, from, to) => {
  const succeeded = await change(from, to, [{ answer: {} }])
  expect(succeeded.answer).toEqual({ Status: 'SUCCESS', ...same })
  expect(succeeded.received).toEqual([{ trigger: 'deploy', rollback: false }])
  // A version knows the server of its time; CloudFormation may have replaced that server since.
  expect(succeeded.called).toEqual([migrate])
  expect((await change(from, to, [failed])).answer).toEqual({
    Status: 'FAILED',
    Reason: 'Nobody answers.',
    ...same,
  })
})

describe('a rollback', () => {
  test('calls migrate, says that it is a rollback, and succeeds whatever that says', async () => {
    const { answer, received } = await change(`${migrate}:10`, `${migrate}:9`, [failed])
    expect(answer).toEqual({ Status: 'SUCCESS', ...same })
    expect(received).toEqual([{ trigger: 'deploy', rollback: true }])
  })

  test('succeeds also if migrate cannot be called', async () => {
    const gone = { status: 404, type: 'ResourceNotFoundException', message: 'Function not found' }
    expect((await change(`${migrate}:10`, `${migrate}:9`, [gone])).answer).toMatchObject({
      Status: 'SUCCESS',
    })
  })
})

describe('a call with a state machine', () => {
  const stateMachineArn = 'arn:aws:states:eu-central-1:123456789012:stateMachine:batches'
  const begin = (from: string | null, to: string, answers: LambdaAnswer[]) =>
    change(from, to, answers, {
      ResourceProperties: { Migrate: to, StateMachine: stateMachineArn, Key: 'code' },
    })
  const started: LambdaAnswer = { answer: { executionArn: 'execution', startDate: 1 } }

  test('starts an execution for every view, whose key is what was deployed, and migrates nothing', async () => {
    const { answer, received } = await begin(`${migrate}:9`, `${migrate}:10`, [started])
    expect(answer).toEqual({ Status: 'SUCCESS', ...same })
    const input = JSON.stringify({ trigger: 'deploy', key: 'code', all: true })
    expect(received).toEqual([expect.objectContaining({ stateMachineArn, input })])
  })

  test('waits for a right that is seconds old, and fails if there is no such machine', async () => {
    const tooNew = { status: 400, type: 'AccessDeniedException', message: 'not authorized' }
    const { answer, received } = await begin(null, `${migrate}:1`, [tooNew, started])
    expect(answer).toMatchObject({ Status: 'SUCCESS' })
    expect(received).toHaveLength(2)
    const gone = { status: 400, type: 'StateMachineDoesNotExist', message: 'It does not exist' }
    expect((await begin(null, `${migrate}:1`, [gone])).answer).toMatchObject({ Status: 'FAILED' })
  })

  test('starts nothing in a rollback', async () => {
    const { answer, received } = await begin(`${migrate}:10`, `${migrate}:9`, [started])
    expect(answer).toEqual({ Status: 'SUCCESS', ...same })
    expect(received).toEqual([])
  })
})

test('the version of another function says nothing of a rollback', async () => {
  const { answer } = await change(`${migrate}-old:10`, `${migrate}:1`, [failed])
  expect(answer).toMatchObject({ Status: 'FAILED' })
})

test('a stack that is removed calls nothing', async () => {
  const { answer, received } = await change(null, `${migrate}:9`, [failed], { RequestType: 'Delete' })
  expect(answer).toEqual({ Status: 'SUCCESS', ...same })
  expect(received).toEqual([])
})

test('a right to call that is seconds old is waited for', async () => {
  const tooNew = { status: 403, type: 'AccessDeniedException', message: 'not authorized' }
  const { answer, received } = await change(null, `${migrate}:1`, [tooNew, { answer: {} }])
  expect(answer).toMatchObject({ Status: 'SUCCESS' })
  expect(received).toHaveLength(2)
})

test.each([
  ['letters of two bytes', 'ä'.repeat(5000)],
  ['pictures', '😀'.repeat(5000)],
  ['quotation marks', '"'.repeat(5000)],
  ['control characters', '\u0001'.repeat(5000)],
])('a reason of %s is cut, so that CloudFormation takes the answer', async (_, errorMessage) => {
  const { answer, bytes } = await change(null, `${migrate}:1`, [{ answer: { errorMessage }, threw: true }])
  const { Reason } = answer as { Reason: string }
  expect(errorMessage.startsWith(Reason)).toBe(true)
  expect(bytes).toBeGreaterThan(3500)
  expect(bytes).toBeLessThan(4096)
})

describe('CloudFormation that takes no answer', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
  afterEach(() => void vi.useRealTimers())

  async function answered(failures: number) {
    await startLambda([{ answer: {} }])
    const { url, answers } = await startCloudFormation(failures)
    const { status } = await hurried(migrateFor(eventOf(url, null, `${migrate}:1`), lambdaContext()))
    return { status, answers: answers.length }
  }

  test('is answered again', async () => {
    expect(await answered(2)).toEqual({ status: 'fulfilled', answers: 3 })
  })

  test('is answered three times at most; then Lambda calls again', async () => {
    expect(await answered(9)).toEqual({ status: 'rejected', answers: 3 })
  })
})
