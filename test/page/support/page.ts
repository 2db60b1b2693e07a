import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { onTestFinished, type RunnerTask } from 'vitest'
import { evidenceFolder, keepEvidence } from '../../support/evidence/evidence.ts'
import { hangsMs } from '../../support/waiting/until.ts'

export interface Opened {
  page: Page
  /** What the browser complained about: errors of scripts, of the console, of the Content-Security-Policy. */
  complaints: string[]
}

/**
 * Opens a page in a context of its own, which ends with the test. Answers with these statuses are expected, and are no complaint.
 * `stands`: the clock of the page stands still, so the page asks nothing by itself.
 */
export async function openPage(
  browser: Browser,
  url: string,
  {
    expected = [],
    stands = false,
    ...options
  }: BrowserContextOptions & { expected?: number[]; stands?: boolean } = {},
): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  context.setDefaultTimeout(hangsMs)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(`${error.stack ?? error}`))
  page.on('console', (message) => {
    const isExpected = expected.some((status) => message.text().includes(`status of ${status}`))
    if (['error', 'warning'].includes(message.type()) && !isExpected) complaints.push(message.text())
  })
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') await keepPicture(page, task)
    await context.close()
  })
  if (stands) await page.clock.pauseAt(Date.now())
  await page.goto(url)
  await page.getByRole('heading', { level: 1 }).waitFor()
  return { page, complaints }
}

/** A picture of the page as it was when its test failed. */
async function keepPicture(page: Page, test: Readonly<RunnerTask>): Promise<void> {
  const picture = join(evidenceFolder, `${test.id}.png`)
  await page.screenshot({ path: picture, fullPage: true })
  keepEvidence({ file: test.file.filepath, text: `The page looked like this: ${picture}` })
}

/** Cells of a row whose texts are printed over each other. */
export const overprinted = (page: Page): Promise<string[]> =>
  page.evaluate(`[...document.querySelectorAll('tbody tr, .timeline li')].flatMap((row) => {
    const texts = [...row.children].map((cell) => {
      const range = document.createRange()
      range.selectNodeContents(cell)
      return { text: cell.textContent, rects: [...range.getClientRects()].filter(({ width }) => width > 1) }
    })
    const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3
    return texts.flatMap((one, at) => texts.slice(at + 1).filter((other) => one.rects.some((a) => other.rects.some((b) => meet(a, b)))).map((other) => one.text + ' | ' + other.text))
  })`)

/** The rules of accessibility (all, or those about colours) that a page breaks, each with the elements that break it. */
export async function brokenRules(page: Page, rules: 'all' | 'colours'): Promise<string[]> {
  const axe = new AxeBuilder({ page })
  const { violations } = await (rules === 'all' ? axe : axe.withRules('color-contrast')).analyze()
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}
