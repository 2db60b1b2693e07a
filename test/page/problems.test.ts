import { gzipSync } from 'node:zlib'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { bundlePage } from '../../build/page.ts'
import { tableOf } from '../../cli/output/table.ts'
import { startGateway } from '../../serve/http/gateway.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { viewColumns } from '../../src/resources/views.ts'
import { connectTo } from '../../src/server/connect.ts'
import { Problem } from '../../src/words/problem.ts'
import { answering, servedOn } from '../support/api/served.ts'
import { startBrowser } from './support/browser.ts'
import { startFakeApi } from './support/fake-api.ts'
import { openPage } from './support/page.ts'
import { apiOf, dayBefore, manyViews, runOf, type SceneView } from './support/scene.ts'

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser.close())

const views = manyViews(12)
const scene = apiOf(views)

/** Serves the page with these answers until the test ends. */
async function serve(...args: Parameters<typeof startFakeApi>) {
  const api = await startFakeApi(...args)
  onTestFinished(api.close)
  return api
}

test('what the API refuses is told with its reason, the run in the way and where to read on', async () => {
  const detail = 'Run 812 of sales.orders_0 is still running.'
  const problem = new Problem('AlreadyRunning', detail, { runningRunId: 812 })
  const api = await serve((asked) => (asked.method === 'POST' ? problem : scene(asked)))
  const { page } = await openPage(browser, `${api.url}page/views/${views[1]!.view}`, { expected: [409] })
  await page.getByRole('button', { name: 'Refresh', exact: true }).click()
  const notice = page.getByRole('status').filter({ hasText: detail })
  await notice.getByText('node_modules/viewkeeper/docs/runbook.md#alreadyrunning-batchalreadyopen').waitFor()
  expect(await notice.getByRole('link', { name: 'run 812' }).getAttribute('href')).toBe('page/runs/812')
  await notice.getByRole('link', { name: 'Close this notice' }).click()
  await notice.waitFor({ state: 'detached' })
})

test('a refresh that locks readers out asks first, also if that is the strategy of the view itself', async () => {
  const regular = { ...views[1]!, strategy: 'regular' }
  const api = await serve(apiOf([regular]))
  const { page } = await openPage(browser, api.url)
  const dialog = page.getByRole('dialog', { name: `Refresh ${regular.view}?` })
  await page.getByRole('button', { name: `Refresh ${regular.view}` }).click()
  await dialog.getByText('locks the readers of the view out').waitFor()
  await dialog.getByRole('button', { name: 'Go back' }).click()
  await page.goto(`${api.url}page/views/${regular.view}`)
  await page.getByRole('button', { name: 'Refresh', exact: true }).click()
  await dialog.getByText('locks the readers of the view out').waitFor()
  expect(api.asked.filter(({ method }) => method === 'POST')).toEqual([])
})

test('only a failed refresh says that readers see the data of the last success', async () => {
  const error = { class: 'ViewSqlFailed', message: 'division by zero' }
  const failed = { status: 'failed', rowCountAfter: null, error }
  const runs = [runOf(1, views[1]!, failed), runOf(2, views[1]!, { ...failed, operation: 'create' })]
  const api = await serve((asked) => runs.find(({ id }) => asked.path === `/runs/${id}`) ?? scene(asked))
  const { page } = await openPage(browser, `${api.url}page/runs/1`)
  const hint = page.getByText(/runbook\.md#viewsqlfailed/)
  await hint.waitFor()
  expect(await hint.textContent()).toContain('Readers see the data of the last success.')
  await page.goto(`${api.url}page/runs/2`)
  await page.getByRole('heading', { level: 1, name: 'Run 2' }).waitFor()
  await page.getByText('create of').waitFor()
  expect(await hint.textContent()).toBe('node_modules/viewkeeper/docs/runbook.md#viewsqlfailed')
})

test('the row of a view that is not well leads to its cause with one click: the culprit to its own, and who waits to that of the culprit', async () => {
  const { page } = await openUnwell()
  const [failed, waits] = unwell as [(typeof unwell)[0], (typeof unwell)[0]]
  const table = page.locator('table.views')
  const rowOf = ({ view }: { view: string }) =>
    page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: view }) })
  await table.getByText('held back by').waitFor()
  await rowOf(failed).locator('.of-state').getByRole('link', { name: 'failed' }).click()
  await page.getByRole('heading', { level: 1, name: failed.view }).waitFor()
  await page.getByRole('heading', { name: 'Why', exact: true }).waitFor()
  await page.goBack()
  await rowOf(waits).locator('.of-state').getByRole('link', { name: failed.view }).click()
  await page.getByRole('heading', { level: 1, name: failed.view }).waitFor()
  await page.goto(new URL(`/page/views/${waits.view}`, page.url()).href)
  await page.locator('.head').getByText('held back by').waitFor()
  await page.locator('.head').getByRole('link', { name: failed.view }).waitFor()
})

const [culprit, reader, other] = manyViews(3) as [SceneView, SceneView, SceneView]
/** A view that fails, one that waits for it, and one of which nobody knows how old its data are. */
const unwell: SceneView[] = [
  { ...culprit, state: 'failed', failing: true },
  { ...reader, state: 'heldBack', culprit: culprit.view, dependsOn: [culprit.view] },
  { ...other, state: 'unknown', asOf: null as never, dependsOn: [reader.view] },
]

/** Opens the page of an environment whose three views are not well, and wait in a batch. */
async function openUnwell() {
  const answers = apiOf(unwell)
  const api = await serve((asked) => {
    const answer = answers(asked) as { views?: object[]; batches?: object[]; next?: null } | undefined
    const waiting = (batch: object) => ({
      ...batch,
      status: 'running',
      views: unwell.map(({ view, dependsOn }) => ({
        view,
        dependsOn,
        status: 'waiting',
        includedBecause: null,
        runs: [],
      })),
    })
    if (asked.path === '/batches') return { ...answer, batches: answer!.batches!.map(waiting) }
    return asked.path.startsWith('/batches/') ? waiting(answer!) : answer
  })
  return openPage(browser, api.url)
}

test('what failed is retried in the same way, alone or with what reads it; what goes on is not', async () => {
  const view = views[1]!
  const error = { class: 'ViewSqlFailed', message: 'division by zero' }
  const failed = runOf(1, view, { status: 'failed', error })
  const asked = { view: view.view, strategy: 'concurrent' }
  const run = { ...failed, result: { ...failed.result, request: asked } }
  const batchId = '20261120-090000-1f3c9a2b'
  const open = scene({ method: 'GET', path: `/batches/${batchId}`, query: new URLSearchParams(), body: {} })
  let batch = open as object
  const api = await serve((question) => {
    if (question.method === 'POST' && question.path === '/batches') return { batchId, status: 'running' }
    if (question.method === 'POST') return { runId: 2, status: 'updated' }
    if (question.path === '/runs/1') return run
    if (question.path === '/runs/2') return runOf(2, view)
    return question.path === `/batches/${batchId}` ? batch : scene(question)
  })
  const posted = () =>
    api.asked.flatMap(({ method, path, body }) => (method === 'POST' ? [[path, body]] : []))
  const { page } = await openPage(browser, `${api.url}page/runs/1`)
  await page.getByRole('button', { name: 'Retry', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Run 2' }).waitFor()
  await page.getByText(/: done after/).waitFor()
  expect(await page.getByRole('button', { name: /^Retry/ }).count()).toBe(0)
  await page.goto(`${api.url}page/runs/1`)
  await page.getByRole('button', { name: 'Retry, and refresh what reads it' }).click()
  await page.getByRole('heading', { level: 1, name: `Batch ${batchId}` }).waitFor()
  await page.getByRole('button', { name: 'Cancel the batch' }).waitFor()
  expect(await page.getByRole('button', { name: /^Retry/ }).count()).toBe(0)
  batch = { ...open, status: 'failed', finishedAt: new Date().toISOString() }
  await page.reload()
  await page.getByRole('button', { name: 'Retry what failed and what reads it' }).click()
  await page.getByRole('button', { name: 'Retry what failed', exact: true }).click()
  await expect.poll(posted).toEqual([
    [`/views/${view.view}/refresh`, { strategy: 'concurrent' }],
    ['/batches', { views: [view.view], descendants: true }],
    ['/batches', { retryOf: batchId, descendants: true }],
    ['/batches', { retryOf: batchId }],
  ])
})

test('what the API takes is retried, and nothing else: no create of a migration, and no batch of a view that is not there', async () => {
  const view = views[1]!
  const failed = (id: number, operation: string, request: object) => {
    const run = runOf(id, view, {
      status: 'failed',
      operation,
      error: { class: 'ViewSqlFailed', message: 'no' },
    })
    return { ...run, result: { ...run.result, request } }
  }
  const runs = [
    failed(1, 'create', { view: view.view, withData: false }),
    failed(2, 'create', { migration: '001_sales', way: 'up' }),
    failed(3, 'drop', { view: view.view }),
  ]
  const api = await serve(
    (asked) =>
      runs.find(({ id }) => asked.path === `/runs/${id}`) ??
      (asked.method === 'POST' ? { runId: 1, status: 'created' } : scene(asked)),
  )
  const { page } = await openPage(browser, `${api.url}page/runs/1`)
  const retries = page.getByRole('button', { name: /^Retry/ })
  const shown = async (id: number) => {
    await page.goto(`${api.url}page/runs/${id}`)
    await page.getByRole('heading', { level: 1, name: `Run ${id}` }).waitFor()
    await page.locator('.failure').getByText('ViewSqlFailed', { exact: true }).waitFor()
    return retries.allTextContents()
  }
  expect(await shown(2)).toEqual([])
  expect(await shown(3)).toEqual([])
  expect(await shown(1)).toEqual(['Retry'])
  await retries.click()
  const posted = () =>
    api.asked.filter(({ method }) => method === 'POST').map(({ path, body }) => [path, body])
  await expect.poll(posted).toEqual([[`/views/${view.view}/create`, { withData: false }]])
})

test('a typed search of runs loses no letter: not while it is told, nor when a status is chosen meanwhile', async () => {
  const api = await serve(scene)
  const { page } = await openPage(browser, `${api.url}page/runs`)
  const last = () => Object.fromEntries(api.asked.filter(({ path }) => path === '/runs').at(-1)!.query)
  const field = page.getByRole('searchbox')
  // A letter is typed at the moment when the page for the letters before it has come.
  await page.evaluate(`{
    const { replaceState } = history
    const field = document.querySelector('input[type=search]')
    history.replaceState = function (...to) {
      replaceState.apply(this, to)
      // On a busy machine a part of the letters is asked for before the last one is typed.
      if (field.value !== 'stoc') return
      field.value += 'k'
      field.dispatchEvent(new InputEvent('input', { bubbles: true }))
    }
  }`)
  await field.pressSequentially('stoc')
  await expect.poll(last).toMatchObject({ pattern: '*stock*' })
  expect(await field.inputValue()).toBe('stock')

  // Both happen at one moment, before the letters are asked for.
  await page.evaluate(`{
    const field = document.querySelector('input[type=search]')
    field.value = 'stock_3'
    field.dispatchEvent(new InputEvent('input', { bubbles: true }))
    document.querySelector('a.chip-failed').click()
  }`)
  await expect.poll(last).toMatchObject({ pattern: '*stock_3*', status: 'failed' })
  expect(await field.inputValue()).toBe('stock_3')

  await page.goto(`${api.url}page/runs?q=orders`)
  await expect.poll(() => field.inputValue()).toBe('orders')
  await field.fill('gone')
  await page.getByRole('link', { name: 'Views', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Views' }).waitFor()
  expect(page.url()).not.toContain('gone')
})

test('what is typed just before a list grows or a view is refreshed is searched for, and what came of the deed is told', async () => {
  const all = manyViews(120)
  const many = apiOf(all)
  const answered = Promise.withResolvers<void>()
  const run = { ...runOf(7, all[5]!, { status: 'running' }), finishedAt: null, durationMs: null }
  const api = await serve(async (asked) => {
    if (asked.method === 'POST') await answered.promise
    if (asked.method === 'POST') return { runId: 7, status: 'running' }
    return asked.path === '/runs/7' ? run : many(asked)
  })
  const { page } = await openPage(browser, api.url, { stands: true })
  const typedBefore = (text: string, click: string) =>
    page.evaluate(`{
      const field = document.querySelector('input[type=search]')
      field.value = '${text}'
      field.dispatchEvent(new InputEvent('input', { bubbles: true }))
      document.querySelector('${click}').click()
    }`)
  await typedBefore('orders', '[data-grows]')
  await page.getByRole('rowheader').nth(60).waitFor()
  await page.clock.runFor(1000)
  await page.waitForURL(/q=orders/)
  await typedBefore('orders_', `[aria-label="Refresh ${all[5]!.view}"]`)
  await expect.poll(() => api.asked.some(({ method }) => method === 'POST')).toBe(true)
  await page.clock.runFor(1000)
  answered.resolve()
  const notice = page.locator('.notices').getByText('has started')
  await notice.waitFor()
  await page.clock.runFor(1000)
  await page.waitForURL(/q=orders_/)
  await notice.waitFor()
})

test('commands of the local page name the gateway, if others work elsewhere', async () => {
  const view = views[1]!
  const api = await serve(
    (asked) =>
      asked.path === `/views/${view.view}/why`
        ? {
            view: view.view,
            locks: [],
            causes: [
              { code: 'Failed', text: 'Run 812 failed.', next: 'viewkeeper runs 812' },
              { code: 'SetAside', text: 'It was set aside.', next: 'viewkeeper put-back' },
            ],
          }
        : scene(asked),
    null,
    { typed: 'local' },
  )
  const { page } = await openPage(browser, `${api.url}page/views/${view.view}`)
  await page.getByRole('button', { name: 'Copy: viewkeeper runs 812 --env local', exact: true }).waitFor()
  await page.getByRole('button', { name: 'Copy: viewkeeper put-back', exact: true }).waitFor()
})

test('runs are searched by a part of names, status and time, and a day of a view leads to its runs', async () => {
  const api = await serve(scene)
  const { page } = await openPage(browser, `${api.url}page/runs`)
  const last = () => Object.fromEntries(api.asked.filter(({ path }) => path === '/runs').at(-1)!.query)
  await page.getByRole('searchbox').fill('stock')
  await expect.poll(last).toEqual({ pattern: '*stock*', limit: '100' })
  await page.getByRole('link', { name: 'failed', exact: true }).click()
  await page.locator('a[aria-current="true"]', { hasText: /^failed$/ }).waitFor() // the form sends what the page shows
  const chosenAt = Date.now()
  await page.getByRole('combobox', { name: 'Time' }).selectOption('the last 7 days')
  // Counted from the moment of the choice, by the clock of the page.
  const weekBefore = (at: number) => new Date(at - 7 * 86_400_000).toISOString().slice(0, 10)
  await expect
    .poll(() => [weekBefore(chosenAt), weekBefore(Date.now())].includes(last().since?.slice(0, 10) ?? ''))
    .toBe(true)
  expect(last()).toMatchObject({ pattern: '*stock*', status: 'failed' })
  expect(await page.getByRole('searchbox').inputValue()).toBe('stock')

  await page.getByRole('link', { name: 'days', exact: true }).click()
  const view = views[3]!.view
  const cell = page.getByRole('link', { name: `${view}, ${dayBefore(2)}: 4 runs` })
  await cell.click()
  await page.getByRole('link', { name: 'Every day' }).waitFor()
  await expect.poll(last).toEqual({
    view,
    limit: '100',
    since: `${dayBefore(2)}T00:00:00.000Z`,
    until: `${dayBefore(1)}T00:00:00.000Z`,
  })
  await page.getByRole('link', { name: 'Every view' }).click()
  await expect.poll(() => last().view).toBe(undefined)
})

test('ages and moments are those of the command line at the answer, whatever the clock of the browser says', async () => {
  const view = views[1]!
  const api = await serve(scene)
  const { page } = await openPage(browser, api.url)
  await page.clock.setFixedTime(Date.now() + 3 * 24 * 3_600_000)
  await page.reload()
  const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: view.view }) })
  await row.waitFor()
  const told = async (of: string) => (await row.locator(`.of-${of}`).textContent())!
  const [line] = tableOf(viewColumns, [view as never], new Date(), {
    width: 400,
    paint: (_, text) => text,
  }).slice(1)
  const [, , age, limit, run, took] = line!.trim().split(/ {2,}/)
  expect(await told('age')).toBe(`${age}of ${limit}`)
  expect(await told('run')).toBe(`${run} · ${took}`)
  expect(line).toContain(await told('next'))
})

test('a point of a chart says its value under the mouse, and a click opens its run', async () => {
  const view = views[1]!
  const hours = Array.from({ length: 12 }, (_, n) => ({
    ...runOf(n + 1, view),
    finishedAt: `2026-11-20T${String(n + 1).padStart(2, '0')}:00:00.000Z`,
  }))
  const api = await serve(apiOf([view], () => hours.toReversed()))
  const { page } = await openPage(browser, `${api.url}page/views/${view.view}`)
  const chart = page.getByRole('group', { name: /^Duration of 12 refreshes/ })
  const said = chart.getByText(/2026-11-20 02:00:00 UTC · run 2$/)
  expect(await said.isVisible()).toBe(false)
  const { x, y, width } = (await chart.boundingBox())!
  await page.mouse.move(x + width / 11, y + 60)
  await said.waitFor()
  await page.mouse.click(x + width / 11, y + 60)
  await page.getByRole('heading', { name: 'Run 2', exact: true }).waitFor()
})

test('moments are in UTC, as in sentences, and in the zone of the reader in their tooltips', async () => {
  const view = views[1]!
  const api = await serve(apiOf([view], () => [runOf(1, view)]))
  const url = `${api.url}page/views/${view.view}`
  const { page } = await openPage(browser, url, { timezoneId: 'Asia/Tokyo' })
  const moment = page.locator('.facts time.moment').first()
  const there = new Date(Date.parse((await moment.getAttribute('datetime'))!) + 9 * 3_600_000).toISOString()
  expect(await moment.textContent()).toMatch(/^\d{4}-\d\d-\d\d [\d:]{8} UTC$/)
  expect(await moment.getAttribute('title')).toContain(
    `${there.slice(0, 10)} ${there.slice(11, 19)} GMT+9 · `,
  )
})

test('one notice tells what came of a run, and the foot of the page covers no content', async () => {
  const view = views[1]!
  let run: object = { ...runOf(7, view, { status: 'running' }), finishedAt: null, durationMs: null }
  const api = await serve((asked) => {
    if (asked.path === '/runs/7/cancel') {
      run = runOf(7, view, { status: 'canceled', error: { class: 'Canceled', message: 'canceled by you' } })
      return { runId: 7, status: 'error' }
    }
    if (asked.method === 'POST') return { runId: 7, status: 'running' }
    return asked.path === '/runs/7' ? run : scene(asked)
  })
  const { page } = await openPage(browser, `${api.url}page/views/${view.view}`)
  const foot = page.locator('.notices')
  await page.getByRole('button', { name: 'Refresh', exact: true }).click()
  await foot.getByText('run 7 has started').waitFor()
  await foot.getByRole('link', { name: 'run 7' }).click()
  await page.getByRole('button', { name: 'Cancel the run' }).click()
  await foot.getByText('canceled. canceled by you').waitFor()
  expect(await foot.locator('.notice').allInnerTexts()).toHaveLength(1)
  await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)')
  const free = await page.evaluate<number>(
    'document.querySelector(".notices").getBoundingClientRect().top - document.querySelector("main").lastElementChild.getBoundingClientRect().bottom',
  )
  expect(free).toBeGreaterThanOrEqual(0)
})

test('a server that asks for tokens is given one, also while another is not answered yet, and the tab keeps it', async () => {
  const corrected = Promise.withResolvers<void>()
  const gateway = await startGateway({
    port: 0,
    served: servedOn(connectTo(fromUrl('postgres://postgres@127.0.0.1:1/postgres'))),
    routes: answering(({ method, path }) =>
      scene({ method, path, query: new URLSearchParams(), body: undefined }),
    ),
    doorkeeper: {
      async authorize(headers) {
        if (headers?.[0] === 'Bearer vk_right') return { name: 'ci', may: 'read' }
        if (headers?.[0] === 'Bearer vk_wrong') await corrected.promise
        throw new Problem('Unauthenticated', 'This server needs a token.')
      },
    },
  })
  const { page } = await openPage(browser, gateway.url, { expected: [401] })
  const field = page.getByLabel('This server needs a token.')
  await field.fill('vk_wrong')
  await page.getByRole('button', { name: 'Use' }).click()
  await expect.poll(async () => (await page.context().cookies())[0]?.value).toBe('vk_wrong')
  await field.fill('vk_right')
  await field.press('Enter')
  corrected.resolve()
  await page.getByRole('link', { name: views[0]!.view }).waitFor()
  expect(await field.count()).toBe(0)
  await page.reload()
  await page.getByRole('link', { name: views[0]!.view }).waitFor()
  // No script reads it, and no form of another site takes it along.
  expect(await page.context().cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Lax', expires: -1 }])
  await page.context().close()
  await gateway.close()
})

test('what a browser loads is small, and nothing comes from elsewhere', async () => {
  const { files } = await bundlePage()
  const size = (name: string) => gzipSync(files[name]!, { level: 9 }).length
  expect(size('page.js')).toBeLessThan(8000)
  expect(size('page.css')).toBeLessThan(6000)
  for (const name of ['page.js', 'page.css'])
    expect(files[name]).not.toMatch(/\b(src|href)="https?:|url\(["']?https?:|import\("https?:/)
})
