import { createHmac } from 'node:crypto'
import { type EventType, eventTypes } from '../../src/events/plan/event.ts'
import { Problem } from '../../src/problem.ts'
import { type Channel, post } from './channel.ts'

/** A program that gets events, each with a signature as Standard Webhooks has it: https://www.standardwebhooks.com. */
export function webhookChannel(
  name: string,
  { url, events = eventTypes, key }: { url: string; events?: readonly EventType[] | undefined; key: string },
): Channel {
  const secret = keyOf(name, key)
  return {
    name: `webhook ${name}`,
    takes: { events },
    send(message, id) {
      const body = JSON.stringify(message)
      const timestamp = String(Math.floor(Date.now() / 1000))
      const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
      return post(url, body, {
        'content-type': 'application/cloudevents+json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      })
    },
  }
}

const shortest = 24

function keyOf(name: string, key: string): Buffer {
  const bytes = Buffer.from(key.replace(/^whsec_/, ''), 'base64')
  if (/^whsec_[A-Za-z0-9+/]+=*$/.test(key) && bytes.length >= shortest) return bytes
  throw new Problem(
    'InvalidRequest',
    `The key of webhook ${name} must be whsec_ and at least ${shortest} random bytes in Base64: ` +
      'echo whsec_$(openssl rand -base64 32)',
  )
}
