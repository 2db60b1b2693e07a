import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

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
