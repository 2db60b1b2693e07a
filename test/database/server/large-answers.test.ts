import { beforeAll, describe, expect, test } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import type { HttpAnswer } from '../../../src/api/http.ts'
import { httpEvent, lambdaContext, quietFunctionsOn } from '../../support/aws/lambda.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { insertRow, insertRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'

const { url, sql } = useDatabase()

/** Lambda refuses an answer that is longer than this as JSON. */
const lambdaLimit = 6 * 1024 * 1024
const megabytes = 1_000_000

quietFunctionsOn(url)

async function get(routeKey: string, options: Parameters<typeof httpEvent>[1] = {}) {
  const answer = (await api(httpEvent(routeKey, options), lambdaContext())) as HttpAnswer
  expect(answer.statusCode).toBe(200)
  expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(lambdaLimit)
  return JSON.parse(answer.body ?? '')
}

/** Reads a list to its end, and returns the items, and how many of them each page had. */
async function readPages(routeKey: string, list: string, options: Parameters<typeof httpEvent>[1] = {}) {
  const items: Record<string, unknown>[] = []
  const pages: number[] = []
  let cursor: string | null = null
  do {
    const body = await get(routeKey, { ...options, query: { ...options.query, ...(cursor && { cursor }) } })
    items.push(...body[list])
    pages.push(body[list].length)
    cursor = body.next
  } while (cursor !== null)
  return { items, pages }
}

/** Writes a run that failed with a text of so many characters, and has statements of that length. */
async function writeRun(view: string, characters: number, text = 'x'): Promise<number> {
  const message = text.repeat(characters)
  const error = { class: 'ViewSqlFailed', message }
  const meta = { request: {}, response: { sql: ['select 1', message] } }
  return (await insertRow(sql, 'runs', { view, status: 'failed', finishedAt: new Date(), error, meta })).id
}

describe('an answer is never larger than Lambda allows', () => {
  test('runs with texts of megabytes come in pages, each run once and whole', async () => {
    const ids: number[] = []
    for (let at = 0; at < 7; at++) ids.unshift(await writeRun('large', megabytes))
    const { items, pages } = await readPages('GET /runs', 'runs', { query: { limit: '5' } })
    expect(items.map(({ id }) => id)).toEqual(ids)
    expect(Math.max(...pages)).toBeLessThan(5)
    for (const run of items) {
      expect(run).toMatchObject({ error: { message: 'x'.repeat(megabytes) } })
      expect(run.result).not.toHaveProperty('error')
    }
  })

  // Twice in an answer, and as JSON in JSON: no more than it takes to be too large, so that a slow server answers in time.
  eachCase(
    [
      ['quotes', '"', 1.2 * megabytes],
      ['control characters', '\u0001', 0.7 * megabytes],
      ['characters of three bytes', '\u20ac', 1.5 * megabytes],
    ],
    { quick: 1 },
  )(
    'a run with a text of megabytes of %s is cut, and says how long the text is',
    async (_, character, characters) => {
      const id = await writeRun('larger', characters, character)
      const run = await get('GET /runs/{id}', { path: { id: String(id) } })
      const told = expect.stringMatching(`\\.\\.\\. \\(${characters} characters in all\\)$`)
      expect(run.error.message).toEqual(told)
      expect(run.result.response.sql).toEqual(['select 1', told])
      expect(run).toMatchObject({ id, status: 'failed', view: 'public.larger' })
      expect((await get('GET /runs', { query: { limit: '2' } })).runs[0]).toMatchObject({ id })
    },
  )

  test('a view with a query of megabytes is cut', deep, async () => {
    await sql.unsafe(`create materialized view wordy as select '${'x'.repeat(7 * megabytes)}'::text as words`)
    const view = await get('GET /views/{view}', { path: { view: 'wordy' } })
    expect(view.sql).toMatch(/^SELECT 'xxx.*\.\.\. \(70000\d\d characters in all\)$/)
  })

  test('batches with requests of megabytes come in pages', async () => {
    const views = Array.from({ length: 8000 }, (_, at) => `${'v'.repeat(100)}${at}`)
    const batch = { status: 'success', finishedAt: new Date(), request: { views }, selection: { views } }
    const batches = await insertRows(sql, 'batches', Array(6).fill(batch))
    const { items, pages } = await readPages('GET /batches', 'batches')
    expect(items.map(({ id }) => id)).toEqual(batches.map(({ id }) => id).reverse())
    expect(pages.length).toBeGreaterThan(1)
  })

  describe('of thousands of views', () => {
    const views = Array.from({ length: 6000 }, (_, at) => `many.${'"'.repeat(50)}${`${at}`.padStart(5, '0')}`)
    beforeAll(async () => {
      const definitions = views.map((view) => ({ view, source: 'authored' }))
      await insertRows(sql, 'definitions', definitions)
      await sql`analyze viewkeeper.definitions`
    })

    test('a batch with long messages comes in pages, in its order', deep, async () => {
      const end = { status: 'failed', finishedAt: new Date() }
      const { id } = await insertRow(sql, 'batches', { ...end, error: {} })
      const error = { class: 'ViewSqlFailed', message: '"'.repeat(2000) }
      const some = views.slice(0, 2000).map((view, at) => ({ view, batchId: id, position: 2000 - at }))
      await insertRows(sql, 'batchViews', some)
      const runs = some.map(({ position: _, ...view }) => ({ ...view, ...end, error }))
      await insertRows(sql, 'runs', runs)
      await sql`analyze viewkeeper.batch_views, viewkeeper.runs`
      const { items, pages } = await readPages('GET /batches/{id}', 'views', { path: { id } })
      expect(pages.length).toBeGreaterThan(1)
      const names = items.map(({ view }) => view as string)
      expect(names).toHaveLength(2000)
      expect(names).toEqual(names.toSorted().toReversed())
      const odd = httpEvent('GET /batches/{id}', { path: { id }, query: { cursor: 'nobody' } })
      expect(await api(odd, lambdaContext())).toMatchObject({ statusCode: 400 })
    })

    eachCase(
      [
        ['views', 'GET /views'],
        ['metrics', 'GET /view-metrics'],
      ],
      { quick: 1 },
    )('the %s come in pages, by name, each once', async (list, route) => {
      const { items, pages } = await readPages(route, list)
      const names = items.map(({ view }) => view as string).filter((view) => view.startsWith('many.'))
      expect(names).toHaveLength(6000)
      expect(names).toEqual(names.toSorted())
      expect(pages.length).toBeGreaterThan(1)
    })
  })
})
