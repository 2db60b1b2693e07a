import { expect, test } from 'vitest'
import { textOf } from '../../../cli/output/table.ts'
import { Facts, Told } from '../../../page/cells.tsx'
import type { Cell } from '../../../src/resources/cell.ts'

/** What a newer page and command line make of a field that the answer of an older version lacks. */
const lacking = undefined as unknown as Cell

test('a field that an older version does not answer says nothing, on the page and in the terminal', () => {
  expect(String(Told({ cell: ['before ', lacking, 'after'] }))).toBe('before after')
  expect(
    String(
      Facts({
        facts: [
          ['slices', lacking],
          ['rows', '3'],
        ],
      }),
    ),
  ).toBe('<dl class="facts"><div><dt>Rows</dt><dd>3</dd></div></dl>')
  expect(textOf(['before ', lacking, 'after'], new Date())).toBe('before after')
})
