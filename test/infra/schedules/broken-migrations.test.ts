import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import context from '../../../cdk.context.json' with { type: 'json' }

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-app-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('migrations with a gap are refused by the app, by name', () => {
  const app = readFileSync(join(repository, 'template/aws/bin/app.mts'), 'utf8')
  writeFileSync(join(folder, 'app.mts'), app.replace('viewkeeper/cdk', join(repository, 'infra/index.ts')))
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'migrations'))
  writeFileSync(join(folder, 'migrations/900_sales.up.sql'), 'select 1')
  const { status, stderr } = spawnSync(process.execPath, [join(folder, 'app.mts')], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, CDK_CONTEXT_JSON: JSON.stringify({ env: 'production', ...context }) },
  })
  expect(stderr).toMatch(/migrations\/: 900_sales should be number \d{3}/)
  expect(status).toBe(1)
})
