import type { EventType } from '../../src/words/event.ts'

/** What a channel takes: what people are told, or events for programs. */
type WhatIsTaken = 'notices' | { events: readonly EventType[] }

/** Somebody who is told: an address of mail, a chat, or a program. */
export interface Channel {
  /** As the metrics, the log and `viewkeeper.deliveries` call it: `mail ops@example.com`, `webhook cache`, `chat team`. */
  name: string
  takes: WhatIsTaken
  /** Hears only what its filter lets through. */
  isFiltered?: boolean
  /** Delivers a message, whose key is the same at each try. Throws Undelivered. */
  send(message: unknown, key: string): Promise<void>
}

/** Why a channel has not taken a message: in words without addresses, secrets and what the other side has written. */
export class Undelivered extends Error {
  override readonly name = 'Undelivered'
}

/** So long a channel has for one message. */
export const sendMs = 15_000

/** Posts to an address. Everything but 2xx is a refusal: a redirect could lead a signed message anywhere. */
export async function post(url: string, body: string, headers: Record<string, string>): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'user-agent': 'viewkeeper', ...headers },
    redirect: 'manual',
    signal: AbortSignal.timeout(sendMs),
  }).catch((error: Error) => {
    throw new Undelivered(`no answer (${codeOf(error)})`)
  })
  await response.body?.cancel().catch(() => {})
  if (!response.ok) throw new Undelivered(`it answered ${response.status}`)
}

/** `ECONNREFUSED`, `TimeoutError` */
function codeOf({ name, cause }: Error): string {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException
  return code ?? name
}
