import { setTimeout as pause } from 'node:timers/promises'
import type { Operations } from './ways.ts'

const lookEveryMs = 50

type Ended = Extract<Awaited<ReturnType<Operations['advance']>>, { done: true }>

/** The operations, as `viewkeeper serve` at this address does them. */
export const overHttp = (url: string): Operations => ({
  refresh: ({ view, ...options }, { idempotencyKey }) =>
    ask(`${url}/views/${view}/refresh`, post(options, idempotencyKey)),
  startBatch: (selection, { idempotencyKey }) => ask(`${url}/batches`, post(selection, idempotencyKey)),
  async advance(batchId) {
    for (;;) {
      const batch = await ask<Ended & { finishedAt?: string | null }>(`${url}/batches/${batchId}`)
      // A refusal says nothing of the end.
      if (batch.finishedAt !== null) return { ...batch, done: true }
      await pause(lookEveryMs)
    }
  },
})

const post = (body: object, key: string | null): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', prefer: 'wait=20', 'idempotency-key': key ?? '' },
  body: JSON.stringify(body),
})

/** What the answer says; of a refusal, its class. Throws what has broken the connection. */
async function ask<Said>(url: string, asking?: RequestInit): Promise<Said> {
  try {
    const answer = await fetch(url, asking)
    const said = (await answer.json()) as Said & { code: string }
    return answer.ok ? said : ({ error: { class: said.code } } as Said)
  } catch (error) {
    throw (error as Error).cause ?? error
  }
}
