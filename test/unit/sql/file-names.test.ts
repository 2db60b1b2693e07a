import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fileNameOf } from '../../../src/sql/new-names.ts'

/** The name that a file was named after. */
const nameOf = (file: string): string =>
  Buffer.from(
    file.replace(/\+([a-z])|@(..)/g, (_, capital, byte) =>
      capital ? capital.toUpperCase() : String.fromCharCode(Number.parseInt(byte, 16)),
    ),
    'latin1',
  ).toString('utf8')

describe('a file is named after a view', () => {
  test.each([
    ['sales_2024', 'sales_2024'],
    ['OrderTotals', '+order+totals'],
    ['Odd name', '+odd@20name'],
    ['with.dot', 'with@2edot'],
    ['../x', '@2e@2e@2fx'],
    ['+s@20', '@2bs@4020'],
    ['caf\u00e9', 'caf@c3@a9'],
    ['cafe\u0301', 'cafe@cc@81'],
    ['aux', '@61ux'],
    ['lpt1', '@6cpt1'],
    ['auxiliary', 'auxiliary'],
    ['AUX', '+a+u+x'],
  ])('%s: %s', (name, file) => {
    expect(fileNameOf(name)).toBe(file)
  })

  test('so that the name can be read back, and no two files differ in capitals alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 63 }), (name) => {
        fc.pre(name.isWellFormed())
        expect(fileNameOf(name)).toMatch(/^[a-z0-9_+@]+$/)
        expect(nameOf(fileNameOf(name))).toBe(name)
      }),
    )
  })
})
