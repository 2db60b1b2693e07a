import { expect, test } from 'vitest'
import { cut, displayWidth, fill, harmless, wrap } from '../../../cli/output/terminal.ts'

test.each([
  ['sales', 5],
  ['äöü', 3],
  ['e\u0301', 1],
  ['売上', 4],
  ['매출', 4],
  ['🛫', 2],
  ['\x1b[31mred\x1b[39m', 3],
  ['', 0],
])('%j takes %d columns', (text, columns) => {
  expect(displayWidth(text)).toBe(columns)
})

test('a text that is too long is cut, also between wide characters', () => {
  expect(cut('worst_routes', 12)).toBe('worst_routes')
  expect(cut('worst_routes', 8)).toBe('worst_r…')
  expect(cut('売上売上', 6)).toBe('売上…')
  expect(cut('one two', 5)).toBe('one…')
})

test('a text is filled up by the columns that it takes', () => {
  expect(fill('売上', 6)).toBe('売上  ')
  expect(fill('7', 3, true)).toBe('  7')
  expect(fill('long', 2)).toBe('long')
})

test('a text breaks at spaces only', () => {
  expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
  expect(wrap('a unbreakable_word b', 4)).toEqual(['a', 'unbreakable_word', 'b'])
  expect(wrap('one two', Number.POSITIVE_INFINITY)).toEqual(['one two'])
})

test('what moves the cursor, colours or turns the direction is taken out of a text', () => {
  expect(harmless('a\x1b[2Jb\r\nc\td\x07e\u202ef')).toBe('ab c d e f')
})

test('a quoted name has escapes instead, so that no two names are shown alike', () => {
  expect(harmless('app."a\nb" reads "a b"\n')).toBe('app.U&"a\\000Ab" reads "a b" ')
})
