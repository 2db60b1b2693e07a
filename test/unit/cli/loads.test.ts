import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url))
const told = `data:text/javascript,${encodeURIComponent(`import { registerHooks } from 'node:module'
registerHooks({ load(url, context, next) { console.error(url); return next(url, context) } })`)}`

test('the help does not load PostgreSQL’s parser, which takes most of a second', async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', told, main, '--help'], {
    maxBuffer: 1e8,
  })
  expect(stdout).toMatch(/^Usage: viewkeeper/)
  expect(stderr).toContain('/src/authored/sql/read.ts')
  expect(stderr).not.toContain('libpg-query')
})
