import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type FakeAnswer, problem, startApi } from '../../support/api/fake-api.ts'
import { caught } from '../../support/cli/printed.ts'
import { typed } from '../../support/cli/typed.ts'

let printed: { text: string }
beforeEach(() => {
  printed = caught(process.stdout)
})
afterEach(() => vi.restoreAllMocks())

const runOf = (id: string) => ({
  id: Number(id),
  view: `public.v${id}`,
  operation: id === '9' ? 'drop' : 'refresh',
  status: 'running',
  result: {
    request: id === '8' ? { alter: 'x.sql' } : { view: `v${id}`, strategy: 'concurrent' },
    response: {},
  },
})

const apiThat = (start: FakeAnswer = { status: 202, body: { batchId: 'b', status: 'pending' } }) =>
  startApi(({ method, url }) =>
    method === 'POST' ? start : { body: runOf(url.split('/').at(-1) as string) },
  )

const retry = (url: string, ...ids: string[]) => typed('retry', ...ids, '--no-wait', '--url', url)

test.each([
  ['nothing', [], '/batches', { failed: true }],
  ['a batch', ['20261120-090000-1f3c9a2b'], '/batches', { retryOf: '20261120-090000-1f3c9a2b' }],
  ['runs', ['1', '2', '1'], '/batches', { views: ['public.v1', 'public.v2'] }],
  ['a run and what reads it', ['1+'], '/batches', { views: ['public.v1'], descendants: true }],
])('retry of %s asks for what failed', async (_, ids: string[], path, body) => {
  const { url, received } = await apiThat()
  await retry(url, ...ids)
  const asked = received.filter(({ method }) => method === 'POST')
  expect(asked.map((each) => [each.url, JSON.parse(each.body)])).toEqual([[path, body]])
  expect(printed.text).toContain('batch b has begun')
})

test.each([
  ['1', { strategy: 'concurrent' }],
  ['8', {}], // no request of the API, but a refresh all the same
])('retry of one run asks for what the run was asked for', async (id, body) => {
  const { url, received } = await apiThat({ status: 202, body: { runId: 3, status: 'running' } })
  await retry(url, id)
  const [asked] = received.filter(({ method }) => method === 'POST')
  expect([asked?.url, JSON.parse(asked?.body ?? '')]).toEqual([`/views/public.v${id}/refresh`, body])
})

test('retry of nothing that failed says so, and is no failure', async () => {
  const { url } = await apiThat(problem(400, 'InvalidRequest', { field: 'failed' }))
  await retry(url)
  expect(printed.text).toBe('✓ no view fails: nothing to retry\n')
})

test('retry of what is no refresh, and of two batches, is refused before anything begins', async () => {
  const { url, received } = await apiThat()
  await expect(retry(url, '9')).rejects.toThrow('viewkeeper drop public.v9')
  await expect(retry(url, 'b', 'c')).rejects.toThrow('one batch at a time')
  await expect(retry(url, '1+', '2')).rejects.toThrow('after every run or after none')
  expect(received.map(({ method }) => method)).toEqual(['GET'])
})

test('runs are searched by view or glob, statuses and times', async () => {
  const views = [{ view: 'app.sales_day', schema: 'app', name: 'sales_day' }]
  const { url, received } = await startApi(({ url }) => ({
    body: url.startsWith('/runs') ? { runs: [], next: null } : { views, next: null },
  }))
  const search = (...words: string[]) => typed('runs', ...words, '--url', url)
  await search('sales', '--status', 'failed,canceled')
  await search('sales*', '--since', '2026-11-20T22:00Z', '--until', '2026-11-21T06:00Z')
  await search('"a*b"')
  await search('"sales_day"*')
  await expect(search('nothere*')).rejects.toThrow('No view fits nothere*')
  const asked = received.filter((each) => each.url.startsWith('/runs')).slice(0, 4)
  expect(asked.map((each) => Object.fromEntries(new URL(each.url, url).searchParams))).toEqual([
    { limit: '20', view: 'sales', status: 'failed,canceled' },
    {
      limit: '20',
      pattern: '*.sales*',
      since: '2026-11-20T22:00:00.000Z',
      until: '2026-11-21T06:00:00.000Z',
    },
    { limit: '20', view: '"a*b"' },
    { limit: '20', pattern: '*."sales_day"*' },
  ])
})
