import { type PublishCommandInput, SNSClient } from '@aws-sdk/client-sns'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { logger } from '../../../src/api/lambda/logger.ts'
import type { Message, NewsQuestion, NoticeReply } from '../../../src/api/lambda/news.ts'
import { deployedMessenger, type Messenger, notifyPeople } from '../../../src/api/lambda/notify.ts'
import { Problem } from '../../../src/problem.ts'
import { testReason } from '../../../src/watch/mails/alarm-words.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { alarmText } from '../../support/views/notices.ts'

const context = lambdaContext({ awsRequestId: 'request-7', getRemainingTimeInMillis: () => 180_000 })
const message: Message = { subject: '[production] public.sales failed', text: 'It failed.\n', chat: { a: 1 } }
const told: NoticeReply = { busy: false, message, token: 't-1' }
const busy: NoticeReply = { busy: true }
const away = new Problem('DatabaseUnavailable', 'It is away.')
const nothing: NoticeReply = { busy: false, message: null }
const noted = { noted: true }

/** Gives these answers in turn, the last one for ever; an Error is thrown. */
function messengerOf(...answers: (NoticeReply | typeof noted | Error)[]) {
  const asked: NewsQuestion[] = []
  const published: Message[] = []
  const messenger: Messenger = {
    async ask(question) {
      const answer = answers[Math.min(asked.push(question), answers.length) - 1]!
      if (answer instanceof Error) throw answer
      return answer as never
    },
    async publish(each) {
      published.push(each)
    },
  }
  return { ...messenger, asked, published }
}

const eventOf = (Message: string, Subject: string | null = null) => ({
  Records: [{ Sns: { Message, Subject } }],
})
const notify = (messenger: Messenger, event: Parameters<typeof notifyPeople>[1]) =>
  notifyPeople(messenger, event, context, 'production')

beforeEach(() => {
  for (const level of ['warn', 'error'] as const) vi.spyOn(logger, level).mockReturnValue()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('an alarm about views', () => {
  const text = alarmText('failed-runs')

  test('becomes what notice says, and notice learns that it was published', async () => {
    const messenger = messengerOf(told, noted)
    await notify(messenger, eventOf(text))
    expect(messenger.published).toEqual([message])
    expect(messenger.asked).toEqual([{ holder: 'request-7', messages: [text] }, { confirmed: 't-1' }])
  })

  test('is silent if notice has nothing to tell', async () => {
    const messenger = messengerOf(nothing)
    await notify(messenger, eventOf(text))
    expect([messenger.published, messenger.asked.length]).toEqual([[], 1])
  })

  test.each([[new Problem('NotMigrated', 'It is away.')], [new Error('It is away.')]])(
    'is told in its own words if notice fails, with the reason',
    async (failure) => {
      const messenger = messengerOf(failure)
      await notify(messenger, eventOf(text))
      expect(messenger.published.map(({ subject }) => subject)).toEqual([
        '[production] failed-runs: Something happened.',
      ])
      expect(messenger.published[0]!.text).toMatch(/First: viewkeeper ls shows it\..+It is away\./s)
    },
  )

  test('waits while the database of notice wakes', async () => {
    vi.useFakeTimers()
    const messenger = messengerOf(away, away, told, noted)
    const done = notify(messenger, eventOf(text))
    await vi.runAllTimersAsync()
    await done
    expect(messenger.published).toEqual([message])
  })

  test('is told in its own words if the database is away all the time', async () => {
    vi.useFakeTimers()
    const messenger = messengerOf(away)
    const done = notify(messenger, eventOf(text))
    await vi.runAllTimersAsync()
    await done
    expect(messenger.published[0]!.text).toContain('It is away.')
  })

  test('waits while another sender is at it', async () => {
    vi.useFakeTimers()
    const messenger = messengerOf(busy, busy, told, noted)
    const done = notify(messenger, eventOf(text))
    await vi.runAllTimersAsync()
    await done
    expect(messenger.published).toEqual([message])
    expect(messenger.asked).toHaveLength(4)
  })

  test('is told in its own words if another sender is at it all the time', async () => {
    vi.useFakeTimers()
    const messenger = messengerOf(busy)
    const done = notify(messenger, eventOf(text))
    await vi.runAllTimersAsync()
    await done
    expect(messenger.published[0]!.text).toContain('another notice was being sent all the time')
  })

  test('is tried again by Lambda if the mail is not published: notice does not learn that it was', async () => {
    const messenger = { ...messengerOf(told), publish: () => Promise.reject(new Error('denied')) }
    await expect(notify(messenger, eventOf(text))).rejects.toThrow('denied')
    expect(messenger.asked).toHaveLength(1)
  })

  test.each([new Error('away'), new Problem('InternalError', 'It failed.')])(
    'is not tried again if only the confirmation fails: people have their mail',
    async (failure) => {
      const messenger = messengerOf(told, failure)
      await notify(messenger, eventOf(text))
      expect(messenger.published).toEqual([message])
    },
  )
})

describe('without notice', () => {
  test.each(['api-errors', 'database-storage', 'rotate-errors'])(
    'alarm %s is told in its own words',
    async (name) => {
      const messenger = messengerOf(told)
      await notify(messenger, eventOf(alarmText(name)))
      expect(messenger.asked).toEqual([])
      expect(messenger.published.map(({ subject }) => subject)).toEqual([
        `[production] ${name}: Something happened.`,
      ])
    },
  )

  test('a test of such an alarm is told as a test', async () => {
    const messenger = messengerOf(told)
    await notify(messenger, eventOf(alarmText('api-errors', { reason: testReason })))
    expect(messenger.published[0]!.subject).toBe('[production] test of api-errors: nothing new is wrong')
  })

  test("what somebody else's program publishes is told as it is, also if it is long and odd", async () => {
    const messenger = messengerOf(told)
    await notify(messenger, eventOf(`${'x'.repeat(3999)}😀${'y'.repeat(300_000)}`, 'Größe'))
    const [{ subject, text }] = messenger.published as [Message]
    expect(subject).toMatch(/^\[production\] Gr\?e: x+\.\.\.$/)
    expect(text.length).toBeLessThan(10_000)
    expect(text.isWellFormed()).toBe(true)
  })
})

describe('the clock', () => {
  test('has told what no alarm has told', async () => {
    const messenger = messengerOf(told, noted)
    await notify(messenger, {})
    expect(messenger.asked).toEqual([{ holder: 'request-7', messages: [] }, { confirmed: 't-1' }])
    expect(messenger.published).toEqual([message])
  })

  test('tells nothing if notice fails: the alarms tell of that', async () => {
    const messenger = messengerOf(new Error('away'))
    await notify(messenger, {})
    expect(messenger.published).toEqual([])
  })
})

describe('in AWS', () => {
  const names = {
    NEWS_FUNCTION: 'viewkeeper-test-news',
    MAIL_TOPIC_ARN: 'arn:mail',
    NOTICES_TOPIC_ARN: 'arn:json',
  }
  beforeEach(() => {
    vi.stubEnv('AWS_REGION', 'eu-central-1')
    return () => vi.unstubAllEnvs()
  })

  test('a notice is published as JSON and as a mail', async () => {
    const send = vi.spyOn(SNSClient.prototype, 'send').mockResolvedValue({} as never)
    await deployedMessenger(names).publish(message)
    expect(send.mock.calls.map(([command]) => command.input)).toEqual([
      { TopicArn: 'arn:json', Message: '{"a":1}' },
      { TopicArn: 'arn:mail', Subject: message.subject, Message: message.text },
    ])
  })

  test('the mail says that the JSON could not be published; without the mail nothing is told', async () => {
    const denied = Object.assign(new Error('no'), { name: 'AuthorizationErrorException' })
    const send = vi
      .spyOn(SNSClient.prototype, 'send')
      .mockRejectedValueOnce(denied)
      .mockResolvedValueOnce({} as never)
      .mockResolvedValueOnce({} as never)
      .mockRejectedValueOnce(denied)
    const messenger = deployedMessenger(names)
    await messenger.publish(message)
    expect((send.mock.calls[1]![0].input as PublishCommandInput).Message).toBe(
      'It failed.\n\nThis notice could not be published to arn:json (AuthorizationErrorException).\n',
    )
    await expect(messenger.publish(message)).rejects.toThrow(denied)
  })
})
