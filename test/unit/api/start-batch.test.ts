import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { ExecutionAlreadyExists, SFNClient } from '@aws-sdk/client-sfn'
import { describe, expect, test, vi } from 'vitest'
import {
  type BatchMachinery,
  deployedMachinery,
  startBatchWith,
  startDueWith,
} from '../../../src/api/lambda/start-batch.ts'
import { Problem } from '../../../src/words/problem.ts'
import { useDeployed } from '../../support/aws/deployed.ts'
import { httpEvent, lambdaContext } from '../../support/aws/lambda.ts'

const context = lambdaContext({ awsRequestId: 'request-7' })
const answer = { statusCode: 202, body: '{}' }

const machineryOf = (answer: object): BatchMachinery & { advanced: string[]; opened: unknown[] } => {
  const advanced: string[] = []
  const opened: unknown[] = []
  return {
    advanced,
    opened,
    async open(event) {
      opened.push(event)
      return answer as never
    },
    async advance(batchId) {
      advanced.push(batchId)
    },
  }
}

const soon = () => Date.now() + 24_000

const configuration = {
  BATCH_FUNCTION: 'viewkeeper-test-batch',
  STATE_MACHINE_ARN: 'arn:aws:states:eu-central-1:1:stateMachine:test',
}

useDeployed()

describe('starting a batch', () => {
  test('forwards the request, has the batch advanced, and answers with the answer of batch', async () => {
    const machinery = machineryOf({ answer, batchId: 'b-1' })
    const event = httpEvent('POST /batches')
    expect(await startBatchWith(machinery, event, context)).toBe(answer)
    expect(machinery.opened).toEqual([{ event, requestId: 'request-7' }])
    expect(machinery.advanced).toEqual(['b-1'])
  })

  test('has what is due by target lags recorded and advanced when the monitor asks for it', async () => {
    const machinery = machineryOf({ answer: null, batchId: 'b-1' })
    await startDueWith(machinery, context)
    expect(machinery.opened).toEqual([{ event: { trigger: 'schedule', due: true }, requestId: 'request-7' }])
    expect(machinery.advanced).toEqual(['b-1'])
  })

  test('advances nothing if the function batch names no batch', async () => {
    const machinery = machineryOf({ answer, batchId: null })
    expect(await startBatchWith(machinery, httpEvent('POST /batches'), context)).toBe(answer)
    expect(machinery.advanced).toEqual([])
  })

  test('that fails is a problem', async () => {
    const failing: BatchMachinery = {
      open: () => Promise.reject(new Problem('DatabaseUnavailable', 'It is away.')),
      advance: async () => {},
    }
    expect(await startBatchWith(failing, httpEvent('POST /batches'), context)).toMatchObject({
      statusCode: 503,
    })
  })

  test('takes no event that did not come by HTTP: such an event is the input of an execution', async () => {
    const machinery = machineryOf({ answer, batchId: 'b-1' })
    const event = { trigger: 'schedule', schedule: 'nightly' } as never
    expect(await startBatchWith(machinery, event, context)).toMatchObject({ statusCode: 404 })
    expect(machinery.opened).toEqual([])
  })
})

describe('in AWS', () => {
  const payload = (value: unknown) => ({ transformToString: () => JSON.stringify(value) })

  test('batch is invoked by its name, and its refusals keep their code', async () => {
    const send = vi
      .spyOn(LambdaClient.prototype, 'send')
      .mockResolvedValueOnce({ Payload: payload({ answer, batchId: null }) } as never)
    const machinery = deployedMachinery(configuration)
    const forwarded = { event: { trigger: 'schedule' }, requestId: 'request-7' }
    expect(await machinery.open(forwarded, soon())).toEqual({ answer, batchId: null })
    expect(send.mock.calls[0]?.[0].input).toEqual({
      FunctionName: 'viewkeeper-test-batch',
      Payload: JSON.stringify(forwarded),
    })
    send.mockResolvedValueOnce({
      FunctionError: 'Unhandled',
      Payload: payload({ errorType: 'NotMigrated', errorMessage: 'There is no schema.' }),
    } as never)
    await expect(machinery.open(forwarded, soon())).rejects.toMatchObject({
      code: 'NotMigrated',
      message: 'There is no schema.',
    })
    send.mockResolvedValueOnce({ FunctionError: 'Unhandled', Payload: payload(null) } as never)
    await expect(machinery.open(forwarded, soon())).rejects.toMatchObject({ code: 'InternalError' })
  })

  test('batch is invoked again with the same event if its answer is lost', async () => {
    const received: string[] = []
    const server = createServer(async (request, response) => {
      if (received.push(await text(request)) === 1) request.socket.destroy()
      else response.end(JSON.stringify({ answer, batchId: 'b-5' }))
    }).listen(0, '127.0.0.1')
    await new Promise((listening) => server.once('listening', listening))
    vi.stubEnv('AWS_ENDPOINT_URL_LAMBDA', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
    try {
      const forwarded = { event: { body: '{}' }, requestId: 'request-7' }
      expect(await deployedMachinery(configuration).open(forwarded, soon())).toEqual({
        answer,
        batchId: 'b-5',
      })
      expect(received.map((body) => JSON.parse(body))).toEqual([forwarded, forwarded])
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })

  test('an execution has the name of its batch; after an aborted one there is another', async () => {
    const exists = new ExecutionAlreadyExists({ message: 'it is there', $metadata: {} })
    const send = vi
      .spyOn(SFNClient.prototype, 'send')
      .mockRejectedValueOnce(exists)
      .mockResolvedValueOnce({} as never)
    await deployedMachinery(configuration).advance('b-3')
    const inputs = send.mock.calls.map(([command]) => command.input as { name: string })
    expect(inputs[0]).toEqual({
      stateMachineArn: configuration.STATE_MACHINE_ARN,
      name: 'b-3',
      input: '{"batchId":"b-3"}',
    })
    expect(inputs[1]).toMatchObject({
      name: expect.stringMatching(/^b-3-[0-9a-z]+$/),
      input: '{"batchId":"b-3"}',
    })
  })

  test('an execution that cannot be started is refused with the batch and what to do', async () => {
    vi.spyOn(SFNClient.prototype, 'send').mockRejectedValue(new Error('denied'))
    await expect(deployedMachinery(configuration).advance('b-4')).rejects.toMatchObject({
      code: 'BatchNotStarted',
      details: { batchId: 'b-4' },
      message: expect.stringContaining('Idempotency-Key'),
    })
  })
})
