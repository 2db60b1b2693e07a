import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { type InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { GetTopicAttributesCommand, type PublishCommandInput, SNSClient } from '@aws-sdk/client-sns'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deployedSender, type Looked, lookAndSend, type Sender } from '../../../src/api/lambda/send.ts'
import type { HandOutRequest } from '../../../src/events/hand-out.ts'
import type { WaitingEvent } from '../../../src/record/plan/watch.ts'
import { useDeployed } from '../../support/aws/deployed.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'

const context = lambdaContext({ awsRequestId: 'request-7', getRemainingTimeInMillis: () => 180_000 })
useDeployed()

describe('each call does what the look asks for', () => {
  const senderOf = (looked: Looked | Error, more: Partial<Sender> = {}) => ({
    look: vi.fn<Sender['look']>(async () => {
      if (looked instanceof Error) throw looked
      return looked
    }),
    send: vi.fn<Sender['send']>(async () => ({ sent: 0, refused: null })),
    startDue: vi.fn<Sender['startDue']>(async () => {}),
    ...more,
  })

  test.each<[string, Looked, number, number]>([
    ['news that wait', { due: 0, waitingSeconds: 0 }, 1, 0],
    ['what is due', { due: 2, waitingSeconds: null }, 0, 1],
    ['both at once', { due: 1, waitingSeconds: 3.5 }, 1, 1],
    ['nothing', { due: 0, waitingSeconds: null }, 0, 0],
  ])('%s', async (_, looked, sent, started) => {
    const sender = senderOf(looked)
    await lookAndSend(sender, { look: true }, context)
    expect(sender.look).toHaveBeenCalledExactlyOnceWith({ look: true }, expect.any(Number))
    expect(sender.send).toHaveBeenCalledTimes(sent)
    expect(sender.startDue).toHaveBeenCalledTimes(started)
  })

  test('news are sent even if nobody starts what is due, and the failure is counted', async () => {
    const sender = senderOf(
      { due: 1, waitingSeconds: 1 },
      { startDue: vi.fn(() => Promise.reject(new Error('throttled'))) },
    )
    await expect(lookAndSend(sender, { look: true }, context)).rejects.toThrow('throttled')
    expect(sender.send).toHaveBeenCalledOnce()
  })

  test('a look that fails keeps nothing from being sent, and is counted', async () => {
    const sender = senderOf(new Error('the look failed'))
    await expect(lookAndSend(sender, { look: true }, context)).rejects.toThrow('the look failed')
    expect(sender.send).toHaveBeenCalledOnce()
    expect(sender.startDue).not.toHaveBeenCalled()
  })

  test('a refusal does not keep what is due from its start, and is counted', async () => {
    const sender = senderOf(
      { due: 1, waitingSeconds: 1 },
      { send: vi.fn(async () => ({ sent: 0, refused: 'Throttled' })) },
    )
    await expect(lookAndSend(sender, { look: true }, context)).rejects.toThrow(
      'News were refused: Throttled.',
    )
    expect(sender.startDue).toHaveBeenCalledOnce()
  })
})

describe('in AWS', () => {
  const names = {
    VIEWKEEPER_ENVIRONMENT: 'test',
    MONITOR_FUNCTION: 'monitor',
    START_BATCH_FUNCTION: 'start',
    EVENT_BUS: 'default',
    MAIL_TOPIC_ARN: 'arn:mail',
    NOTICES_TOPIC_ARN: 'arn:notices',
  }
  const at = '2026-11-20T09:00:00.000Z'
  const message = (sequence: number, text = `Text ${sequence}.\n`): WaitingEvent => {
    const detail = { subject: `[test] ${sequence}`, text, chat: { sequence } }
    return { sequence, id: `id-${sequence}`, type: 'Message', subject: 'people', at, detail }
  }
  const event = (sequence: number, view = 'public.sales'): WaitingEvent => {
    const detail = { view, runId: sequence }
    return { sequence, id: `id-${sequence}`, type: 'ViewRefreshed', subject: view, at, detail }
  }
  const denied = Object.assign(new Error('no'), { name: 'AuthorizationErrorException' })

  /** Sends what waits; `refuses` says which topic or bus refuses. Answers what `monitor` was told, what was published, and what was put. */
  async function send(
    waiting: WaitingEvent[],
    {
      refuses = [],
      poisons = [],
      ...more
    }: { refuses?: string[]; poisons?: unknown[] } & Partial<typeof names> = {},
  ) {
    const asked: HandOutRequest[] = []
    let left = waiting
    const lambda = vi.spyOn(LambdaClient.prototype, 'send').mockImplementation((async (
      command: InvokeCommand,
    ) => {
      const request = JSON.parse(String(command.input.Payload)) as HandOutRequest | { look: boolean }
      const answering = (answer: object) => ({ Payload: { transformToString: () => JSON.stringify(answer) } })
      if ('look' in request) return answering({ due: 0, waitingSeconds: 12 })
      asked.push(request)
      left = left.filter(({ sequence }) => !request.done.includes(sequence))
      return answering({ busy: false, token: 'turn', events: request.stop ? [] : left })
    }) as never)
    const refuse = (name: string) => {
      if (refuses.includes(name)) throw denied
    }
    const insist = (is: boolean, name: string) => {
      if (!is) throw Object.assign(new Error('never'), { name })
    }
    const sns = vi.spyOn(SNSClient.prototype, 'send').mockImplementation((async (
      command: GetTopicAttributesCommand | { input: PublishCommandInput },
    ) => {
      if (command instanceof GetTopicAttributesCommand) return { Attributes: { SubscriptionsConfirmed: '1' } }
      const { input } = command
      insist(!poisons.includes(input.Subject), 'InvalidParameterException')
      refuse(input.TopicArn!)
    }) as never)
    const bus = vi.spyOn(EventBridgeClient.prototype, 'send').mockImplementation((async ({
      input,
    }: {
      input: { Entries: { Detail: string }[] }
    }) => {
      refuse('bus')
      const isPoison = ({ Detail }: { Detail: string }) => poisons.includes(JSON.parse(Detail).sequence)
      insist(!input.Entries.some(isPoison), 'ValidationException')
      return {
        Entries: input.Entries.map(() =>
          refuses.includes('entries') ? { ErrorCode: 'InternalFailure' } : { EventId: 'e' },
        ),
      }
    }) as never)
    const outcome = lookAndSend(deployedSender({ ...names, ...more }), { look: true }, context)
    const failed = await outcome.then(() => null).catch((error: Error) => error.message)
    return {
      failed,
      left: left.map(({ sequence }) => sequence),
      calls: lambda.mock.calls.map(([command]) => (command as InvokeCommand).input.FunctionName),
      stopped: asked.some(({ stop }) => stop),
      published: sns.mock.calls
        .filter(([command]) => !(command instanceof GetTopicAttributesCommand))
        .map(([command]) => command.input as PublishCommandInput),
      put: bus.mock.calls.flatMap(([command]) => (command.input as { Entries: object[] }).Entries),
    }
  }

  test('a message goes to both topics, an event to the bus, and both are done', async () => {
    const { failed, left, published, put, calls } = await send([event(1), message(2)])
    expect([failed, left]).toEqual([null, []])
    expect(new Set(calls)).toEqual(new Set(['monitor']))
    expect(published).toEqual([
      { TopicArn: 'arn:mail', Subject: '[test] 2', Message: 'Text 2.\n' },
      { TopicArn: 'arn:notices', Message: '{"sequence":2}' },
    ])
    expect(put).toEqual([
      {
        EventBusName: 'default',
        Source: 'viewkeeper',
        DetailType: 'ViewRefreshed',
        Time: new Date(at),
        Detail: JSON.stringify({
          type: 'ViewRefreshed',
          id: 'id-1',
          sequence: 1,
          environment: 'test',
          at,
          view: 'public.sales',
          runId: 1,
        }),
      },
    ])
  })

  test('without a bus there are no programs: a forgotten event is done', async () => {
    const { failed, left, put, published } = await send([event(1), message(2)], { EVENT_BUS: 'false' })
    expect([failed, left, put]).toEqual([null, [], []])
    expect(published).toHaveLength(2)
  })

  test.each([['bus'], ['entries']])('a bus that refuses (%s) delays events alone', async (refused) => {
    const { failed, left, stopped, published } = await send([event(1), event(2), message(3)], {
      refuses: [refused],
    })
    expect(failed).toContain('refused')
    expect([left, stopped]).toEqual([[1, 2], true])
    expect(published).toHaveLength(2)
  })

  test('a topic that refuses mails delays messages in their order, and no event', async () => {
    const { failed, left, published, put } = await send([message(1), event(2), message(3)], {
      refuses: ['arn:mail'],
    })
    expect(failed).toContain('arn:mail: AuthorizationErrorException')
    expect(left).toEqual([1, 3])
    expect(published.map(({ TopicArn }) => TopicArn)).toEqual(['arn:mail'])
    expect(put).toHaveLength(1)
  })

  test('if only the notice is refused, the mail is not sent again, and Lambda counts it', async () => {
    const { failed, left, published } = await send([message(1)], { refuses: ['arn:notices'] })
    expect(failed).toContain('arn:notices: AuthorizationErrorException')
    expect([left, published.length]).toEqual([[], 2])
  })

  test('a text that SNS never takes says so in its place, and holds back none of the messages after it', async () => {
    const { failed, left, published } = await send([message(1), message(2)], { poisons: ['[test] 1'] })
    expect([failed, left]).toEqual([null, []])
    const mails = published.filter(({ TopicArn }) => TopicArn === 'arn:mail')
    expect(mails.map(({ Subject }) => Subject)).toEqual([
      '[test] 1',
      'A message could not be written [test]',
      '[test] 2',
    ])
    expect(mails[1]!.Message).toContain('viewkeeper ls --env test')
  })

  test('an event that fits into no call of the bus delays no other subject', async () => {
    const waiting = [event(1), event(2, 'public.other'), event(3, 'public.third')]
    const { failed, left, put } = await send(waiting, { poisons: [2] })
    expect(failed).toContain('ValidationException')
    expect(left).toEqual([2])
    expect(put.length).toBeGreaterThan(waiting.length)
  })

  test.each(['TimeoutError', 'DatabaseUnavailable'])(
    'a monitor that fails (%s) is asked to look and to hand out, and is an error of send: nothing is started or sent',
    async (name) => {
      const lambda = vi.spyOn(LambdaClient.prototype, 'send').mockImplementation((async () => {
        if (name === 'TimeoutError') throw Object.assign(new Error('late'), { name })
        const thrown = { errorType: name, errorMessage: 'The database is away.' }
        return { FunctionError: 'Unhandled', Payload: { transformToString: () => JSON.stringify(thrown) } }
      }) as never)
      const sns = vi.spyOn(SNSClient.prototype, 'send').mockRejectedValue(new Error('away') as never)
      await expect(lookAndSend(deployedSender(names), { look: true }, context)).rejects.toThrow(
        name === 'TimeoutError' ? 'monitor did not answer in time' : 'The database is away.',
      )
      expect(lambda.mock.calls.map(([command]) => (command as InvokeCommand).input.Payload)).toEqual([
        '{"look":true}',
        '{"token":null,"done":[],"stop":false}',
      ])
      expect(sns.mock.calls.every(([command]) => command instanceof GetTopicAttributesCommand)).toBe(true)
    },
  )

  test('a text that is too long for SNS is cut: it would hold back all that come after it', async () => {
    const { published } = await send([message(1, 'ä'.repeat(300_000))])
    expect(Buffer.byteLength(published[0]!.Message!)).toBeLessThan(256 * 1024)
  })

  test('start-batch is told that something is due, and nobody waits for it', async () => {
    const lambda = vi.spyOn(LambdaClient.prototype, 'send').mockImplementation((async ({
      input,
    }: InvokeCommand) => ({
      Payload: {
        transformToString: () =>
          JSON.stringify(input.FunctionName === 'monitor' ? { due: 3, waitingSeconds: null } : null),
      },
    })) as never)
    await lookAndSend(deployedSender(names), { look: false }, context)
    expect(lambda.mock.calls.map(([command]) => command.input)).toEqual([
      { FunctionName: 'monitor', Payload: '{"look":false}' },
      { FunctionName: 'start', InvocationType: 'Event', Payload: '{"due":true}' },
    ])
  })

  describe('who listens', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }))
    afterEach(() => void vi.useRealTimers())

    /** A sender; what each look was told; and what SNS says of each topic, by its ARN: a number, or an error with its status. */
    function counting(said: Record<string, number | [name: string, status: number]>, mailed = 'true') {
      const heard: unknown[] = []
      const asked: string[] = []
      vi.spyOn(LambdaClient.prototype, 'send').mockImplementation((async ({ input }: InvokeCommand) => {
        heard.push(JSON.parse(String(input.Payload)).heard)
        return { Payload: { transformToString: () => '{"due":0,"waitingSeconds":null}' } }
      }) as never)
      vi.spyOn(SNSClient.prototype, 'send').mockImplementation((async ({
        input,
      }: GetTopicAttributesCommand) => {
        asked.push(input.TopicArn!)
        const answer = said[input.TopicArn!]!
        if (typeof answer === 'number') return { Attributes: { SubscriptionsConfirmed: String(answer) } }
        const [name, httpStatusCode] = answer
        throw Object.assign(new Error('no'), { name, $metadata: { httpStatusCode } })
      }) as never)
      const sender = deployedSender({ ...names, MAILED: mailed })
      const look = async (minutes = 0, event = { look: true }) => {
        vi.setSystemTime(Date.now() + minutes * 60_000)
        await sender.look(event, Date.now() + 180_000)
        return heard.at(-1)
      }
      return { look, asked }
    }
    const counted = (topic: string, confirmed: number | null, error: string | null = null) => ({
      topic,
      confirmed,
      error,
    })

    test('is counted at the first look, and an hour later', async () => {
      const { look, asked } = counting({ 'arn:mail': 2, 'arn:notices': 0 })
      expect(await look()).toEqual({
        topics: [counted('arn:mail', 2), counted('arn:notices', 0)],
        mailed: true,
      })
      expect([await look(1), await look(58)]).toEqual([undefined, undefined])
      expect(await look(2)).toMatchObject({ mailed: true })
      expect(asked).toHaveLength(4)
    })

    test('is counted at each look while nobody does', async () => {
      const said: Record<string, number> = { 'arn:mail': 0, 'arn:notices': 3 }
      const { look } = counting(said)
      expect([await look(), await look(1)]).toEqual(Array(2).fill(expect.objectContaining({ mailed: true })))
      said['arn:mail'] = 1
      expect(await look(1)).toMatchObject({ topics: [counted('arn:mail', 1), {}] })
      expect(await look(1)).toBeUndefined()
    })

    test('is told with the error if the topic is gone, or refuses; and tried again if SNS is away', async () => {
      const said: Parameters<typeof counting>[0] = {
        'arn:mail': ['NotFoundException', 404],
        'arn:notices': ['AuthorizationErrorException', 403],
      }
      const { look } = counting(said, 'false')
      expect(await look()).toEqual({
        topics: [
          counted('arn:mail', null, 'NotFoundException'),
          counted('arn:notices', null, 'AuthorizationErrorException'),
        ],
        mailed: false,
      })
      said['arn:mail'] = ['ThrottledException', 429]
      expect(await look(1)).toBeUndefined()
      said['arn:mail'] = 1
      expect(await look(1)).toMatchObject({ topics: [counted('arn:mail', 1), {}] })
    })

    test('is not counted without a monitor', async () => {
      const { look, asked } = counting({ 'arn:mail': 1, 'arn:notices': 1 })
      expect(await look(0, { look: false })).toBeUndefined()
      expect(asked).toEqual([])
    })
  })
})
