import { gzipSync } from 'node:zlib'
import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { expect, test, vi } from 'vitest'
import { type Announcer, answerLines, deployedAnnouncer } from '../../../src/api/lambda/announce.ts'
import { dueLine, eventsLine } from '../../../src/api/lambda/wake-lines.ts'
import { useDeployed } from '../../support/aws/deployed.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'

const context = lambdaContext({ awsRequestId: 'request-7' })

/** As CloudWatch Logs packs lines. */
const packed = (...messages: string[]) => {
  const logEvents = messages.map((message, at) => ({ id: String(at), timestamp: at, message }))
  return { awslogs: { data: gzipSync(JSON.stringify({ logEvents })).toString('base64') } }
}

const announcerOf = (more: Partial<Announcer> = {}) => {
  const announce = vi.fn(async () => ({ refused: null }) as never)
  return { announce, startDue: vi.fn<Announcer['startDue']>(async () => {}), ...more }
}

useDeployed()

test.each([
  ['events that wait', [eventsLine], 1, 0],
  ['what is due', [dueLine], 0, 1],
  ['both at once', [dueLine, '{"message":"run ended"}', eventsLine, eventsLine], 1, 1],
  ['another line', ['{"message":"run ended","problem":"events wait"}', 'START RequestId'], 0, 0],
])('each line asks for its own: %s', async (_, lines, announced, started) => {
  const announcer = announcerOf()
  const event = packed(...lines)
  await answerLines(announcer, event, context)
  expect(announcer.announce).toHaveBeenCalledTimes(announced)
  expect(announcer.startDue).toHaveBeenCalledTimes(started)
  if (started > 0) expect(announcer.startDue).toHaveBeenCalledWith(event)
})

test('events are put on the bus even if nobody starts what is due, and the failure is counted', async () => {
  const announcer = announcerOf({ startDue: vi.fn(() => Promise.reject(new Error('throttled'))) })
  await expect(answerLines(announcer, packed(dueLine, eventsLine), context)).rejects.toThrow('throttled')
  expect(announcer.announce).toHaveBeenCalledOnce()
})

test('a refusal of the bus does not keep what is due from its start', async () => {
  const announcer = announcerOf({ announce: vi.fn(async () => ({ refused: 'Throttled' }) as never) })
  await expect(answerLines(announcer, packed(dueLine, eventsLine), context)).rejects.toThrow(
    'The bus has refused an event (Throttled)',
  )
  expect(announcer.startDue).toHaveBeenCalledOnce()
})

test('start-batch gets the line as from CloudWatch Logs, and nobody waits for it', async () => {
  const lambda = vi.spyOn(LambdaClient.prototype, 'send').mockResolvedValue({} as never)
  const bus = vi.spyOn(EventBridgeClient.prototype, 'send')
  const announcer = deployedAnnouncer({
    VIEWKEEPER_ENVIRONMENT: 'test',
    NEWS_FUNCTION: 'news',
    START_BATCH_FUNCTION: 'start',
    EVENT_BUS: 'default',
  })
  const event = packed(dueLine)
  await answerLines(announcer, event, context)
  expect(lambda.mock.calls.map(([command]) => command.input)).toEqual([
    { FunctionName: 'start', InvocationType: 'Event', Payload: JSON.stringify(event) },
  ])
  expect(bus).not.toHaveBeenCalled()
})
