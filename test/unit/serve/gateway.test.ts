import { expect, test } from 'vitest'
import { startGateway } from '../../../serve/http/gateway.ts'
import { makeLogger } from '../../../serve/process.ts'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { Problem } from '../../../src/words/problem.ts'
import { servedOn } from '../../support/api/served.ts'

const served = servedOn(connectTo(fromUrl('postgres://postgres@127.0.0.1:1/postgres')))

/** A gateway whose `/readyz` waits until it is let go. */
async function gateway(lingerMs = 0) {
  const asked = Promise.withResolvers<void>()
  const ready = Promise.withResolvers<null>()
  const started = await startGateway({
    port: 0,
    served,
    drainMs: 3_600_000,
    lingerMs,
    watched: {
      whyNotReady() {
        asked.resolve()
        return ready.promise
      },
      metrics: async () => ({ contentType: 'text/plain', body: '' }),
    },
  })
  return { ...started, asked: asked.promise, let: () => ready.resolve(null) }
}

test('HEAD is answered wherever GET is, without a body', async () => {
  const { url, close } = await gateway()
  const answer = await fetch(`${url}/healthz`, { method: 'HEAD' })
  expect([answer.status, await answer.text()]).toEqual([200, ''])
  expect((await fetch(`${url}/nowhere`, { method: 'HEAD' })).status).toBe(404)
  await close()
})

test('an answer that has begun is finished while the gateway closes, and nothing more is waited for', async () => {
  const { url, close, asked, let: go } = await gateway()
  const answer = fetch(`${url}/readyz`)
  await asked
  const closed = close()
  const isOpen = () => fetch(`${url}/healthz`).then(Boolean, () => false)
  await expect.poll(isOpen).toBe(false)
  go()
  expect((await answer).status).toBe(200)
  await closed
})

test('whoever asks for /readyz gets a no and a closed connection before the door closes; nobody else is waited for', async () => {
  const { url, close, let: go } = await gateway(3000)
  go()
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  const closed = close()
  const answer = await fetch(`${url}/readyz`)
  expect([answer.status, answer.headers.get('connection')]).toEqual([503, 'close'])
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  await closed
  await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed')
})

test('a token that a program of this machine sends has to be valid, although none is needed there', async () => {
  const authorize = () => Promise.reject(new Problem('Unauthenticated', 'no'))
  const { url, close } = await startGateway({
    port: 0,
    served,
    doorkeeper: { authorize },
    trustsMachine: true,
  })
  const ask = async (headers: Record<string, string>) => (await fetch(`${url}/views`, { headers })).status
  expect([await ask({ authorization: 'Bearer ended' }), await ask({})]).toEqual([401, 503])
  await close()
})

test('what fails beside the routes gives nothing away, in the answer and in the log: its message may quote rows', async () => {
  const lines: string[] = []
  const { url, close } = await startGateway({
    port: 0,
    served: { ...served, logger: makeLogger('DEBUG', undefined, (line) => lines.push(line)) },
    watched: { whyNotReady: async () => null, metrics: () => Promise.reject(new Error('Key (name)=(Zoe)')) },
  })
  const answer = await fetch(`${url}/metrics`)
  expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('Zoe')])
  expect(lines).toEqual([expect.stringContaining('"unexpected error"')])
  expect(lines[0]).not.toContain('Zoe')
  await close()
})
