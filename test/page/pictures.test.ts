import { readdirSync, readFileSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBrowser } from './support/browser.ts'
import { startDemo } from './support/demo.ts'
import { makeNight, type Night } from './support/night.ts'
import { nameOf, ofDocs, open, wordsOf } from './support/shots.ts'

const folder = new URL('../../docs/pictures/', import.meta.url)
const taken = JSON.parse(readFileSync(new URL('words.json', folder), 'utf8')) as Record<string, string>

let browser: Browser
let demo: Awaited<ReturnType<typeof startDemo>>
let night: Night
beforeAll(async () => {
  browser = await startBrowser()
  demo = await startDemo()
  night = await makeNight(demo)
})
afterAll(async () => {
  await night.end()
  await browser.close()
  await demo.stop()
})

test('the docs have these pictures of the page, and no other', () => {
  const names = ofDocs.map(nameOf).sort()
  const files = readdirSync(folder).filter((file) => file.endsWith('.png'))
  expect(files.map((file) => file.replace('.png', '')).sort()).toEqual(names)
  expect(Object.keys(taken).sort()).toEqual(names)
})

test.each(ofDocs.map((picture) => [nameOf(picture), picture] as const))(
  'the picture %s shows the words that the page has: else `npm run pictures`',
  async (name, picture) => {
    const page = await open(browser, demo.url, night, picture)
    expect(taken[name]).toEqual(await wordsOf(page))
    await page.close()
  },
)
