import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { linkLibraries } from '../../../local/embedded/embedded.ts'

test('links between libraries are made if no install script has made them, and kept if one has', () => {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-links-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'native/lib'), { recursive: true })
  writeFileSync(join(folder, 'native/lib/libpq.so.5.18'), 'the library')
  const links = ['libpq.so', 'libpq.so.5'].map((name) => ({
    source: 'native/lib/libpq.so.5.18',
    target: `native/lib/${name}`,
  }))
  writeFileSync(join(folder, 'native/pg-symlinks.json'), JSON.stringify(links))
  for (let times = 0; times < 2; times++) {
    linkLibraries(folder)
    for (const { target } of links) {
      expect(readlinkSync(join(folder, target))).toBe('libpq.so.5.18')
      expect(readFileSync(join(folder, target), 'utf8')).toBe('the library')
    }
  }
})

test('a package without a list of links is taken as it is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-links-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  expect(() => linkLibraries(folder)).not.toThrow()
})
