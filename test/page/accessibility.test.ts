import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBrowser } from './support/browser.ts'
import { startFakeApi } from './support/fake-api.ts'
import { brokenRules, openPage, overprinted } from './support/page.ts'
import { apiOf, manyRuns, manyViews } from './support/scene.ts'

let browser: Browser
let api: Awaited<ReturnType<typeof startFakeApi>>
beforeAll(async () => {
  browser = await startBrowser()
  // Few of each kind: axe looks at every element, and the hundredth row is as the first.
  api = await startFakeApi(apiOf(manyViews(18), (view) => manyRuns(view, 9)))
})
afterAll(async () => {
  await browser.close()
  await api.close()
})

const pages = [
  '',
  '?state=stale&sort=age',
  'page/views/ops.sessions_17',
  'page/graph',
  'page/batches',
  'page/batches/20261120-090000-1f3c9a2b',
  'page/batches/20261120-090000-1f3c9a2b?as=graph',
  'page/runs',
  'page/runs?view=ops.sessions_17&day=2026-11-20',
  'page/runs?as=days',
  'page/runs/9993',
  'page/actions',
  'page/actions?view=ops.sessions_17',
  'page/nowhere',
]

test.each(pages)('/%s breaks no rule of accessibility, dark and light, wide and narrow', async (path) => {
  const { page, complaints } = await openPage(browser, api.url + path, {
    reducedMotion: 'reduce',
    expected: [404],
  })
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 })
    await expect.poll(() => page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    expect(await overprinted(page)).toEqual([])
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      // Only colours differ between the schemes.
      const broken = await brokenRules(page, colorScheme === 'light' ? 'all' : 'colours')
      expect({ width, colorScheme, broken }).toEqual({ width, colorScheme, broken: [] })
    }
  }
  expect(complaints).toEqual([])
})

describe('with the keyboard alone', () => {
  test('the first key leads past the navigation, and a link gives its page the focus', async () => {
    const { page } = await openPage(browser, api.url)
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Batch 20261120-090000-1f3c9a2b goes on')
    await page.getByRole('link', { name: 'ops.sessions_17' }).press('Enter')
    await page.getByRole('heading', { level: 1, name: 'ops.sessions_17' }).waitFor()
    await expect.poll(() => focused(page)).toBe('ops.sessions_17')
    expect(await page.title()).toContain('ops.sessions_17')
  })

  test('arrow keys walk along the graph, and Enter opens the view', async () => {
    const { page } = await openPage(browser, `${api.url}page/graph`)
    await page.getByRole('link', { name: /^sales\.stock_3,/ }).focus()
    await page.keyboard.press('ArrowRight')
    const there = await page.evaluate<string>('document.activeElement.dataset.view')
    expect(there).not.toBe('sales.stock_3')
    await page.keyboard.press('ArrowLeft')
    await page.keyboard.press('ArrowRight')
    expect(await page.evaluate('document.activeElement.dataset.view')).toBe(there)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: there }).waitFor()
  })

  test('single keys go to the search and to the help, refresh a view, and can be put off', async () => {
    const { page } = await openPage(browser, api.url, { expected: [404] })
    const types = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key)
    }
    await page.getByRole('searchbox').waitFor()
    await types('/', 's', 't', 'o', 'c', 'k', '_', '3', 'r')
    expect(await page.getByRole('searchbox').inputValue()).toBe('stock_3r')
    // The rows come again with the answer for the empty field.
    const row = page.getByRole('link', { name: 'sales.stock_3' })
    await row.waitFor({ state: 'detached' })
    await page.getByRole('searchbox').fill('')

    const posts = () => api.asked.filter(({ method }) => method === 'POST').map(({ path }) => path)
    await row.focus()
    await types('r')
    await expect.poll(posts).toEqual(['/views/sales.stock_3/refresh'])
    await page.getByRole('link', { name: 'ops.sessions_17' }).press('Enter')
    await page.getByRole('button', { name: 'Refresh', exact: true }).waitFor()
    await types('r')
    await expect.poll(posts).toEqual(['/views/sales.stock_3/refresh', '/views/ops.sessions_17/refresh'])

    await types('?')
    const help = page.getByRole('dialog', { name: 'Keys' })
    await help.getByText('show these keys').waitFor()
    expect(await brokenRules(page, 'all')).toEqual([])
    await types('r')
    await help.getByRole('checkbox').uncheck()
    await types('Escape')
    await help.waitFor({ state: 'detached' })
    await types('r', '?')
    await page.reload()
    await page.getByRole('heading', { level: 1, name: 'ops.sessions_17' }).waitFor()
    await types('r', '?')
    expect(posts()).toHaveLength(2)
    expect(await help.isVisible()).toBe(false)
    await page.getByRole('button', { name: 'Keys' }).click()
    await help.getByRole('checkbox').check()
    api.asked.length = 0
  })

  test('Escape answers a question with no, and the focus is where it was', async () => {
    const { page } = await openPage(browser, api.url)
    await page.getByRole('button', { name: 'Pause all' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'Pause everything scheduled?' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await focused(page)).toBe('Pause all')
    expect(api.asked.filter(({ method }) => method === 'POST')).toEqual([])
  })
})

const focused = (page: Awaited<ReturnType<typeof openPage>>['page']) =>
  page.evaluate<string>('document.activeElement.textContent')
