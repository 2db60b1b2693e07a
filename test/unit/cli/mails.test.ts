import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { findingsLines } from '../../../cli/commands/author/doctor.ts'
import { readListeners } from '../../../cli/target/mails.ts'
import { startParameters } from '../../support/api/fake-api.ts'

const topic = 'arn:aws:sns:eu-central-1:123456789012:viewkeeper-told-mail'

const member = (endpoint: string, state: string) =>
  `<member><TopicArn>${topic}</TopicArn><Protocol>email</Protocol><SubscriptionArn>${state}</SubscriptionArn><Endpoint>${endpoint}</Endpoint></member>`

/** A server that speaks as SNS does, and answers with these pages in turn. */
async function startSns(pages: string[], status = 200): Promise<URLSearchParams[]> {
  const asked: URLSearchParams[] = []
  const server = createServer(async (request, response) => {
    const given = new URLSearchParams(await text(request))
    const page = pages[asked.push(given) - 1]
    const next = asked.length < pages.length ? `<NextToken>page-${asked.length}</NextToken>` : ''
    const content = `<ListSubscriptionsByTopicResult><Subscriptions>${page}</Subscriptions>${next}</ListSubscriptionsByTopicResult>`
    const refusal = '<Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error>'
    response.writeHead(status, { 'content-type': 'text/xml' })
    response.end(
      status === 200
        ? `<ListSubscriptionsByTopicResponse>${content}</ListSubscriptionsByTopicResponse>`
        : `<ErrorResponse>${refusal}</ErrorResponse>`,
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  await startParameters({ told: { text: `none,none,none,${topic}` }, older: { text: 'none' } })
  vi.stubEnv('AWS_ENDPOINT_URL_SNS', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return asked
}

describe('who gets the mails', () => {
  test('is read from SNS, page by page: who has confirmed, and who has not', async () => {
    const asked = await startSns([
      member('one@example.com', `${topic}:1`) + member('two@example.com', 'PendingConfirmation'),
      member('three@example.com', 'PendingConfirmation') + member('four@example.com', 'Deleted'),
    ])
    expect(await readListeners('told')).toEqual({
      topic,
      confirmed: 1,
      unconfirmed: ['two@example.com', 'three@example.com'],
    })
    expect(asked.map((each) => [each.get('TopicArn'), each.get('NextToken')])).toEqual([
      [topic, null],
      [topic, 'page-1'],
    ])
  })

  test('is unknown if the caller may not ask, and the doctor goes on', async () => {
    await startSns([''], 403)
    expect(await readListeners('told')).toBeNull()
  })

  test('is unknown if the environment does not say where the topic is', async () => {
    const asked = await startSns([''])
    expect(await readListeners('older')).toBeNull()
    expect(asked).toEqual([])
  })
})

describe('the doctor says', () => {
  const linesWith = (mails?: object | null) =>
    findingsLines({
      role: 'keeper',
      views: [],
      missing: [],
      replicas: { standbys: [] },
      mails,
    } as never).filter((line) => line.startsWith('!'))

  test('which addresses have not confirmed, and where the link is', () => {
    expect(linesWith({ topic, confirmed: 1, unconfirmed: ['two@example.com'] })).toEqual([
      '! two@example.com has not confirmed and gets no mail: the link is in the mail "AWS Notification - Subscription Confirmation".',
    ])
  })

  test('that nobody gets the mails, or that nobody knows', () => {
    expect(linesWith({ topic, confirmed: 0, unconfirmed: [] })).toEqual([
      `! Nobody gets the mails: ${topic} has no subscription.`,
    ])
    expect(linesWith(null)).toEqual([expect.stringContaining('sns:ListSubscriptionsByTopic')])
  })

  test('nothing if everybody has confirmed, and nothing of a database without an environment', () => {
    expect(linesWith({ topic, confirmed: 2, unconfirmed: [] })).toEqual([])
    expect(linesWith(undefined)).toEqual([])
  })
})
