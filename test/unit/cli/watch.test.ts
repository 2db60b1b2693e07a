import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Api, ApiUnavailable } from '../../../cli/api/api.ts'
import { endOfBatch } from '../../../cli/output/run-lines.ts'
import type { Output } from '../../../cli/output/terminal.ts'
import { watchBatch } from '../../../cli/watch/watch.ts'
import type { BatchDetails, ToldBatchView } from '../../../src/api/answers.ts'
import { Problem } from '../../../src/words/problem.ts'
import { startApi } from '../../support/api/fake-api.ts'
import { caught } from '../../support/cli/printed.ts'
import { typed } from '../../support/cli/typed.ts'

let printed: { text: string }
beforeEach(() => {
  printed = caught(process.stdout)
})
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

const finishedAt = '2026-11-21T12:00:00Z'
const runOf = (changes: object) => ({
  id: 812,
  view: 'public.sales',
  operation: 'refresh',
  status: 'running',
  requestedAt: '2026-11-21T11:59:00Z',
  finishedAt: null,
  durationMs: 9300,
  error: null,
  result: null,
  ...changes,
})
const member = (name: string, status: ToldBatchView['status'], changes: object = {}) => ({
  view: `public.${name}`,
  status,
  waitsFor: [],
  estimatedMs: null,
  runs: [{ runId: 812, status, attempt: 1, elapsedMs: 800, finishedAt, message: null, ...changes }],
})
const batchOf = (changes: object) =>
  ({
    id: 'b',
    status: 'running',
    concurrency: 2,
    elapsedMs: 12_000,
    estimatedRestMs: null,
    finishedAt: null,
    error: null,
    groups: [],
    views: [],
    next: null,
    ...changes,
  }) as unknown as BatchDetails

describe('a batch that has ended', () => {
  const ended = batchOf({
    status: 'failed',
    finishedAt,
    views: [member('fine', 'success'), member('sales', 'failed', { message: 'public.sales: no rows' })],
  })
  const apiThat = (readRun: () => never): Api =>
    ({
      name: 'production',
      environment: 'production',
      typed: 'production',
      send: async (_method: string, path: string) =>
        path.startsWith('/runs/') ? readRun() : { status: 200, body: ended },
    }) as unknown as Api

  test('is told from its own words while its runs cannot be read, with the whole names of views to refresh', async () => {
    const away = apiThat(() => {
      throw new ApiUnavailable('NotReached', 'The connection is away for a moment.')
    })
    expect(await watchBatch(away, 'b')).toEqual(ended)
    expect(printed.text.split('\n')).toEqual([
      expect.stringMatching(/^batch b {3}2 views, 2 at once$/),
      '✓ fine    done in 0.80 s',
      '✗ sales   failed after 0.80 s: no rows',
      '',
      '✗ 1 of 2 views refreshed, 1 failed in 12 s',
      '  when the cause is gone: viewkeeper retry b --env production',
      '',
    ])
    expect(process.exitCode).toBe(1)
  })

  test('counts the views that are missing', async () => {
    const missing = {
      class: 'ViewsFailed',
      message: 'Not in the database, so not refreshed: app.gone.',
      views: ['app.gone'],
    }
    const batch = batchOf({ ...ended, views: ended.views.slice(0, 1), error: missing })
    expect(endOfBatch(batch, { paint: (_, text) => text } as Output)).toBe(
      '✗ 1 of 2 views refreshed, 1 missing in 12 s',
    )
  })

  test('ends the watching with any other problem of its runs', async () => {
    const wrong = apiThat(() => {
      throw new Problem('UnknownRun', 'There is no run 812 in the history.')
    })
    await expect(watchBatch(wrong, 'b')).rejects.toMatchObject({ code: 'UnknownRun' })
  })
})

describe('watching with --json prints nothing but the end', () => {
  test('of a run', async () => {
    const { url } = await startApi((_request, turn) => ({
      body: runOf(turn < 3 ? {} : { status: 'failed', finishedAt }),
    }))
    await typed('runs', '812', '--watch', '--json', '--url', url)
    expect(JSON.parse(printed.text)).toMatchObject({ id: 812, status: 'failed' })
    expect(process.exitCode).toBe(1)
  })

  test('of a batch', async () => {
    const { url } = await startApi((_request, turn) => ({
      body: batchOf(turn < 3 ? {} : { status: 'success', finishedAt }),
    }))
    await typed('batch', 'b', '--watch', '--json', '--url', url)
    expect(JSON.parse(printed.text)).toMatchObject({ id: 'b', status: 'success' })
    expect(process.exitCode).toBeUndefined()
  })
})
