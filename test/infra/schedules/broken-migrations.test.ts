import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import context from '../../../cdk.context.json' with { type: 'json' }

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const copy = mkdtempSync(join(tmpdir(), 'viewkeeper-copy-'))
afterAll(() => rmSync(copy, { recursive: true }))

test('migrations with a gap are refused by the app, by name', () => {
  for (const part of ['dist', 'infra', 'src', 'migrations', 'package.json'])
    cpSync(join(repository, part), join(copy, part), { recursive: true })
  const app = readFileSync(join(repository, 'template/aws/bin/app.mts'), 'utf8')
  writeFileSync(join(copy, 'infra/app.ts'), app.replace('viewkeeper/cdk', './index.ts'))
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'))
  writeFileSync(join(copy, 'migrations/900_sales.up.sql'), 'select 1')
  const { status, stderr } = spawnSync(process.execPath, [join(copy, 'infra/app.ts')], {
    encoding: 'utf8',
    cwd: copy,
    env: { ...process.env, CDK_CONTEXT_JSON: JSON.stringify({ env: 'production', ...context }) },
  })
  expect(stderr).toMatch(/migrations\/: 900_sales should be number \d{3}/)
  expect(status).toBe(1)
})
