import { mkdir, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { startBrowser } from './browser.ts'
import { startDemo } from './demo.ts'
import { makeNight, type Night } from './night.ts'

// npm run pictures: takes the pictures of docs/pictures from the demo.
// npm run pictures -- <folder>: takes every page, wide and narrow, light and dark, to look at a change.

const widths = { wide: 1280, narrow: 390 }
const schemes = ['light', 'dark'] as const

interface Picture {
  page: string
  width: keyof typeof widths
  scheme: (typeof schemes)[number]
  /** At most so many pixels are shown. */
  height?: number
}

const addresses = (night: Night): Record<string, string> => ({
  views: '#/',
  view: '#/views/public.route_delays',
  failed: '#/views/public.late_share',
  graph: '#/graph',
  batches: '#/batches',
  batch: `#/batches/${night.batch}`,
  runs: '#/runs',
  days: '#/runs?as=days',
  run: `#/runs/${night.failedRun}`,
  actions: '#/actions',
})

const ofDocs: Picture[] = [
  { page: 'views', width: 'wide', scheme: 'light' },
  { page: 'views', width: 'narrow', scheme: 'dark' },
  { page: 'view', width: 'wide', scheme: 'dark', height: 830 },
  { page: 'view', width: 'narrow', scheme: 'light' },
  { page: 'graph', width: 'wide', scheme: 'light' },
  { page: 'graph', width: 'narrow', scheme: 'dark' },
  { page: 'batch', width: 'wide', scheme: 'dark' },
  { page: 'batch', width: 'narrow', scheme: 'light' },
  { page: 'days', width: 'wide', scheme: 'light' },
  { page: 'run', width: 'wide', scheme: 'light' },
]

const everyPage = (night: Night): Picture[] =>
  Object.keys(addresses(night)).flatMap((page) =>
    (['wide', 'narrow'] as const).flatMap((width) =>
      schemes.map((scheme) => ({ page, width, scheme, height: 4000 })),
    ),
  )

async function take(browser: Browser, address: string, { width, scheme, height = 860 }: Picture) {
  const context = await browser.newContext({
    viewport: { width: widths[width], height: 860 },
    colorScheme: scheme,
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  await page.goto(address)
  await page.getByRole('heading', { level: 1 }).waitFor()
  await page.getByText(/^(Loading|Drawing) …$/).waitFor({ state: 'detached' })
  const bottom = await bottomOf(page)
  const clip = { x: 0, y: 0, width: widths[width], height: Math.min(height, Math.ceil(bottom)) }
  const picture = await page.screenshot({ fullPage: true, clip })
  await context.close()
  return picture
}

/** Where the content ends, once everything has been loaded and the end stays where it is. */
async function bottomOf(page: Page): Promise<number> {
  let bottom = 0
  for (let before = -1; before !== bottom; ) {
    before = bottom
    await page.waitForTimeout(700)
    bottom = await page.evaluate<number>(
      'document.querySelector("main").lastElementChild.getBoundingClientRect().bottom + 20',
    )
  }
  return bottom
}

const folder = process.argv[2]
const demo = await startDemo()
const browser = await startBrowser()
try {
  const night = await makeNight(demo)
  const to = resolve(folder ?? 'docs/pictures')
  await mkdir(to, { recursive: true })
  for (const picture of folder ? everyPage(night) : ofDocs) {
    const { page, width, scheme } = picture
    const bytes = await take(browser, `${demo.url}/${addresses(night)[page]}`, picture)
    await writeFile(`${to}/${page}-${width}-${scheme}.png`, bytes)
  }
  await night.end()
} finally {
  await browser.close()
  await demo.stop()
}
