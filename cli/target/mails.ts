import { listIn, queryApiOf, textIn, type Xml } from '../api/query-api.ts'
import { findEnvironment } from '../api/signed.ts'
import { regionOf } from '../project/folders.ts'

/** Who listens to the mails of an environment. */
export interface Subscribers {
  topic: string
  /** Subscriptions that get what is published. */
  confirmed: number
  /** Addresses that have not used the link that AWS sent them, and get nothing. */
  unconfirmed: string[]
}

/** Reads who listens to the mails; null if the caller may not ask, or nobody answers. */
export async function readListeners(environment: string): Promise<Subscribers | null> {
  try {
    const region = await regionOf(environment)
    const topic = await findEnvironment(environment, region, 'mailTopicArn')
    const { call } = await queryApiOf(region)
    const all: Xml[] = []
    let next: string | undefined
    do {
      const page = await call('sns', 'ListSubscriptionsByTopic', {
        TopicArn: topic,
        ...(next && { NextToken: next }),
      })
      all.push(...listIn(page, 'Subscriptions', 'member'))
      next = textIn(page, 'NextToken')
    } while (next)
    const waits = (each: Xml) => textIn(each, 'SubscriptionArn') === 'PendingConfirmation'
    return {
      topic,
      confirmed: all.filter((each) => textIn(each, 'SubscriptionArn')?.startsWith('arn:')).length,
      unconfirmed: all.filter(waits).map((each) => textIn(each, 'Endpoint') ?? ''),
    }
  } catch {
    return null
  }
}
