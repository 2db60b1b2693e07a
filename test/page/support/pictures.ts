import { mkdir, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { startBrowser } from './browser.ts'
import { startDemo } from './demo.ts'
import { makeNight } from './night.ts'
import { everyPage, nameOf, ofDocs, open, take, wordsOf } from './shots.ts'

// npm run pictures: takes the pictures of docs/pictures from the demo, with the words that a test compares.
// npm run pictures -- <folder>: takes every page, wide and narrow, light and dark, to look at a change.

const folder = process.argv[2]
const demo = await startDemo()
const browser = await startBrowser()
try {
  const night = await makeNight(demo)
  const to = resolve(folder ?? 'docs/pictures')
  await mkdir(to, { recursive: true })
  const words: Record<string, string> = {}
  for (const picture of folder ? everyPage(night) : ofDocs) {
    const page = await open(browser, demo.url, night, picture)
    words[nameOf(picture)] = await wordsOf(page)
    await writeFile(`${to}/${nameOf(picture)}.png`, await take(page, picture))
    await page.close()
  }
  await writeFile(`${to}/words.json`, `${JSON.stringify(words, null, 2)}\n`)
  await night.end()
} finally {
  await browser.close()
  await demo.stop()
}
