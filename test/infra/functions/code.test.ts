import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { codeOf, copySql } from '../../../infra/functions/code.ts'

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-code-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

test('only the SQL of a folder is copied', () => {
  const folder = temporary()
  const from = join(folder, 'from')
  mkdirSync(from)
  for (const file of ['001_sales.up.sql', '001_sales.down.sql', 'README.md'])
    writeFileSync(join(from, file), '')
  copySql(from, join(folder, 'to'))
  expect(readdirSync(join(folder, 'to')).sort()).toEqual(['001_sales.down.sql', '001_sales.up.sql'])
})

test('a folder that is missing has no SQL', () => {
  const folder = temporary()
  copySql(join(folder, 'nowhere'), join(folder, 'to'))
  expect(readdirSync(folder)).toEqual([])
})

test('a bundle that is missing is refused, with the command that makes it', () => {
  expect(() => codeOf('no-such-function')).toThrow(
    /^The bundle of the function no-such-function is missing: .+\. Run `npm run build`/,
  )
})
