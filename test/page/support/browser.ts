import { existsSync } from 'node:fs'
import { AxeBuilder } from '@axe-core/playwright'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

/** Starts the Chromium of this machine: `CHROMIUM`, or one in the usual places. */
export function startBrowser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? places.find(existsSync)
  if (executablePath === undefined)
    throw new Error(
      'The tests of the page need Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM to its ' +
        'path.',
    )
  // Chromium's sandbox refuses to start as root, as which containers often run.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return chromium.launch({ executablePath, args })
}

export interface Opened {
  page: Page
  /** What the browser complained about: errors of scripts, of the console, of the Content-Security-Policy. */
  complaints: string[]
}

/** Opens a page in a context of its own. Answers with these statuses are expected, and are no complaint. */
export async function openPage(
  browser: Browser,
  url: string,
  { expected = [], ...options }: BrowserContextOptions & { expected?: number[] } = {},
): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(`${error.stack ?? error}`))
  page.on('console', (message) => {
    const isExpected = expected.some((status) => message.text().includes(`status of ${status}`))
    if (['error', 'warning'].includes(message.type()) && !isExpected) complaints.push(message.text())
  })
  await page.goto(url)
  await page.getByRole('heading', { level: 1 }).waitFor()
  return { page, complaints }
}

/** The rules of accessibility (all, or those about colours) that a page breaks, each with the elements that break it. */
export async function brokenRules(page: Page, rules: 'all' | 'colours'): Promise<string[]> {
  const axe = new AxeBuilder({ page })
  const { violations } = await (rules === 'all' ? axe : axe.withRules('color-contrast')).analyze()
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}
