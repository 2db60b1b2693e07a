import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { advance } from '../../../src/batch/advance.ts'
import type { Result } from '../../../src/run/call.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { withTransaction } from '../../../src/server/transactions.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { mayRetry, Problem } from '../../../src/words/problem.ts'
import { counts } from '../../support/counts.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { breakableWay } from '../../support/servers/proxy.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { muchLater } from '../../support/waiting/until.ts'

const { url, database, sql } = useDatabase()

/** An answer within it did not wait in vain: below every deadline, of which the shortest, those of reads, are 20 s. */
const atOnceMs = 15_000
const moments = Array.from({ length: counts.brokenConnections }, (_, at) => at)

/** The end of `work`, and how long it took. */
async function timed<T>(work: Promise<T>): Promise<{ end: T | Problem; ms: number }> {
  const started = Date.now()
  const end = await work.catch((error) => {
    if (error instanceof Problem) return error
    throw error
  })
  return { end, ms: Date.now() - started }
}

/** What calls open first. */
const control = /^viewkeeper$/

describe('a caller whose run the server works on', () => {
  eachCase(
    [
      ['every connection', undefined],
      ["the run's connection", control],
      ['the connection that watches', /^viewkeeper watching$/],
    ],
    { quick: 1 },
  )('gets its real answer when %s breaks, at any moment', async (what, which) => {
    const answers = await Promise.all(
      moments.map(async (at) => {
        const view = `broken_${what.replace(/\W/g, '_').toLowerCase()}_${at}`
        const way = await breakableWay(url)
        await makeGatedView(sql, view)
        return withGateClosed(sql, view, async (open) => {
          const answer = refresh({ view }, callOn(way.database)).catch((error) => error)
          await untilAtGate(sql, view)
          await pause(((at + Math.random()) * 200) / moments.length) // each caller tries another moment
          way.reset(which)
          await open()
          return timed(answer)
        })
      }),
    )
    for (const { end, ms } of answers) {
      expect(end).toMatchObject({ status: 'updated', runId: expect.any(Number) })
      expect(ms).toBeLessThan(atOnceMs)
    }
  })

  test('is answered that the run is running if they do not wait for its end', async () => {
    await makeGatedView(sql, 'broken_waitless')
    await withGateClosed(sql, 'broken_waitless', async () => {
      const way = await breakableWay(url)
      const waitUntil = Date.now() + 8000
      const answer = timed(refresh({ view: 'broken_waitless' }, callOn(way.database, { waitUntil })))
      await untilAtGate(sql, 'broken_waitless')
      await way.resetAfter(0)
      const { end, ms } = await answer
      expect(end).toMatchObject({ status: 'running', runId: expect.any(Number) })
      expect(ms).toBeLessThan(atOnceMs)
    })
  })
})

test(
  'a request whose connections break before its run is running is answered at once, by its run if the server has recorded one',
  deep,
  async () => {
    await sql`create materialized view broken_early as select 1 as id`
    const ends = []
    for (let pieces = 0; pieces < 60; pieces++) {
      const way = await breakableWay(url)
      void way.resetAfter(pieces)
      ends.push(await timed<Result>(refresh({ view: 'broken_early' }, callOn(way.database))))
    }
    for (const { end, ms } of ends) {
      expect(ms).toBeLessThan(atOnceMs)
      if (end instanceof Problem) expect(mayRetry(end.code)).toBe(true)
      else if (end.status === 'error') expect(end.error).toMatchObject({ class: 'DatabaseUnavailable' })
      // Skipped: the server still works on the run of a request before, whose answer was lost.
      else expect(['updated', 'skipped']).toContain(end.status)
    }
    const known = ends.flatMap(({ end }) => (end instanceof Problem ? (end.details.runId ?? []) : end.runId))
    expect(known).not.toEqual([])
    const recorded = await sql`select id, status from viewkeeper.runs where view_name = 'broken_early'`
    expect(recorded.filter(({ id, status }) => status === 'pending' || !known.includes(id))).toEqual([])
  },
)

test('a read whose connection breaks at any moment reports that at once', deep, async () => {
  for (let pieces = 0; pieces < 30; pieces++) {
    const way = await breakableWay(url)
    void way.resetAfter(pieces)
    const { end, ms } = await timed(listViews(way.database))
    expect(ms).toBeLessThan(atOnceMs)
    if (end instanceof Problem) expect(end).toMatchObject({ code: 'DatabaseUnavailable' })
    else expect(end.views).not.toEqual([])
  }
})

describe('a transaction whose connection breaks', () => {
  test.each([
    ['while it waits for an answer', true],
    ['between two statements', false],
  ])('%s fails at once, and so does every later statement', async (_, busy) => {
    const way = await breakableWay(url)
    const work = way.database.withConnection((part) =>
      withTransaction(part, async (transaction) => {
        if (busy) {
          void way.resetAfter(0)
          await transaction`select 1`.catch(() => {})
        } else way.reset()
        for (let turn = 0; turn < 20; turn++) {
          transaction`select 1`.catch(() => {})
          await nextTurn()
        }
      }),
    )
    const { end, ms } = await timed(work)
    expect(end).toMatchObject({ code: 'DatabaseUnavailable' })
    expect(ms).toBeLessThan(atOnceMs)
  })

  test('because the server has ended it does not end our process', async () => {
    const work = database.withConnection((part) =>
      withTransaction(part, (transaction) => transaction`select pg_terminate_backend(pg_backend_pid())`),
    )
    await expect(work).rejects.toMatchObject({ code: 'DatabaseUnavailable' })
  })
})

describe('advancing a batch', () => {
  eachCase(
    [
      ['every connection', undefined],
      ['the control connection', control],
      ['the connection that listens', /^viewkeeper listening$/],
    ],
    { quick: 1 },
  )('ends at once when %s breaks, and another call goes on', async (what, which) => {
    const view = `broken_batch_${what.replace(/\W/g, '_')}`
    await makeGatedView(sql, view)
    const way = await breakableWay(url)
    const batchId = await begin(database, { views: [view], retries: 0 })
    await withGateClosed(sql, view, async (open) => {
      const call = timed(advance(batchId, { database: way.database, until: muchLater() }))
      await untilAtGate(sql, view)
      way.reset(which)
      const { end, ms } = await call
      expect(end).toMatchObject({ code: 'DatabaseUnavailable' })
      expect(ms).toBeLessThan(atOnceMs)
      await open()
    })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'success' })
  })
})
