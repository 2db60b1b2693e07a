import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('a Node that cannot run TypeScript is told which one can', () => {
  const commandLine = fileURLToPath(new URL('../../../cli/viewkeeper.js', import.meta.url))
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--no-experimental-strip-types', commandLine, 'ls'],
    { encoding: 'utf8' },
  )
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toMatch(/^viewkeeper: Node \d+\.\d+\.\d+ cannot run it\. npx viewkeeper takes the Node/)
})
