import type { Browser, Page } from 'playwright-core'
import type { Night } from './night.ts'

// The pictures that the docs have of the page: what each shows, and the words that it shows.

const widths = { wide: 1280, narrow: 390 }
const schemes = ['light', 'dark'] as const

export interface Picture {
  page: string
  width: keyof typeof widths
  scheme: (typeof schemes)[number]
  /** At most so many pixels are shown. */
  height?: number
}

export const nameOf = ({ page, width, scheme }: Picture): string => `${page}-${width}-${scheme}`

const addresses = (night: Night): Record<string, string> => ({
  views: '',
  view: 'page/views/public.route_delays',
  failed: 'page/views/public.late_share',
  graph: 'page/graph',
  batches: 'page/batches',
  batch: `page/batches/${night.batch}`,
  runs: 'page/runs',
  days: 'page/runs?as=days',
  run: `page/runs/${night.failedRun}`,
  actions: 'page/actions',
})

export const ofDocs: Picture[] = [
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

export const everyPage = (night: Night): Picture[] =>
  Object.keys(addresses(night)).flatMap((page) =>
    (['wide', 'narrow'] as const).flatMap((width) =>
      schemes.map((scheme) => ({ page, width, scheme, height: 4000 })),
    ),
  )

/** A picture's page, loaded to its end. */
export async function open(browser: Browser, url: string, night: Night, picture: Picture): Promise<Page> {
  const page = await browser.newPage({
    viewport: { width: widths[picture.width], height: 860 },
    colorScheme: picture.scheme,
    reducedMotion: 'reduce',
  })
  await page.goto(`${url}/${addresses(night)[picture.page]}`)
  await page.getByRole('heading', { level: 1 }).waitFor()
  await page.waitForLoadState('networkidle')
  return page
}

export async function take(page: Page, { width, height = 860 }: Picture): Promise<Buffer> {
  const bottom = await bottomOf(page)
  const clip = { x: 0, y: 0, width: widths[width], height: Math.min(height, Math.ceil(bottom)) }
  return page.screenshot({ fullPage: true, clip })
}

/** Where the content ends, once everything has been loaded and the end stays where it is. */
async function bottomOf(page: Page): Promise<number> {
  let bottom = 0
  for (let before = -1; before !== bottom; ) {
    before = bottom
    await page.waitForTimeout(700)
    bottom = await page.evaluate<number>(
      'Math.max(...[...document.querySelector("main").children].map((each) => each.getBoundingClientRect().bottom)) + 20',
    )
  }
  return bottom
}

/** What does not depend on the moment: titles, tabs, columns, labels and buttons, without figures and the months of days. */
export async function wordsOf(page: Page): Promise<string> {
  const told = await page
    .locator('header a, h1, h2, h3, th, dt, label, main button, nav a')
    .filter({ visible: true })
    .allInnerTexts()
  const words = told.map((text) =>
    text
      .replaceAll(/\S*\d\S*(\s(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b)?/g, '')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  )
  return [...new Set(words)]
    .filter((text) => text !== '')
    .sort()
    .join(' · ')
}
