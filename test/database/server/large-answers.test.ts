import { beforeAll, describe, expect, test } from 'vitest'
import { handler as api } from '../../../functions/api.ts'
import type { HttpAnswer } from '../../../src/api/http.ts'
import { httpEvent, lambdaContext, quietFunctionsOn } from '../../support/aws/lambda.ts'
import { deep, eachCase } from '../../support/deep.ts'
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
  const [row] = await sql<{ id: number }[]>`
    insert into viewkeeper.runs (schema_name, view_name, operation, trigger, status, finished_at, error, meta)
    values ('public', ${view}, 'refresh', 'http', 'failed', clock_timestamp(),
            jsonb_build_object('class', 'ViewSqlFailed', 'message', repeat(${text}, ${characters})),
            jsonb_build_object('request', '{}'::jsonb, 'response',
              jsonb_build_object('sql', jsonb_build_array('select 1', repeat(${text}, ${characters})))))
    returning id`
  return row?.id as number
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
    const [first] = await sql<{ ids: string[] }[]>`
      with made as (
        insert into viewkeeper.batches (status, finished_at, trigger, request, selection)
        select 'success', clock_timestamp(), 'http', names, names
          from generate_series(1, 6),
               (select jsonb_build_object('views', jsonb_agg(repeat('v', 100) || g)) as names from generate_series(1, 8000) g) n
        returning id, serial)
      select array_agg(id order by serial desc) as ids from made`
    const { items, pages } = await readPages('GET /batches', 'batches')
    expect(items.map(({ id }) => id)).toEqual(first?.ids)
    expect(pages.length).toBeGreaterThan(1)
  })

  describe('of thousands of views', () => {
    beforeAll(async () => {
      await sql`
        insert into viewkeeper.definitions (schema_name, name, source)
        select 'many', repeat('"', 50) || to_char(g, 'FM00000'), 'authored' from generate_series(1, 6000) g`
      await sql`analyze viewkeeper.definitions`
    })

    test('a batch with long messages comes in pages, in its order', deep, async () => {
      const [batch] = await sql<{ id: string }[]>`
        insert into viewkeeper.batches (status, finished_at, trigger, selection, error)
        values ('failed', clock_timestamp(), 'http', '{"all": true}', '{}') returning id`
      await sql`
        insert into viewkeeper.batch_views (batch_id, definition_id, position, schema_name, view_name, estimate_ms, remaining_ms)
        select ${batch!.id}, id, 2000 - row_number() over (order by name), schema_name, name, 1, 1
          from viewkeeper.definitions where schema_name = 'many' order by name limit 2000`
      await sql`
        insert into viewkeeper.runs (definition_id, batch_id, schema_name, view_name, operation, trigger, status, finished_at, error)
        select definition_id, batch_id, schema_name, view_name, 'refresh', 'batch', 'failed', clock_timestamp(),
               jsonb_build_object('class', 'ViewSqlFailed', 'message', repeat('"', 2000))
          from viewkeeper.batch_views where batch_id = ${batch!.id}`
      await sql`analyze viewkeeper.batch_views, viewkeeper.runs`
      const { items, pages } = await readPages('GET /batches/{id}', 'views', { path: { id: batch!.id } })
      expect(pages.length).toBeGreaterThan(1)
      const names = items.map(({ view }) => view as string)
      expect(names).toHaveLength(2000)
      expect(names).toEqual(names.toSorted().toReversed())
      const odd = httpEvent('GET /batches/{id}', { path: { id: batch!.id }, query: { cursor: 'nobody' } })
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
