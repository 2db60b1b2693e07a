import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundlePage } from '../../page/serve/bundle.ts'
import { openPage, startBrowser } from './support/browser.ts'
import { startFakeApi } from './support/fake-api.ts'
import { apiOf, manyViews } from './support/scene.ts'

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
  const files = await bundlePage()
  const size = (path: keyof typeof files) => files[path].gzipped.length
  expect(size('/') + size('/page.js') + size('/page.css')).toBeLessThan(35_000)
  expect(size('/layout.js') + size('/plotter.js')).toBeLessThan(45_000)
  for (const { bytes } of Object.values(files))
    expect(bytes.toString()).not.toMatch(/\b(src|href)="https?:|url\(["']?https?:|import\("https?:/)
})
