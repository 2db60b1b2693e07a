import { randomUUID } from 'node:crypto'
import type { Mail } from '../../src/watch/mails/mail.ts'
import { type Channel, Undelivered } from './channel.ts'

/** What a channel made of a test: why it refused it; null if it took it. */
export interface Tried {
  channel: string
  refused: string | null
}

/** Sends one message through each channel, all at once. */
export function tryChannels(channels: readonly Channel[], environment: string): Promise<Tried[]> {
  const mail: Mail = {
    subject: `[${environment}] a test: nothing is wrong`,
    text: `Somebody has asked Viewkeeper in ${environment} for this message. What goes wrong there is told the same way.\n`,
  }
  const event = {
    specversion: '1.0',
    source: `/viewkeeper/${environment}`,
    type: 'viewkeeper.Test',
    datacontenttype: 'application/json',
    data: {},
  }
  const send = async ({ name, takes, send }: Channel): Promise<Tried> => {
    const id = randomUUID()
    try {
      await send(takes === 'notices' ? mail : { ...event, id, time: new Date().toISOString() }, id)
      return { channel: name, refused: null }
    } catch (error) {
      if (error instanceof Undelivered) return { channel: name, refused: error.message }
      throw error
    }
  }
  return Promise.all(channels.map(send))
}
