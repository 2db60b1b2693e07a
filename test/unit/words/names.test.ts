import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quoteIdentifier, quoteName } from '../../../src/sql/names.ts'
import { displayName, parseName } from '../../../src/words/names.ts'
import { Problem } from '../../../src/words/problem.ts'

// Property tests make hundreds of cases, which takes seconds on a busy machine.
describe('a name is read as SQL reads it', () => {
  test.each([
    ['sales', null, 'sales'],
    ['Sales', null, 'sales'],
    ['app.Sales', 'app', 'sales'],
    ['"Odd.Name"', null, 'Odd.Name'],
    ['"a""b"."c d"', 'a"b', 'c d'],
    ['  sales  ', null, 'sales'],
    ['\n\tsales\v\f\r', null, 'sales'],
    ['\ufeffsales', null, '\ufeffsales'], // no space to the server, but a part of the name
    ['sales\u00a0', null, 'sales\u00a0'],
    ['_x$1', null, '_x$1'],
    ['ÄRGER', null, 'Ärger'], // the server folds ASCII only
    ['"select"', null, 'select'],
    ['App.u&"d\\0061t\\+000061\\\\"', 'app', 'data\\'],
    ['日本.表', '日本', '表'],
  ])('%s', (text, schema, name) => {
    expect(parseName(text)).toEqual({ schema, name })
  })

  test.each([
    '',
    ' ',
    '.',
    'a.',
    '.a',
    'a.b.c',
    '1a',
    '"',
    '""',
    'a b',
    'a;b',
    'a-b',
    "a'b",
    '"a"b',
    'a"b"',
    '"a\0b"',
    'a\0',
    'U&"a\\200"',
    'U&"a\\d800"',
    'U&"a\\+110000"',
    'U&"a\\0000"',
  ])('%j is refused, naming the field', (text) => {
    expect(() => parseName(text, 'path.view')).toThrow(
      expect.objectContaining({ code: 'InvalidName', details: { field: 'path.view' } }),
    )
  })

  test('a part of more bytes than the server keeps is refused, not cut', () => {
    expect(parseName('a'.repeat(63)).name).toHaveLength(63)
    expect(() => parseName('a'.repeat(64))).toThrow(/63 bytes/)
    expect(() => parseName('ä'.repeat(32))).toThrow(Problem)
    expect(() => parseName(`app."${'x'.repeat(70)}"`)).toThrow(/63 bytes/)
  })
})

describe('quoting', () => {
  test('a quoted name is read back unchanged, whatever it holds', () => {
    const identifier = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 15 })
      .filter((text) => !text.includes('\0') && !/[\ud800-\udfff]/.test(text))
    fc.assert(
      fc.property(identifier, identifier, (schema, name) => {
        expect(parseName(quoteName({ schema, name }))).toEqual({ schema, name })
        expect(parseName(quoteIdentifier(name))).toEqual({ schema: null, name })
      }),
    )
  })

  test('a name for people is read back unchanged', () => {
    const identifier = fc.string({
      unit: fc.constantFrom(...'aZ_$0."ä \\+&\n\u00a0\u200b\u202e\u2066\ufe0f\u3164', '\u{e0041}'),
      minLength: 1,
      maxLength: 15,
    })
    fc.assert(
      fc.property(identifier, identifier, (schema, name) => {
        expect(parseName(displayName({ schema, name }))).toEqual({ schema, name })
      }),
    )
  })

  test.each([
    ['day_1$', 'day_1$'],
    ['order', 'order'], // a keyword, which SQL would want in quotes
    ['Day', '"Day"'],
    ['1day', '"1day"'],
    ['tür', '"tür"'],
    ['a\u200bb', 'U&"a\\200Bb"'],
    ['a\\\u202e"', 'U&"a\\\\\\202E"""'],
    ['a\u{e0041}', 'U&"a\\+0E0041"'],
  ])('the name %s is %s for people', (name, expected) => {
    expect(displayName({ schema: null, name })).toBe(expected)
  })

  test('parsing never throws anything but InvalidName', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          parseName(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'InvalidName' })
        }
      }),
    )
  })
})
