import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { startEvents } from '../../serve/http/events.ts'
import { startGateway } from '../../serve/http/gateway.ts'
import { refresh } from '../../src/run/refresh.ts'
import { servedOn } from '../support/api/served.ts'
import { deleteRows, insertRow } from '../support/record/rows.ts'
import { callOn, useDatabase } from '../support/servers/database.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../support/views/slow-view.ts'
import { hangsMs } from '../support/waiting/until.ts'
import { startBrowser } from './support/browser.ts'
import { openPage } from './support/page.ts'

// The page, the local gateway, the functions and PostgreSQL, as npm start has them.

const { url: databaseUrl, database, sql } = useDatabase()
let browser: Browser
let gateway: Awaited<ReturnType<typeof startGateway>>
let opened: Awaited<ReturnType<typeof openPage>>
let page: Page

beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', databaseUrl)
  await makeGatedView(sql, 'slow')
  await sql.unsafe('create materialized view after_slow as select * from slow')
  await sql.unsafe('create materialized view quick as select generate_series(1, 42) as id')
  gateway = await startGateway({ port: 0, served: servedOn(database) })
  browser = await startBrowser()
})
afterAll(async () => {
  await browser.close()
  await gateway.close()
  vi.unstubAllEnvs()
})

const open = async (path: string, expected: number[] = [], options: BrowserContextOptions = {}) => {
  opened = await openPage(browser, `${gateway.url}/${path}`, { expected, ...options })
  page = opened.page
}
afterEach(() => {
  expect(opened.complaints).toEqual([])
})

const rowOf = (view: string) =>
  page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: view, exact: true }) })

test('a click refreshes a view: the run is shown while it goes on, and when it has ended', async () => {
  await open('')
  await withGateClosed(sql, 'slow', async (openGate) => {
    await rowOf('public.slow').getByRole('button', { name: 'Refresh public.slow' }).click()
    await rowOf('public.slow').getByText('running').waitFor()
    await page.getByRole('link', { name: 'public.slow', exact: true }).click()
    await page.getByRole('button', { name: /^Cancel run/ }).waitFor()
    await untilAtGate(sql, 'slow')
    await openGate()
    await page.getByRole('button', { name: 'Refresh', exact: true }).waitFor()
  })
  await page
    .getByRole('status')
    .getByText(/public\.slow: done after/)
    .waitFor()
  await page.getByRole('table').getByRole('row').filter({ hasText: 'success' }).first().waitFor()
})

test('a view is paused and resumed, and a refresh of a paused view asks first', async () => {
  await open('page/views/public.quick')
  await page.getByRole('button', { name: 'Pause', exact: true }).click()
  await page.getByRole('button', { name: 'Resume', exact: true }).waitFor()
  await page.getByRole('button', { name: 'Refresh', exact: true }).click()
  const dialog = page.getByRole('dialog', { name: 'Refresh public.quick?' })
  await dialog.getByText('The view is paused.').waitFor()
  await dialog.getByRole('button', { name: 'Go back' }).click()
  const runs = () => sql`select count(*)::int as n from viewkeeper.runs where view_name = 'quick'`
  expect((await runs())[0]!.n).toBe(0)

  await page.getByRole('button', { name: 'Refresh', exact: true }).click()
  await dialog.getByRole('button', { name: 'Refresh' }).click()
  await page.getByRole('table').getByText('success').waitFor()
  expect((await runs())[0]!.n).toBe(1)
  await page.getByRole('button', { name: 'Resume', exact: true }).click()
  await page.getByRole('button', { name: 'Pause', exact: true }).waitFor()
})

test('a channel that does not take its messages is said until it does', async () => {
  const failed = { failedAt: '2026-11-20T09:00:00Z', error: 'it answered 500' }
  await insertRow(sql, 'deliveries', { channel: 'mail ops@example.com', key: 'one', message: {}, ...failed })
  await open('')
  const said = page.getByText(
    'mail to ops@example.com has been failing since 2026-11-20 09:00:00 UTC: it answered 500',
    { exact: true },
  )
  await said.waitFor()
  await deleteRows(sql, 'deliveries')
  await page.reload()
  await page.getByRole('button', { name: 'Pause all' }).waitFor()
  expect(await said.count()).toBe(0)
})

test('a batch is live in the graph and on its timeline, until it is canceled', async () => {
  await open('')
  await withGateClosed(sql, 'slow', async () => {
    await page.getByRole('checkbox', { name: 'Choose public.slow' }).check()
    await page.getByRole('checkbox', { name: 'and what reads them' }).check()
    await page.getByRole('button', { name: 'Refresh in one batch' }).click()
    await page.getByRole('heading', { level: 1, name: /^Batch/ }).waitFor()
    await page.getByText('waits for public.slow').waitFor()
    await page.getByRole('link', { name: 'Graph', exact: true }).click()
    await page.getByRole('link', { name: /^public\.slow, running/ }).waitFor()
    await page.getByRole('link', { name: /^public\.after_slow,.* (waiting|pending)/ }).waitFor()
    await page.getByRole('link', { name: /^Batch .* goes on$/ }).click()
    await page.getByRole('button', { name: 'Cancel the batch' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the batch' }).click()
    await page.getByText(/^The batch has ended: canceled/).waitFor()
  })
})

test('who is in the way of a refresh is named, with the SQL that ends it', async () => {
  await open('page/views/public.quick')
  const [holder] = await Promise.all([sql.reserve()])
  await holder`begin`
  await holder`select * from quick limit 1`
  try {
    await page.getByRole('combobox', { name: 'Strategy' }).selectOption('regular')
    await page.getByRole('button', { name: 'Refresh', exact: true }).click()
    await page.getByRole('dialog').getByText('locks the readers of the view out').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Refresh' }).click()
    await page
      .getByText(/select pg_terminate_backend\(\d+\)/)
      .first()
      .waitFor()
  } finally {
    await holder`rollback`
    holder.release()
  }
  await page
    .getByRole('status')
    .getByText(/public\.quick: done after/)
    .waitFor()
})

test('a refresh made elsewhere shows by its event, without a poll; without the stream the page polls again', async () => {
  const events = startEvents(database)
  const served = servedOn(database)
  const heard = await startGateway({ port: 0, served, events })
  opened = { page: await (await browser.newContext()).newPage(), complaints: [] }
  page = opened.page
  page.setDefaultTimeout(hangsMs)
  // The pauses between looks never end, until the test shortens them.
  await page.addInitScript(`{
    const real = setTimeout
    const pause = (ms) => (ms >= 10_000 ? (window.looks ? 200 : 2 ** 30) : ms)
    window.setTimeout = (work, ms) => real(work, pause(ms))
  }`)
  const stream = page.waitForResponse((response) => response.url().endsWith('/events'))
  await page.goto(`${heard.url}/page/views/public.quick`)
  await page.getByRole('button', { name: 'Refresh', exact: true }).waitFor()
  expect((await stream).headers()['content-type']).toBe('text/event-stream')
  const elsewhere = async () => {
    const { runId } = await refresh({ view: 'quick' }, callOn(database))
    await page.getByRole('link', { name: `${runId}`, exact: true }).waitFor()
  }
  await elsewhere()
  await elsewhere()

  await page.evaluate('window.looks = true')
  await events.close()
  await elsewhere()
  await elsewhere()
  await heard.close()
})

test.each([true, false])(
  'by keyboard alone, a failing view is found, diagnosed and retried, and a batch watched to its end; with a script: %s',
  async (javaScriptEnabled) => {
    await sql.unsafe(`
      drop table if exists divisors cascade;
      create table divisors as select 1 as n;
      create materialized view shares as select 1 / n as share from divisors;
      create materialized view after_shares as select * from shares;
      update divisors set n = 0`)
    await refresh({ view: 'shares' }, callOn(database)).catch(() => undefined)
    await open('', [], { javaScriptEnabled })
    const enter = (role: 'link' | 'button', name: string | RegExp, within: Page | Locator = page) =>
      within.getByRole(role, { name, exact: true }).press('Enter')
    /** Without a script somebody loads the page again. */
    const untilShown = (text: string | RegExp) =>
      expect
        .poll(async () => {
          if (!javaScriptEnabled) await page.reload()
          return page.getByText(text).count()
        })
        .toBeGreaterThan(0)
    await enter('link', 'failed 1')
    await enter('link', 'public.shares')
    await page.getByText('division by zero').first().waitFor()
    await enter('link', /^run \d+$/i, page.locator('.why'))
    await page.getByRole('heading', { level: 1, name: /^Run/ }).waitFor()
    await sql`update divisors set n = 1`
    await enter('button', 'Retry, and refresh what reads it')
    await page.getByRole('heading', { level: 1, name: /^Batch/ }).waitFor()
    await untilShown(/^The batch has ended: success/)
  },
)
