import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { command } from '../../../src/words/commands.ts'

test('a command line names the environment, and the local gateway needs no name', () => {
  expect(command(['why', 'app.sales'], 'production')).toBe('viewkeeper why app.sales --env production')
  expect(command(['resume', '--all'], null)).toBe('viewkeeper resume --all')
})

test('a name that a shell reads otherwise is quoted', () => {
  expect(command(['why', `app."Odd.Name"`], null)).toBe(`viewkeeper why 'app."Odd.Name"'`)
  expect(command(['why', `app."it's"`], null)).toBe(`viewkeeper why 'app."it'\\''s"'`)
})

test('a name with a line break stays on one line', () => {
  expect(command(['why', 'app."a\nb"'], null)).toBe(`viewkeeper why "$(printf 'app."a\\012b"')"`)
})

test('a shell reads back every word', () => {
  const name = fc.string({ unit: fc.constantFrom('a', '\n', '\r', '\t', '\u0085', "'", '\\', '%', 'ü') })
  const word = fc.oneof(
    fc.string({ minLength: 1, unit: 'grapheme-ascii' }),
    name.map((each) => `"${each}"`),
  )
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
      const line = command(words, null).replace(/^viewkeeper /, `printf '%s\\0' `)
      const said = execFileSync('sh', ['-c', line], { encoding: 'utf8' })
      expect(said.split('\0').slice(0, -1)).toEqual(words)
    }),
    { numRuns: 50 },
  )
})
