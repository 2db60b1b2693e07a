import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { startGateway } from '../../serve/http/gateway.ts'
import { findFreePort } from '../../serve/process.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { connectTo } from '../../src/server/connect.ts'
import { startApi, startParameters, withoutPerson } from '../support/api/fake-api.ts'
import { servedOn } from '../support/api/served.ts'
import { until } from '../support/waiting/until.ts'
import { temporaryFolder } from './support/viewkeeper.ts'

/** The system gives no program a port below 1024 as a free one, and no known service has this port. */
const unusedPort = '2'

const commandLine = fileURLToPath(new URL('../../cli/viewkeeper.js', import.meta.url))

test('viewkeeper open signs what the page asks of an environment, until Ctrl-C', async () => {
  const { url: apiUrl, received } = await startApi(() => ({ body: { actions: [], next: null } }))
  await startParameters({ opened: { apiUrl: `${apiUrl}/` } })
  const browser = fakeBrowser()
  const command = run(['open', 'app.sales', '--env', 'opened'], browser.env)
  const address = await command.sees(/page {2}(http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}\/\S+)/)
  expect(address).toMatch(/\/page\/views\/app\.sales$/)
  // The browser is a program of its own, and starts when it likes.
  await until('the browser shows the page', async () => browser.opened() === address)
  await command.sees(/acts on (opened) as you/)

  const page = await fetch(new URL('../actions', address))
  expect(page.status).toBe(200)
  expect(await page.text()).toContain('<title>Actions · opened · Viewkeeper</title>')
  expect(received).toMatchObject([{ url: '/actions?limit=50', signature: { keyId: 'AKIATEST' } }])

  command.child.kill('SIGINT')
  expect(await command.exitCode).toBe(0)
  await expect(fetch(address)).rejects.toThrow()
})

test('an error that nobody catches ends serve and the proxy with 1 and one line, as it does a command', async () => {
  const preload = new URL('support/defect.mjs', import.meta.url)
  const env = { NODE_OPTIONS: `--import=${preload}` }
  const { url } = await startApi()
  await startParameters({ broken: { apiUrl: url } })
  const proxy = run(['open', '--env', 'broken', '--no-browser'], env)
  await proxy.sees(/(acts on broken as you)/)
  // It waits for its database.
  const nowhere = 'postgres://postgres@127.0.0.1:1/postgres'
  const serve = run(['serve'], { ...env, DATABASE_URL: nowhere, PORT: `${await findFreePort()}` })
  await serve.sees(/(waits for the database)/)
  for (const { child, exitCode, printed } of [proxy, serve]) {
    const before = printed()
    child.kill('SIGUSR2')
    expect({ exit: await exitCode, said: printed().slice(before.length) }).toEqual({
      exit: 1,
      said: expect.stringMatching(/^.*ended by a defect.*support\/defect\.mjs.*\n$/),
    })
  }
})

test('viewkeeper open of the local gateway opens the page that the gateway serves, and ends', async () => {
  withoutPerson()
  const { url, close } = await startGateway({
    port: 0,
    served: servedOn(connectTo(fromUrl('postgres://postgres@127.0.0.1:1/postgres'))),
  })
  onTestFinished(close)
  const browser = fakeBrowser()
  const command = run(['open'], { ...browser.env, PORT: new URL(url).port })
  expect(await command.exitCode).toBe(0)
  expect(command.printed()).toContain(`page  ${url}/\n`)
  await until('the browser shows the page', async () => browser.opened() === `${url}/`)
})

test('viewkeeper open --no-browser only prints the address', async () => {
  const { url } = await startApi()
  await startParameters({ printed: { apiUrl: url } })
  const browser = fakeBrowser()
  const command = run(['open', '--env', 'printed', '--no-browser'], browser.env)
  expect(await command.sees(/page {2}(\S+)/)).toContain('http://127.0.0.1:')
  await command.sees(/(Ctrl-C)/)
  command.child.kill('SIGTERM')
  expect(await command.exitCode).toBe(0)
  expect(browser.opened()).toBe('')
})

test('viewkeeper open without a gateway says how to start one', async () => {
  withoutPerson()
  const command = run(['open'], { PORT: unusedPort })
  expect(await command.exitCode).not.toBe(0)
  expect(command.printed()).toContain('Start `npx viewkeeper dev`, or `npx viewkeeper serve` on a database.')
})

/** A program `xdg-open` that notes the address, and a screen. */
function fakeBrowser() {
  const folder = temporaryFolder()
  const note = join(folder, 'opened')
  writeFileSync(note, '')
  // `open` is its name on macOS.
  for (const name of ['xdg-open', 'open'])
    writeFileSync(join(folder, name), `#!/bin/sh\nprintf %s "$1" > '${note}'\n`, { mode: 0o755 })
  return {
    env: { PATH: `${folder}:${process.env.PATH}`, DISPLAY: ':99' },
    opened: () => readFileSync(note, 'utf8'),
  }
}

function run(words: string[], env: Record<string, string>) {
  const child: ChildProcess = spawn(process.execPath, [commandLine, ...words], {
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
  const exitCode = once(child, 'close').then(([code]) => code as number | null)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exitCode
  })
  const sees = async (pattern: RegExp): Promise<string> => {
    const found = () => pattern.exec(text)?.[1]
    await until(
      () => `${pattern} is printed; only:\n${text}`,
      async () => found() !== undefined || child.exitCode !== null,
    )
    const match = found()
    if (match === undefined) throw new Error(`never printed ${pattern}; only:\n${text}`)
    return match
  }
  return { child, exitCode, sees, printed: () => text }
}
