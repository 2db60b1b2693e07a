import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBrowser } from './support/browser.ts'
import { startFakeApi } from './support/fake-api.ts'
import { openPage } from './support/page.ts'
import { apiOf, manyRuns, manyViews } from './support/scene.ts'

const views = manyViews(1000)
let browser: Browser
let api: Awaited<ReturnType<typeof startFakeApi>>
beforeAll(async () => {
  browser = await startBrowser()
  const scene = apiOf(views, (view) => manyRuns(view, 700))
  api = await startFakeApi((asked) => (asked.method === 'POST' ? {} : scene(asked)))
})
afterAll(async () => {
  await browser.close()
  await api.close()
})

test('a thousand views are found by their names, and drawn as far as one scrolls', async () => {
  const { page, complaints } = await openPage(browser, api.url)
  await page.getByText('1,000', { exact: true }).first().waitFor()
  const rows = page.getByRole('rowheader')
  expect(await rows.count()).toBeLessThan(200)
  await page.getByRole('link', { name: /more views$/ }).scrollIntoViewIfNeeded()
  await expect.poll(() => rows.count()).toBeGreaterThan(50)
  await page.getByRole('searchbox').fill('web churn 4')
  await expect.poll(() => page.url()).toContain('q=web+churn+4')
  const wanted = views.filter(({ view }) => ['web', 'churn', '4'].every((word) => view.includes(word)))
  await expect.poll(() => rows.count()).toBe(Math.min(50, wanted.length))
  await page.getByRole('combobox', { name: 'Order' }).selectOption('rows')
  const most = wanted.sort((a, b) => (b.estimatedRows ?? 0) - (a.estimatedRows ?? 0))[0]!
  await expect.poll(() => rows.first().textContent()).toBe(most.view)
  await page.reload()
  await expect.poll(() => rows.first().textContent()).toBe(most.view)
  expect(complaints).toEqual([])
})

test('a chosen state chooses all its views for a batch, also those that are not drawn', async () => {
  const { page } = await openPage(browser, `${api.url}?state=stale`)
  await page.getByRole('checkbox', { name: 'Choose all of these views' }).check()
  const stale = views.filter((view) => view.stale).length
  await page.getByText(`${stale} views chosen`).waitFor()
})

test('the graph of a thousand views is drawn', async () => {
  const { page, complaints } = await openPage(browser, `${api.url}page/graph`)
  const picture = page.getByRole('group', { name: /^Graph of \d+ views/ })
  await picture.waitFor()
  expect(await picture.getByRole('link').count()).toBeGreaterThan(900)
  await page.getByRole('searchbox').fill('orders_5')
  await page.getByRole('group', { name: /^Graph of \d\d? views/ }).waitFor()
  expect(complaints).toEqual([])
})

test('the last runs of a view are on its page, and all of them are a list that goes on', async () => {
  const { page, complaints } = await openPage(browser, `${api.url}page/views/${views[500]!.view}`)
  await page.getByRole('group', { name: /^Duration of \d+ refreshes: from/ }).waitFor()
  await page.getByRole('link', { name: 'Every run' }).click()
  await page.getByRole('link', { name: 'Every view' }).waitFor()
  await page.getByRole('link', { name: 'Older runs' }).click()
  await expect.poll(() => page.url()).toContain('before=')
  expect(complaints).toEqual([])
})

test('the page of a thousand views is small, and draws all of them on demand', async () => {
  const got = await fetch(api.url)
  expect((await got.text()).length).toBeLessThan(300_000)
  const all = await fetch(`${api.url}?rows=1000`)
  expect((await all.text()).match(/role="row"/g)).toHaveLength(1001)
})

test('without an answer the page says so, keeps what it shows, and goes on by itself', async () => {
  const { page, answerAgain } = await openWithoutAnswer()
  await page.getByRole('rowheader').first().waitFor()
  answerAgain()
  await page.clock.runFor(30_000)
  await page.getByText('No answer.').waitFor({ state: 'hidden' })
})

test('without an answer the page tries again at once when it is asked to', async () => {
  const { page, answerAgain } = await openWithoutAnswer()
  answerAgain()
  await page.getByRole('button', { name: 'Try again now' }).click()
  await page.getByText('No answer.').waitFor({ state: 'hidden' })
})

/** Opens a page whose server then answers nothing any more, until it is told to. */
async function openWithoutAnswer() {
  const { page } = await openPage(browser, api.url, { expected: [], stands: true })
  await page.getByRole('rowheader').first().waitFor()
  let away = true
  await page.route('**', (route) => (away ? route.abort() : route.continue()))
  await page.getByRole('link', { name: 'Batches' }).click()
  await page.getByRole('alert').getByText('No answer.').waitFor()
  const answerAgain = () => {
    away = false
  }
  return { page, answerAgain }
}
