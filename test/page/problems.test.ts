import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readPage } from '../../page/serve/page.ts'
import { startBrowser } from './support/browser.ts'
import { startFakeApi } from './support/fake-api.ts'
import { openPage } from './support/page.ts'
import { apiOf, manyViews, runOf } from './support/scene.ts'

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser.close())

const views = manyViews(12)
const scene = apiOf(views)

test('what the API refuses is told with its reason, the run in the way and where to read on', async () => {
  const problem = {
    code: 'AlreadyRunning',
    title: 'Another run of this view is running',
    detail: 'Run 812 of sales.orders_0 is still running.',
    runningRunId: 812,
  }
  const api = await startFakeApi((asked) =>
    asked.method === 'POST' ? { status: 409, body: problem } : scene(asked),
  )
  const { page } = await openPage(browser, `${api.url}#/views/${views[1]!.view}`, { expected: [409] })
  await page.getByRole('button', { name: 'Refresh', exact: true }).click()
  const notice = page.getByRole('status').filter({ hasText: problem.detail })
  await notice.getByText('docs/runbook.md, section AlreadyRunning').waitFor()
  expect(await notice.getByRole('link', { name: 'run 812' }).getAttribute('href')).toBe('#/runs/812')
  await notice.getByRole('button', { name: 'Close this notice' }).click()
  await notice.waitFor({ state: 'detached' })
  await page.context().close()
  await api.close()
})

test('what API Gateway refuses by itself names the policies that allow it', async () => {
  const api = await startFakeApi(() => ({ status: 403, body: { message: 'Forbidden' } }))
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(api.url)
  await page.getByText('Your AWS credentials do not allow this').waitFor()
  await page.getByText('viewkeeper-<environment>-read').waitFor()
  await context.close()
  await api.close()
})

test('a refresh that locks readers out asks first, also if that is the strategy of the view itself', async () => {
  const regular = { ...views[1]!, strategy: 'regular' }
  const api = await startFakeApi(apiOf([regular]))
  const { page } = await openPage(browser, api.url)
  const dialog = page.getByRole('dialog', { name: `Refresh ${regular.view}?` })
  await page.getByRole('button', { name: `Refresh ${regular.view}` }).click()
  await dialog.getByText('locks the readers of the view out').waitFor()
  await dialog.getByRole('button', { name: 'No' }).click()
  await page.goto(`${api.url}#/views/${regular.view}`)
  await page.getByRole('button', { name: 'Refresh', exact: true }).click()
  await dialog.getByText('locks the readers of the view out').waitFor()
  expect(api.asked.filter(({ method }) => method === 'POST')).toEqual([])
  await page.context().close()
  await api.close()
})

test('only a failed refresh says that readers see the data of the last success', async () => {
  const error = { class: 'ViewSqlFailed', message: 'division by zero' }
  const failed = { status: 'failed', rowCountAfter: null, error }
  const runs = [runOf(1, views[1]!, failed), runOf(2, views[1]!, { ...failed, operation: 'create' })]
  const api = await startFakeApi(
    (asked) => runs.find(({ id }) => asked.path === `/runs/${id}`) ?? scene(asked),
  )
  const { page } = await openPage(browser, `${api.url}#/runs/1`)
  const hint = page.getByText(/docs\/runbook\.md, section ViewSqlFailed/)
  await hint.waitFor()
  expect(await hint.textContent()).toContain('Readers see the data of the last success.')
  await page.goto(`${api.url}#/runs/2`)
  await page.getByRole('heading', { level: 1, name: 'Run 2' }).waitFor()
  await page.getByText('create of').waitFor()
  expect(await hint.textContent()).toBe('docs/runbook.md, section ViewSqlFailed')
  await page.context().close()
  await api.close()
})

test('a search of the graph that finds nothing says so', async () => {
  const api = await startFakeApi(scene)
  const { page } = await openPage(browser, `${api.url}#/graph?q=nowhere`)
  await page.getByText('No view has "nowhere" in its name.').waitFor()
  await page.goto(`${api.url}#/graph?view=public.nowhere`)
  await page.getByText('There is no view public.nowhere.').waitFor()
  await page.context().close()
  await api.close()
})

test('a request to act has a key of its own and goes by id if the name needs quotes', async () => {
  const odd = { ...views[2]!, view: 'public."Odd.Name"', name: 'Odd.Name' }
  const api = await startFakeApi((asked) =>
    asked.method === 'POST' ? { view: odd.view, paused: true } : apiOf([odd])(asked),
  )
  const { page } = await openPage(browser, api.url)
  await page.getByRole('link', { name: 'public."Odd.Name"' }).click()
  await page.getByRole('button', { name: 'Pause', exact: true }).click()
  await page.getByRole('status').getByText('is paused: schedules').waitFor()
  expect(api.asked.filter(({ method }) => method === 'POST').map(({ path }) => path)).toEqual([
    `/views/${odd.id}/pause`,
  ])
  await page.context().close()
  await api.close()
})

test('what the first page loads is small, and nothing comes from elsewhere', async () => {
  const files = await readPage()
  const size = (path: keyof typeof files) => files[path].gzipped.length
  expect(size('/') + size('/page.js') + size('/page.css')).toBeLessThan(35_000)
  expect(size('/layout.js') + size('/plotter.js')).toBeLessThan(45_000)
  for (const { bytes } of Object.values(files))
    expect(bytes.toString()).not.toMatch(/\b(src|href)="https?:|url\(["']?https?:|import\("https?:/)
})
